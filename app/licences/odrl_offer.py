"""An ODRL 2.2 Offer as terms: its constraints on printing, each of them or none.

Pure. This reads the compact form that `app.licences.odrl` writes (docs/formats/terms.md, "ODRL"), it is no
JSON-LD processor; whatever it cannot express is refused by name, so that no condition gets lost on the way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from app.clock import rfc3339
from app.errors import Invalid
from app.licences import odrl
from app.licences.terms import PLATES, is_label, is_number, read_terms
from ledger.typed_data import Licence

_POLICY_NAMES = {"@context", "@type", "uid", "profile", "permission", "prohibition", odrl.PRICE, odrl.NOTE}
_RULE_NAMES = {"@type", "uid", "action", "target", "assigner", "assignee", "constraint"}
_CONSTRAINT_NAMES = {"@type", "uid", "leftOperand", "operator", "rightOperand", "unit"}
_SPELLINGS = (
    ("http://www.w3.org/ns/odrl/2/", ""),
    ("odrl:", ""),
    (f"{odrl.PROFILE}:", f"{odrl.PREFIX}:"),
)
_DAYS = re.compile(r"P([1-9][0-9]{0,5})D")


@dataclass
class Offered:
    """What an Offer says: terms, and what a licence under it may not go beyond; None: nothing said."""

    terms: dict[str, Any] = field(default_factory=dict)
    prints_max: int | None = None
    reprints_max: int | None = None
    starts_at: int | None = None
    expires_at: int | None = None
    printers: tuple[str, ...] | None = None
    parties: dict[str, str] = field(default_factory=dict)


def is_odrl(document: Mapping[str, Any]) -> bool:
    """Tell whether a document is JSON-LD, as an Offer is and terms never are."""
    return "@context" in document


def read_offer(document: Mapping[str, Any]) -> Offered:
    """Read an Offer; Invalid names the member that is no Offer's or that terms cannot express."""
    _require_offer(document)
    offered = Offered()
    rules = [*_rules(document, "permission"), *_rules(document, "prohibition")]
    if not any(kind == "permission" and rule.get("action") == odrl.PRINT for kind, _, rule in rules):
        raise _refused("permission", "permits no print", 'give a permission of the action "print"')
    for kind, path, rule in rules:
        _read_rule(offered, kind, path, rule)
    if odrl.PRICE in document:
        price = document[odrl.PRICE]
        typed = isinstance(price, dict) and price.get("@type") == "@json"
        offered.terms["price"] = price.get("@value") if typed else price
    if odrl.NOTE in document:
        offered.terms["note"] = document[odrl.NOTE]
    read_terms(offered.terms)
    return offered


def require_within(offered: Offered, licence: Licence, printers: Sequence[str]) -> None:
    """Refuse a licence that grants more than the Offer, or is for another part or party; Invalid names it."""
    _require_at_most("prints", licence.prints, offered.prints_max)
    _require_at_most("reprints", licence.reprints, offered.reprints_max)
    if offered.starts_at is not None and licence.starts_at < offered.starts_at:
        raise _beyond("starts_at", f"from {rfc3339(offered.starts_at)}")
    if offered.expires_at is not None and licence.expires_at > offered.expires_at:
        raise _beyond("expires_at", f"until {rfc3339(offered.expires_at)}")
    if offered.printers is not None and not (printers and set(printers) <= set(offered.printers)):
        raise _beyond("printers", f"for {', '.join(offered.printers)}")
    named = odrl.Parties.of(licence).to_json()
    for name, value in offered.parties.items():
        if value != named[name]:
            raise _refused(name, f"is {value}, the licence's is {named[name]}", "offer it to whom it is for")


def _require_offer(document: Mapping[str, Any]) -> None:
    context = document["@context"]
    if odrl.CONTEXT not in (context if isinstance(context, list) else [context]):
        raise _refused("@context", "is not ODRL's", f"use {odrl.CONTEXT}")
    if _name(document.get("@type")) != "Offer":
        raise _refused("@type", f"is {document.get('@type')!r}", "send an Offer, or terms of our own")
    if document.get("profile", odrl.PROFILE) != odrl.PROFILE:
        raise _refused("profile", f"is {document['profile']!r}", f"use {odrl.PROFILE}")
    _require_known("", document, _POLICY_NAMES)


