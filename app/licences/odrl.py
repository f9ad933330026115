"""A licence as an ODRL 2.2 Agreement (W3C ODRL Information Model 2.2, JSON-LD), in a profile of our own for
what additive manufacturing asks for (docs/formats/terms.md, "ODRL").

Pure. `app.licences.odrl_offer` reads what this writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from app.clock import rfc3339
from ledger.typed_data import Licence

CONTEXT = "http://www.w3.org/ns/odrl.jsonld"
PROFILE = "urn:partvault:odrl:v1"
PREFIX = "pv"
"""Compact prefix of the profile's names: `pv:process` is `urn:partvault:odrl:v1:process`."""

ANY_OF: Mapping[str, str] = {"processes": "pv:process", "materials": "pv:material", "sites": "spatial"}
ALL_OF: Mapping[str, str] = {"export_labels": "pv:exportLabel", "qualifications": "pv:qualification"}
PARAMETER, UNIT = "pv:parameter:", "pv:unit:"
CALIBRATION_AGE, PRINTER, REPRINTS = "pv:calibrationAge", "pv:printer", "pv:reprints"
PLATES = "pv:plates"
PRICE, NOTE = "pv:price", "pv:note"
PRINT, PASS_ON = "print", "grantUse"

Constraint = dict[str, Any]


@dataclass(frozen=True)
class Parties:
    """Whom and what a rule is about, as IRIs."""

    target: str
    assigner: str
    assignee: str

    @staticmethod
    def of(licence: Licence) -> Parties:
        """Name a licence's revision, owner and provider as the ledger does."""
        return Parties(
            target=f"urn:partvault:revision:0x{licence.revision.hex()}",
            assigner=f"urn:partvault:account:{licence.owner.lower()}",
            assignee=f"urn:partvault:account:{licence.provider.lower()}",
        )

    def to_json(self) -> dict[str, str]:
        """Give them as members of a rule."""
        return {"target": self.target, "assigner": self.assigner, "assignee": self.assignee}


def agreement(licence: Licence, printers: Sequence[str], terms: Mapping[str, Any]) -> dict[str, Any]:
    """Give a licence as an ODRL Agreement: what was signed, not whether it is still in force.

    `printers` are the ids of those listed, `terms` the document that `read_terms` takes.
    """
    parties = Parties.of(licence).to_json()
    constraints = [*_window(licence), *_count(licence), *_printers(printers), *_conditions(terms)]
    rules: dict[str, list[Any]] = {
        "permission": [{**parties, "action": PRINT, "constraint": constraints}],
    }
    if "transferable" in terms:
        kind = "permission" if terms["transferable"] else "prohibition"
        rules.setdefault(kind, []).append({**parties, "action": PASS_ON})
    return {
        "@context": [CONTEXT, {PREFIX: f"{PROFILE}:"}],
        "@type": "Agreement",
        "uid": f"urn:partvault:licence:0x{licence.struct_hash().hex()}",
        "profile": PROFILE,
        **rules,
        **_for_people(terms),
    }


def printer_name(printer_id: str) -> str:
    """Give a printer's IRI."""
    return f"urn:partvault:printer:{printer_id}"


def _window(licence: Licence) -> Iterator[Constraint]:
    for operator, at in (("gteq", licence.starts_at), ("lt", licence.expires_at)):
        yield _constraint("dateTime", operator, {"@type": "xsd:dateTime", "@value": rfc3339(at)})


def _count(licence: Licence) -> Iterator[Constraint]:
    yield _constraint("count", "lteq", licence.prints)
    yield _constraint(REPRINTS, "lteq", licence.reprints)


def _printers(printers: Sequence[str]) -> Iterator[Constraint]:
    if printers:
        yield _constraint(PRINTER, "isAnyOf", [{"@id": printer_name(each)} for each in printers])


def _conditions(terms: Mapping[str, Any]) -> Iterator[Constraint]:
    for name, operand in ANY_OF.items():
        if name in terms:
            yield _constraint(operand, "isAnyOf", list(terms[name]))
    for name, operand in ALL_OF.items():
        if name in terms:
            yield _constraint(operand, "isAllOf", list(terms[name]))
    for name, bounds in terms.get("parameters", {}).items():
        yield from _bounds(PARAMETER + quote(name, safe=""), bounds)
    if "calibration_days_max" in terms:
        age = {"@type": "xsd:duration", "@value": f"P{terms['calibration_days_max']}D"}
        yield _constraint(CALIBRATION_AGE, "lteq", age)
    if "plates" in terms:
        yield _constraint(PLATES, "eq", terms["plates"])


def _bounds(operand: str, bounds: Mapping[str, Any]) -> Iterator[Constraint]:
    unit = {"unit": {"@id": UNIT + quote(bounds["unit"], safe="")}} if "unit" in bounds else {}
    for name, operator in (("min", "gteq"), ("max", "lteq")):
        if name in bounds:
            yield _constraint(operand, operator, bounds[name]) | unit


def _for_people(terms: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "price" in terms:
        found[PRICE] = {"@type": "@json", "@value": terms["price"]}
    if "note" in terms:
        found[NOTE] = terms["note"]
    return found


def _constraint(left: str, operator: str, right: Any) -> Constraint:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}
