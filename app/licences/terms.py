"""A licence's terms: conditions kept off chain, as a strict document (docs/formats/terms.md).

Pure. What is unknown or malformed is refused by name and never skipped: a condition that nobody enforces is
worse than none. The document is committed to as its owner wrote it; reading changes nothing in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeGuard

from app.errors import Invalid

ENTRIES_MAX = 100
NOTE_CHARACTERS_MAX = 5000
DAYS_MAX = 36_500
NUMBER_MAX = 2**53
PLATES = ("none", "own", "any")
"""With what else a part may share a plate: nothing, parts of the same owner, anybody's."""
_LABEL = re.compile(r"[ -~]{1,64}")
_BOUND_NAMES = ("min", "max", "unit")


@dataclass(frozen=True)
class Bounds:
    """What a recipe's parameter may be, ends included; `unit` is the one that both are in."""

    min: float | None = None
    max: float | None = None
    unit: str | None = None

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.min is None:
            return f"at most {self.max:g}{unit}"
        if self.max is None:
            return f"at least {self.min:g}{unit}"
        return f"{self.min:g} to {self.max:g}{unit}"


@dataclass(frozen=True)
class Terms:
    """What a print has to satisfy; None, empty: anything does.

    The recipe's process and material and the machine's site are one of those listed, the recipe's parameters
    within bounds. The part carries `export_labels`: the machine is cleared for each of them. The machine
    holds each of `qualifications` and was calibrated at most `calibration_days_max` days ago. `transferable`
    lets the provider pass prints on; `plates` says with whose parts this one may share a plate. `price` and
    `note` are for people and bind nothing here.
    """

    processes: tuple[str, ...] | None = None
    materials: tuple[str, ...] | None = None
    sites: tuple[str, ...] | None = None
    parameters: Mapping[str, Bounds] = field(default_factory=lambda: MappingProxyType({}))
    export_labels: tuple[str, ...] = ()
    qualifications: tuple[str, ...] = ()
    calibration_days_max: int | None = None
    transferable: bool | None = None
    plates: str | None = None
    price: Any = None
    note: str | None = None


def read_terms(document: Mapping[str, Any]) -> Terms:
    """Read terms; Invalid names the first member at fault, such as `terms.parameters.layer_mm.min`."""
    for name in document:
        if name not in _READERS:
            raise _refused(
                name,
                "is not a term that is known",
                f"the known terms are {', '.join(_READERS)}; put words for people into note",
            )
    return Terms(**{name: _READERS[name](name, value) for name, value in document.items()})


def plates_in(text: str) -> str | None:
    """Give what stored terms say of plates; None where they say nothing that is known."""
    found = json.loads(text).get("plates")
    return found if found in PLATES else None


def is_label(value: Any) -> TypeGuard[str]:
    """Tell whether a value is a label: 1 to 64 printable ASCII characters."""
    return isinstance(value, str) and _LABEL.fullmatch(value) is not None


def is_number(value: Any) -> TypeGuard[float]:
    """Tell whether a value is a number within ±2^53, which all readers of JSON take alike; `true` is none."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and -NUMBER_MAX <= value <= NUMBER_MAX
    )


def _labels(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise _refused(name, "must be a list of at least one label", "leave it out where anything will do")
    if len(value) > ENTRIES_MAX:
        raise _refused(name, f"has {len(value)} entries", f"list {ENTRIES_MAX} at the most")
    for place, label in enumerate(value):
        if not is_label(label):
            raise _refused(
                f"{name}.{place}", "is not a label", "write 1 to 64 printable ASCII characters, in quotes"
            )
        if label in value[:place]:
            raise _refused(f"{name}.{place}", f"repeats {label!r}", "list each label once")
    return tuple(value)


def _parameters(name: str, value: Any) -> Mapping[str, Bounds]:
    if not isinstance(value, dict) or not value:
        remedy = 'write {"layer_mm": {"min": 0.1, "max": 0.3, "unit": "mm"}}, or leave it out'
        raise _refused(name, "must be an object of at least one parameter", remedy)
    if len(value) > ENTRIES_MAX:
        raise _refused(name, f"has {len(value)} entries", f"bound {ENTRIES_MAX} parameters at the most")
    for each in value:
        if not is_label(each):
            raise _refused(name, f"has {each!r}, which is no label", "name a parameter as the recipe does")
    return MappingProxyType({each: _bounds(f"{name}.{each}", inner) for each, inner in value.items()})


def _bounds(name: str, value: Any) -> Bounds:
    if not isinstance(value, dict) or not {"min", "max"} & value.keys():
        raise _refused(name, "must be an object with min, max or both", 'write {"min": 0.1, "max": 0.3}')
    for each, inner in value.items():
        if each not in _BOUND_NAMES:
            raise _refused(f"{name}.{each}", "is not known", f"use {', '.join(_BOUND_NAMES)}")
        if each == "unit" and not is_label(inner):
            raise _refused(f"{name}.unit", "is not a label", "write it as in mm, or leave it out")
        if each != "unit" and not is_number(inner):
            raise _refused(f"{name}.{each}", "is not a number within ±2^53", "write a number, without quotes")
    bounds = Bounds(**value)
    if bounds.min is not None and bounds.max is not None and bounds.min > bounds.max:
        raise _refused(name, f"has min {bounds.min:g} above max {bounds.max:g}", "exchange them")
    return bounds


def _days(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= DAYS_MAX:
        raise _refused(name, "is not a number of days", f"write a whole number from 1 to {DAYS_MAX}")
    return value


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refused(name, "is neither true nor false", "write true or false, without quotes")
    return value


def _company(name: str, value: Any) -> str:
    if value not in PLATES:
        raise _refused(
            name, f"is none of {', '.join(PLATES)}", "leave it out where any part may stand beside"
        )
    return str(value)


def _note(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > NOTE_CHARACTERS_MAX:
        raise _refused(name, "is not a text", f"write up to {NOTE_CHARACTERS_MAX} characters, in quotes")
    return value


def _opaque(_name: str, value: Any) -> Any:
    return value


def _refused(name: str, problem: str, remedy: str) -> Invalid:
    field_name = f"terms.{name}"
    return Invalid(f"{field_name} {problem}", field=field_name, remedy=remedy)


_READERS: Mapping[str, Callable[[str, Any], Any]] = MappingProxyType(
    {
        "processes": _labels,
        "materials": _labels,
        "sites": _labels,
        "parameters": _parameters,
        "export_labels": _labels,
        "qualifications": _labels,
        "calibration_days_max": _days,
        "transferable": _truth,
        "plates": _company,
        "price": _opaque,
        "note": _note,
    }
)
TERM_NAMES: tuple[str, ...] = tuple(_READERS)