def _rules(document: Mapping[str, Any], kind: str) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for place, rule in enumerate(_list(document.get(kind, []))):
        path = f"{kind}.{place}"
        if not isinstance(rule, dict):
            raise _refused(path, "is no object", f"write a {kind} as an object")
        _require_known(path, rule, _RULE_NAMES)
        found.append((kind, path, {**rule, "action": _name(rule.get("action"))}))
    return found


def _read_rule(offered: Offered, kind: str, path: str, rule: Mapping[str, Any]) -> None:
    action, constraints = rule["action"], _list(rule.get("constraint", []))
    if action == odrl.PASS_ON and not constraints:
        _once(offered.terms, "transferable", kind == "permission", path)
    elif (kind, action) == ("permission", odrl.PRINT):
        for place, constraint in enumerate(constraints):
            _read_constraint(offered, f"{path}.constraint.{place}", constraint)
    else:
        remedy = f'permit "{odrl.PRINT}"; permit or prohibit "{odrl.PASS_ON}", without constraints'
        raise _refused(path, f"is a {kind} of {action!r}, which no term expresses", remedy)
    for name in ("target", "assigner", "assignee"):
        if name in rule and offered.parties.setdefault(name, rule[name]) != rule[name]:
            raise _refused(
                f"{path}.{name}", "is not the one of the rule before", "offer one part to one party"
            )


def _read_constraint(offered: Offered, path: str, constraint: Any) -> None:
    if not isinstance(constraint, dict) or "leftOperand" not in constraint:
        names = ", ".join(constraint) if isinstance(constraint, dict) else "no object"
        raise _refused(
            path, f"is a constraint that no term expresses ({names})", "write one leftOperand each"
        )
    left, operator = _name(constraint["leftOperand"]), _name(constraint.get("operator"))
    _require_known(path, constraint, _CONSTRAINT_NAMES)
    if left.startswith(odrl.PARAMETER):
        _read_parameter(offered, path, left, operator, constraint)
        return
    reader = _OPERANDS.get((left, operator))
    if reader is None or "unit" in constraint:
        known = ", ".join(f"{name} {how}" for name, how in (*_OPERANDS, (odrl.PARAMETER + "NAME", "lteq")))
        raise _refused(
            path, f"constrains {left} by {operator}, which no term expresses", f"known are {known}"
        )
    reader(offered, path, constraint.get("rightOperand"))


def _read_parameter(
    offered: Offered, path: str, left: str, operator: str, constraint: Mapping[str, Any]
) -> None:
    ends = {"gteq": ("min",), "lteq": ("max",), "eq": ("min", "max")}.get(operator)
    if ends is None:
        raise _refused(path, f"constrains {left} by {operator}", "use gteq, lteq or eq")
    value = _plain(constraint.get("rightOperand"))
    if not is_number(value):
        raise _refused(f"{path}.rightOperand", "is no number", "write a number, without quotes")
    parameters = offered.terms.setdefault("parameters", {})
    bounds = parameters.setdefault(unquote(left.removeprefix(odrl.PARAMETER)), {})
    unit = _unit(path, constraint["unit"]) if "unit" in constraint else None
    if bounds and bounds.get("unit") != unit:
        raise _refused(f"{path}.unit", "is not the one of the bound before", "give both bounds in one unit")
    for end in ends:
        _once(bounds, end, value, path)
    if unit is not None:
        bounds["unit"] = unit


def _unit(path: str, value: Any) -> str:
    name = _name(value)
    if not name.startswith(odrl.UNIT):
        raise _refused(f"{path}.unit", f"is {value!r}", f"write it as {odrl.UNIT}mm")
    return unquote(name.removeprefix(odrl.UNIT))


def _listing(term: str) -> Callable[[Offered, str, Any], None]:
    def read(offered: Offered, path: str, right: Any) -> None:
        labels = [_plain(each) for each in _list(right)]
        if not labels or not all(is_label(label) for label in labels):
            raise _refused(f"{path}.rightOperand", "is no list of labels", "list labels, one at least")
        _once(offered.terms, term, labels, path)

    return read


def _calibration(offered: Offered, path: str, right: Any) -> None:
    days = _DAYS.fullmatch(str(_plain(right)))
    if days is None:
        raise _refused(f"{path}.rightOperand", "is no duration in days", "write it as P30D")
    _once(offered.terms, "calibration_days_max", int(days[1]), path)


