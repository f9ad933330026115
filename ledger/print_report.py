"""A printer's report of one print, `partvault/report/v1`: what a `PrintOutcome` commits to.

Strict: every member is there, none besides, each in one spelling (docs/formats/report.md). Agent, service and
whoever verifies a certificate read it by this. Pure; TypedDataError names the member at fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Self

from ledger.errors import TypedDataError
from ledger.json_members import array, hash32, integer, label, maybe, members, text
from ledger.typed_data import Result

FORMAT: Final = "partvault/report/v1"
REPORT_BYTES_MAX: Final = 64 * 1024
DETAIL_CHARS_MAX: Final = 1000
NAME_CHARS_MAX: Final = 200
PHRASE_CHARS_MAX: Final = 64
SERIALS_MAX: Final = 64
MEASUREMENTS_MAX: Final = 64
CLOCK_SKEW_S_MAX: Final = 300
"""How far a printer's clock may be off against the blocks' times."""

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,12})?")
_VERDICTS: Final = ("pass", "fail")
_MEMBERS: Final = (
    *("format", "print", "printer", "revision", "part", "agent", "driver", "machine", "material", "serials"),
    *("started_at", "ended_at", "measurements", "mass_g", "result", "detail"),
)


@dataclass(frozen=True)
class PrintedPart:
    """What was printed, as the manifest names it that the printer held against its commitment.

    design: the service's name of the part; revision: the version's number; file: the print file's name
    """

    design: str
    revision: int
    file: str

    def to_json(self) -> dict[str, Any]:
        """Return the part as a report holds it."""
        return {**vars(self)}

    @classmethod
    def from_json(cls, data: object, at: str) -> Self:
        """Read what `to_json` wrote."""
        given = members(data, at, ("design", "revision", "file"))
        return cls(
            label(given["design"], f"{at}.design"),
            integer(given["revision"], f"{at}.revision", 1, 1 << 31),
            _name(given["file"], f"{at}.file"),
        )


@dataclass(frozen=True)
class MachineUsed:
    """The machine: its model, and its maker's serial number where the people beside it gave one."""

    model: str
    serial: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the machine as a report holds it."""
        return {**vars(self)}

    @classmethod
    def from_json(cls, data: object, at: str) -> Self:
        """Read what `to_json` wrote."""
        given = members(data, at, ("model", "serial"))
        model = _name(given["model"], f"{at}.model")
        return cls(model, maybe(label, given["serial"], f"{at}.serial"))


@dataclass(frozen=True)
class MaterialUsed:
    """The material that the recipe names, if it does, and the batch or lot it came from, where given."""

    name: str | None
    batch: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the material as a report holds it."""
        return {**vars(self)}

    @classmethod
    def from_json(cls, data: object, at: str) -> Self:
        """Read what `to_json` wrote."""
        given = members(data, at, ("name", "batch"))
        name = maybe(_name, given["name"], f"{at}.name")
        return cls(name, maybe(label, given["batch"], f"{at}.batch"))


