"""Does a print satisfy its licence's terms? Reasons, each with what is asked and what is.

Pure. What the recipe or the machine does not say does not satisfy a condition about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.clock import rfc3339
from app.errors import Invalid, Reason
from app.licences.terms import Bounds, Terms, is_number, read_terms

_DAY_S = 86_400


def judge_terms(
    document: Mapping[str, Any], recipe: Mapping[str, Any], machine: Mapping[str, Any], now: int
) -> tuple[Reason, ...]:
    """Give every condition of the terms that the print breaks; one reason where they cannot be read."""
    try:
        terms = read_terms(document)
    except Invalid as error:
        message = f"the licence's terms cannot be followed: {error.detail}; have its owner grant another"
        return (Reason("terms_unreadable", message),)
    return (
        *_listed("terms_process", terms.processes, recipe["process"], "the recipe's process"),
        *_listed("terms_material", terms.materials, recipe.get("material"), "the recipe's material"),
        *_site_reasons(terms, machine),
        *_parameter_reasons(terms, recipe),
        *_export_reasons(terms, machine),
        *_qualification_reasons(terms, machine),
        *_calibration_reasons(terms, machine, now),
    )


def _listed(code: str, permitted: tuple[str, ...] | None, value: str | None, what: str) -> Iterator[Reason]:
    if permitted is not None and value not in permitted:
        message = f"the licence's terms permit {_words(permitted)}; {what} is {value or 'not stated'}"
        yield Reason(code, message)


def _site_reasons(terms: Terms, machine: Mapping[str, Any]) -> Iterator[Reason]:
    site = machine.get("site")
    if terms.sites is not None and site is None:
        message = f"the licence's terms permit the sites {_words(terms.sites)}; the machine states no site"
        yield Reason("site", f"{message}; have its provider state it")
        return
    yield from _listed("terms_site", terms.sites, site, "the machine's site")


def _parameter_reasons(terms: Terms, recipe: Mapping[str, Any]) -> Iterator[Reason]:
    stated = recipe.get("parameters") or {}
    for name, bounds in terms.parameters.items():
        if (reason := _parameter_reason(name, bounds, stated.get(name))) is not None:
            yield reason


def _parameter_reason(name: str, bounds: Bounds, stated: Any) -> Reason | None:
    """A parameter is a number, its unit in its name (`layer_mm`), or an object of `value` and `unit`."""
    asked = f"the licence's terms permit {name} of {bounds}"
    value, unit = stated, None
    if isinstance(stated, dict):
        value, unit = stated.get("value"), stated.get("unit")
    elif bounds.unit is not None and name.endswith(f"_{bounds.unit}"):
        unit = bounds.unit
    if not is_number(value):
        return Reason("parameter_missing", f"{asked}; the recipe states no such number")
    if unit != bounds.unit:
        return Reason("parameter_unit", f"{asked}; the recipe's {value:g} is in {unit or 'no stated unit'}")
    low = bounds.min is not None and value < bounds.min
    high = bounds.max is not None and value > bounds.max
    if low or high:
        return Reason("parameter_range", f"{asked}; the recipe has {value:g}")
    return None


def _export_reasons(terms: Terms, machine: Mapping[str, Any]) -> Iterator[Reason]:
    cleared = machine.get("export_labels") or []
    missing = [label for label in terms.export_labels if label not in cleared]
    if missing:
        message = f"the part carries the export label {_words(missing)}; the machine is cleared for"
        yield Reason("export_label", f"{message} {_words(cleared)}")


def _qualification_reasons(terms: Terms, machine: Mapping[str, Any]) -> Iterator[Reason]:
    held = machine.get("qualifications") or []
    missing = [name for name in terms.qualifications if name not in held]
    if missing:
        message = f"the licence's terms ask for the qualification {_words(missing)}; the machine has"
        yield Reason("qualification", f"{message} {_words(held)}")


def _calibration_reasons(terms: Terms, machine: Mapping[str, Any], now: int) -> Iterator[Reason]:
    """A calibration exactly as old as permitted will do; one in the future says nothing."""
    days, at = terms.calibration_days_max, machine.get("calibrated_at")
    if days is None:
        return
    asked = f"the licence's terms ask for a calibration at most {days} days old"
    if at is None:
        yield Reason("calibration_unknown", f"{asked}; the machine states none")
    elif at > now:
        yield Reason("calibration_unknown", f"{asked}; the machine's, of {rfc3339(at)}, is yet to come")
    elif now - at > days * _DAY_S:
        yield Reason("calibration_age", f"{asked}; the machine's is of {rfc3339(at)}, calibrate it again")


def _words(labels: Iterable[str]) -> str:
    return ", ".join(labels) or "none"