def _company(offered: Offered, path: str, right: Any) -> None:
    value = _plain(right)
    if value not in PLATES:
        raise _refused(f"{path}.rightOperand", f"is none of {', '.join(PLATES)}", "write one of them")
    _once(offered.terms, "plates", value, path)


def _limit(member: str) -> Callable[[Offered, str, Any], None]:
    def read(offered: Offered, path: str, right: Any) -> None:
        value = _plain(right)
        value = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value) else value
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise _refused(f"{path}.rightOperand", "is no count", "write a whole number")
        _once_of(offered, member, value, path)

    return read


def _moment(member: str) -> Callable[[Offered, str, Any], None]:
    def read(offered: Offered, path: str, right: Any) -> None:
        try:
            at = datetime.fromisoformat(str(_plain(right)))
        except ValueError:
            at = None
        if at is None or at.tzinfo is None or at.microsecond:
            remedy = "write RFC 3339 with a zone and whole seconds, as 2027-01-31T12:00:00Z"
            raise _refused(f"{path}.rightOperand", "is no moment", remedy)
        _once_of(offered, member, int(at.timestamp()), path)

    return read


def _listed_printers(offered: Offered, path: str, right: Any) -> None:
    prefix, names = odrl.printer_name(""), [str(_plain(each)) for each in _list(right)]
    if not names or not all(name.startswith(prefix) for name in names):
        raise _refused(f"{path}.rightOperand", "is no list of printers", f"name each as {prefix}prt_…")
    _once_of(offered, "printers", tuple(name.removeprefix(prefix) for name in names), path)


def _operands() -> Iterator[tuple[tuple[str, str], Callable[[Offered, str, Any], None]]]:
    for term, operand in odrl.ANY_OF.items():
        yield (operand, "isAnyOf"), _listing(term)
    for term, operand in odrl.ALL_OF.items():
        yield (operand, "isAllOf"), _listing(term)
    yield (odrl.CALIBRATION_AGE, "lteq"), _calibration
    yield (odrl.PLATES, "eq"), _company
    yield ("count", "lteq"), _limit("prints_max")
    yield (odrl.REPRINTS, "lteq"), _limit("reprints_max")
    yield ("dateTime", "gteq"), _moment("starts_at")
    yield ("dateTime", "lt"), _moment("expires_at")
    yield (odrl.PRINTER, "isAnyOf"), _listed_printers


_OPERANDS = MappingProxyType(dict(_operands()))


def _once(found: dict[str, Any], name: str, value: Any, path: str) -> None:
    if name in found:
        raise _refused(path, f"says {name} a second time", "say each condition once")
    found[name] = value


def _once_of(offered: Offered, member: str, value: Any, path: str) -> None:
    if getattr(offered, member) is not None:
        raise _refused(path, f"says {member} a second time", "say each condition once")
    setattr(offered, member, value)


def _name(value: Any) -> str:
    """Give a name in its short spelling: ODRL's bare, the profile's with its prefix."""
    name = str(value.get("@id") if isinstance(value, dict) else value)
    for spelling, short in _SPELLINGS:
        if name.startswith(spelling):
            return short + name.removeprefix(spelling)
    return name


def _plain(value: Any) -> Any:
    """Give a JSON-LD value without its wrapping."""
    if isinstance(value, dict):
        return value.get("@value", value.get("@id"))
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _require_known(path: str, found: Mapping[str, Any], known: set[str]) -> None:
    for name in found:
        if name not in known:
            where = f"{path}.{name}" if path else name
            raise _refused(
                where, "is a member that no term expresses", f"known are {', '.join(sorted(known))}"
            )


def _require_at_most(name: str, value: int, most: int | None) -> None:
    if most is not None and value > most:
        raise _beyond(name, f"of {most}")


def _beyond(name: str, limit: str) -> Invalid:
    return Invalid(
        f"{name} goes beyond the ODRL Offer, which is one {limit}",
        field=name,
        remedy="grant no more than the Offer says, or change the Offer",
    )


def _refused(name: str, problem: str, remedy: str) -> Invalid:
    field_name = f"terms.{name}"
    return Invalid(f"{field_name} {problem}", field=field_name, remedy=remedy)