@dataclass(frozen=True)
class Measurement:
    """One measured quantity; numbers are decimal strings, as they were read.

    unit: as written on the drawing ("mm", "µm", "HV"), "1" for a pure number
    lower, upper: tolerance limits, ends included; verdict: "pass" or "fail", never against the limits
    """

    name: str
    value: str
    unit: str
    lower: str | None = None
    upper: str | None = None
    verdict: str | None = None
    instrument: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the measurement as a report holds it."""
        return {**vars(self)}

    @classmethod
    def from_json(cls, data: object, at: str) -> Self:
        """Read what `to_json` wrote; a verdict against the limits, and limits that cross, are refused."""
        names = ("name", "value", "unit", "lower", "upper", "verdict", "instrument")
        given = members(data, at, names)
        if given["verdict"] not in (None, *_VERDICTS):
            raise TypedDataError(f"{at}.verdict", "must be pass, fail or null")
        read = cls(
            name=_phrase(given["name"], f"{at}.name"),
            value=_decimal(given["value"], f"{at}.value"),
            unit=text(given["unit"], f"{at}.unit", 32),
            lower=maybe(_decimal, given["lower"], f"{at}.lower"),
            upper=maybe(_decimal, given["upper"], f"{at}.upper"),
            verdict=given["verdict"],
            instrument=maybe(_phrase, given["instrument"], f"{at}.instrument"),
        )
        if read.lower is not None and read.upper is not None and Decimal(read.lower) > Decimal(read.upper):
            raise TypedDataError(f"{at}.upper", f"{read.upper} is below the lower limit {read.lower}")
        judged = read.within_limits()
        if judged is not None and read.verdict not in (None, judged):
            raise TypedDataError(f"{at}.verdict", f"is {read.verdict!r}, the limits make it {judged!r}")
        return read

    def within_limits(self) -> str | None:
        """Return the verdict that the limits make; None where there are none."""
        if self.lower is None and self.upper is None:
            return None
        value = Decimal(self.value)
        low = self.lower is None or Decimal(self.lower) <= value
        high = self.upper is None or value <= Decimal(self.upper)
        return "pass" if low and high else "fail"


@dataclass(frozen=True)
class PrintReport:
    """How a print went, in the words of its printer and of the people beside it.

    print, printer, revision: their 32-byte names on chain
    agent: program and version that signed; driver: what it drove the machine with
    serials: serial numbers of the pieces; started_at, ended_at: Unix seconds, no start where it never began
    mass_g: decimal string, grams; result: a `Result`; detail: a sentence
    """

    print: bytes
    printer: bytes
    revision: bytes
    part: PrintedPart
    agent: str
    driver: str
    machine: MachineUsed
    material: MaterialUsed
    serials: tuple[str, ...]
    started_at: int | None
    ended_at: int
    measurements: tuple[Measurement, ...]
    mass_g: str | None
    result: Result
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Return the report: hashes as 0x-hex, times as RFC 3339 UTC."""
        return {
            "format": FORMAT,
            "print": "0x" + self.print.hex(),
            "printer": "0x" + self.printer.hex(),
            "revision": "0x" + self.revision.hex(),
            "part": self.part.to_json(),
            "agent": self.agent,
            "driver": self.driver,
            "machine": self.machine.to_json(),
            "material": self.material.to_json(),
            "serials": list(self.serials),
            "started_at": None if self.started_at is None else _rfc3339(self.started_at),
            "ended_at": _rfc3339(self.ended_at),
            "measurements": [each.to_json() for each in self.measurements],
            "mass_g": self.mass_g,
            "result": self.result.name.lower(),
            "detail": self.detail,
        }

    @classmethod
    def from_json(cls, data: object, at: str = "report") -> Self:
        """Read what `to_json` wrote; TypedDataError names the member (`report.measurements.0.value`).

        1. Every member is there, none besides, each of its type and within its limits; serial numbers and
           names of measurements come once.
        2. What completed had a start, and no end is before its start.

        Whether it is about this print, by this printer, at a time that can be, is the caller's to judge.
        """
        # (1) the members
        given = members(data, at, _MEMBERS)
        if given["format"] != FORMAT:
            raise TypedDataError(f"{at}.format", f"must be {FORMAT}")
        read = cls(
            print=hash32(given["print"], f"{at}.print"),
            printer=hash32(given["printer"], f"{at}.printer"),
            revision=hash32(given["revision"], f"{at}.revision"),
            part=PrintedPart.from_json(given["part"], f"{at}.part"),
            agent=label(given["agent"], f"{at}.agent"),
            driver=label(given["driver"], f"{at}.driver"),
            machine=MachineUsed.from_json(given["machine"], f"{at}.machine"),
            material=MaterialUsed.from_json(given["material"], f"{at}.material"),
            serials=serials_in(given["serials"], f"{at}.serials"),
            started_at=maybe(_seconds, given["started_at"], f"{at}.started_at"),
            ended_at=_seconds(given["ended_at"], f"{at}.ended_at"),
            measurements=measurements_in(given["measurements"], f"{at}.measurements"),
            mass_g=maybe(mass_in, given["mass_g"], f"{at}.mass_g"),
            result=_result(given["result"], f"{at}.result"),
            detail=text(given["detail"], f"{at}.detail", DETAIL_CHARS_MAX, least=0),
        )
        # (2) the order of times
        if read.started_at is None and read.result is Result.COMPLETED:
            raise TypedDataError(f"{at}.started_at", "is null, and the print completed")
        if read.started_at is not None and read.ended_at < read.started_at:
            raise TypedDataError(f"{at}.ended_at", "is before started_at")
        return read

    def implausible(self, counted_at: int, latest: int) -> tuple[str, str] | None:
        """Return the member and the sentence of a time that cannot be, None where all can.

        `counted_at` is the time of the block that counted the print, `latest` a time by which the report was
        there, Unix seconds; clocks may be `CLOCK_SKEW_S_MAX` off.
        """
        for name, moment in (("started_at", self.started_at), ("ended_at", self.ended_at)):
            if moment is not None and moment < counted_at - CLOCK_SKEW_S_MAX:
                return name, f"is before the print was counted, at {_rfc3339(counted_at)}"
        if self.ended_at > latest + CLOCK_SKEW_S_MAX:
            return "ended_at", f"is yet to come at {_rfc3339(latest)}"
        return None


def plain_text(value: object, most: int) -> str:
    """Return a value as a report takes it: printable, no spaces at its ends, at most `most` characters."""
    shown = "".join(letter if letter.isprintable() else "·" for letter in str(value))
    return shown.strip()[:most].strip()


def serials_in(value: object, at: str) -> tuple[str, ...]:
    """Read serial numbers: labels, each once."""
    found = tuple(label(each, f"{at}.{index}") for index, each in enumerate(array(value, at, SERIALS_MAX)))
    _once(found, at)
    return found


def measurements_in(value: object, at: str) -> tuple[Measurement, ...]:
    """Read measurements, each of another name."""
    rows = array(value, at, MEASUREMENTS_MAX)
    found = tuple(Measurement.from_json(each, f"{at}.{index}") for index, each in enumerate(rows))
    _once([each.name for each in found], at)
    return found


def mass_in(value: object, at: str) -> str:
    """Read a mass in grams: a decimal string above 0."""
    mass = _decimal(value, at)
    if Decimal(mass) <= 0:
        raise TypedDataError(at, "must be above 0")
    return mass


def _name(value: object, at: str) -> str:
    return text(value, at, NAME_CHARS_MAX)


def _phrase(value: object, at: str) -> str:
    return text(value, at, PHRASE_CHARS_MAX)


def _once(names: Sequence[str], at: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise TypedDataError(f"{at}.{index}", f"{name!r} is there twice")


def _decimal(value: object, at: str) -> str:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise TypedDataError(at, "must be a decimal number as text, such as 28.02")
    return value


def _result(value: object, at: str) -> Result:
    names: Mapping[str, Result] = {result.name.lower(): result for result in Result}
    if not isinstance(value, str) or value not in names:
        raise TypedDataError(at, f"must be one of {', '.join(names)}")
    return names[value]


def _seconds(value: object, at: str) -> int:
    wanted = "must be a time as 2026-07-01T08:30:00Z (RFC 3339, UTC, whole seconds)"
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise TypedDataError(at, wanted)
    try:
        return int(datetime.fromisoformat(value).timestamp())
    except ValueError:
        raise TypedDataError(at, wanted) from None


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
