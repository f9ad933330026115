"""The report of an ended print: what the agent knows of it, in the ledger's one format. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from ledger.commitment import canonical_json, report_commitment
from ledger.print_report import (
    DETAIL_CHARS_MAX,
    NAME_CHARS_MAX,
    MachineUsed,
    MaterialUsed,
    PrintedPart,
    PrintReport,
    plain_text,
)
from ledger.typed_data import PrintOutcome, Result, print_id
from printer_agent.machine import Machine
from printer_agent.offers import ClaimOffer
from printer_agent.particulars import Particulars


@dataclass(frozen=True)
class Ending:
    """How a print ended: the result for the ledger, a word for people, and Unix seconds of start and end."""

    result: Result
    detail: str
    started_at: int | None
    ended_at: int


@dataclass(frozen=True)
class Circumstances:
    """What a print was made with: the printer's name on chain, machine, driver, and what people add."""

    printer: bytes
    machine: Machine
    driver: str
    particulars: Particulars


@dataclass(frozen=True)
class Report:
    """A print's outcome, what it commits to and the salt that opens it."""

    outcome: PrintOutcome
    report: dict[str, Any]
    salt: bytes


def make_report(offer: ClaimOffer, made: Circumstances, ending: Ending, salt: bytes) -> Report:
    """Make the report of an ended print, under an offer that was checked, and the outcome that commits to it.

    `salt` is 32 fresh random bytes. An end before the start, which only a clock set back can tell, is the
    start.
    """
    manifest = json.loads(offer.terms.manifest)
    chain_print = print_id(offer.claim.licence, offer.claim.sequence)
    started_at = ending.started_at
    report = PrintReport(
        print=chain_print,
        printer=made.printer,
        revision=offer.revision_hash,
        part=PrintedPart(
            design=str(manifest["design"]),
            revision=int(manifest["revision"]),
            file=plain_text(manifest["files"][0]["filename"], NAME_CHARS_MAX) or "part",
        ),
        agent=_agent(),
        driver=made.driver,
        machine=MachineUsed(plain_text(made.machine.model, NAME_CHARS_MAX) or "printer", made.machine.serial),
        material=_material(manifest["recipe"].get("material"), made),
        serials=made.particulars.serials,
        started_at=started_at,
        ended_at=ending.ended_at if started_at is None else max(started_at, ending.ended_at),
        measurements=made.particulars.measurements,
        mass_g=made.particulars.mass_g,
        result=ending.result,
        detail=plain_text(ending.detail, DETAIL_CHARS_MAX),
    ).to_json()
    outcome = PrintOutcome(chain_print, int(ending.result), report_commitment(salt, canonical_json(report)))
    return Report(outcome, report, salt)


def _material(named: object, made: Circumstances) -> MaterialUsed:
    """The recipe's material; its batch as given for this print, else the one machine.json has for it."""
    name = plain_text(named, NAME_CHARS_MAX) if named else None
    loaded = made.machine.batches.get(str(named)) if named else None
    return MaterialUsed(name or None, made.particulars.batch or loaded)


@cache
def _agent() -> str:
    return f"partvault-printer {version('partvault')}"
