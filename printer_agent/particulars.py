"""What the people beside a machine add to a report: serial numbers, the batch, measured results."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ledger.errors import TypedDataError
from ledger.json_members import label, maybe
from ledger.print_report import Measurement, mass_in, measurements_in, serials_in
from printer_agent.errors import AgentError

_FILE_BYTES_MAX = 256 * 1024
_MEMBERS = ("serials", "batch", "mass_g", "measurements")
_MEASURE = re.compile(
    r"(?P<name>[^=]+)=\s*(?P<value>\S+)\s+(?P<unit>[^\[@]+?)\s*"
    r"(?:\[\s*(?P<lower>\S*?)\s*\.\.\s*(?P<upper>\S*?)\s*\])?\s*(?:@\s*(?P<instrument>.+))?"
)


class ParticularsError(AgentError):
    """A particular cannot stand in a report; nothing was started or sent."""


@dataclass(frozen=True)
class Particulars:
    """What stands in the report beside what the agent knows itself; checked when it is made.

    batch: of the material, over the one in machine.json; mass_g: decimal string, grams
    """

    serials: tuple[str, ...] = ()
    batch: str | None = None
    mass_g: str | None = None
    measurements: tuple[Measurement, ...] = ()

    def over(self, earlier: Particulars) -> Particulars:
        """Give these with what only `earlier` says; a measurement of the same name is replaced."""
        renewed = {each.name for each in self.measurements}
        kept = tuple(each for each in earlier.measurements if each.name not in renewed)
        return Particulars(
            serials=self.serials or earlier.serials,
            batch=self.batch or earlier.batch,
            mass_g=self.mass_g or earlier.mass_g,
            measurements=(*kept, *self.measurements),
        )

    def to_json(self) -> dict[str, Any]:
        """Give the particulars as JSON."""
        return {
            "serials": list(self.serials),
            "batch": self.batch,
            "mass_g": self.mass_g,
            "measurements": [each.to_json() for each in self.measurements],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read particulars; members may be left out, as may a measurement's optional ones.

        ParticularsError names the member that is unknown or wrong.
        """
        for name in value:
            if name not in _MEMBERS:
                raise _wrong(str(name), f"is none of {', '.join(_MEMBERS)}")
        rows = value.get("measurements", [])
        try:
            return cls(
                serials=serials_in(value.get("serials", []), "serials"),
                batch=maybe(label, value.get("batch"), "batch"),
                mass_g=maybe(mass_in, value.get("mass_g"), "mass_g"),
                measurements=tuple(map(_judged, measurements_in(_spelled_out(rows), "measurements"))),
            )
        except TypedDataError as error:
            raise _wrong(error.field, error.problem) from error


NOTHING_SAID = Particulars()


def read(
    *, serials: Iterable[str], batch: str | None, mass: str | None, measures: Iterable[str], file: Path | None
) -> Particulars:
    """Read what a command line says; the file gives what the words leave out.

    A measure is `NAME=VALUE UNIT`, then `[LOWER..UPPER]` and `@INSTRUMENT` where there are any.
    """
    said = {
        "serials": list(serials),
        "batch": batch,
        "mass_g": mass,
        "measurements": [_measure(text) for text in measures],
    }
    return Particulars.from_json(said).over(NOTHING_SAID if file is None else _in_file(file))


def _in_file(path: Path) -> Particulars:
    try:
        with path.open("rb") as stream:
            value = json.loads(stream.read(_FILE_BYTES_MAX))
    except (OSError, ValueError, RecursionError) as error:
        raise _wrong(str(path), f"cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise _wrong(str(path), "is not a JSON object")
    return Particulars.from_json(value)


def _measure(text: str) -> dict[str, Any]:
    found = _MEASURE.fullmatch(text.strip())
    if found is None:
        raise _wrong("measure", f"{text!r} is not NAME=VALUE UNIT [LOWER..UPPER] @INSTRUMENT")
    return {name: value.strip() or None for name, value in found.groupdict().items() if value is not None}


def _spelled_out(rows: object) -> object:
    """Add what measurements may leave out."""
    if not isinstance(rows, list):
        return rows
    absent = {"lower": None, "upper": None, "verdict": None, "instrument": None}
    return [{**absent, **row} if isinstance(row, Mapping) else row for row in rows]


def _judged(measured: Measurement) -> Measurement:
    """Say the verdict that the limits make, where nobody said one."""
    return replace(measured, verdict=measured.verdict or measured.within_limits())


def _wrong(field: str, problem: str) -> ParticularsError:
    return ParticularsError(
        "invalid_particulars", f"{field}: {problem}", "see docs/formats/report.md for what a report takes"
    )
