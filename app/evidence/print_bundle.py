"""The evidence of one print: its statements with receipt proofs, and the openings its reader may have."""

from __future__ import annotations

import json
from typing import Any

from sqlmodel import Session

from app.auth.principals import Principal, Role
from app.clock import rfc3339
from app.errors import Conflict, Unavailable
from app.models import Licence, Print, Printer, Revision
from app.wiring import Services
from ledger import print_evidence
from ledger.commitment import canonical_json
from ledger.print_evidence import Disclosure, PlatePrint, ProvenOperation
from ledger.web3_chain import Web3Chain


def build(services: Services, session: Session, principal: Principal, row: Print) -> dict[str, Any]:
    """Give the evidence of a print that the ledger has counted.

    Owner and provider get manifest, terms and report opened; an auditor's key gets commitments only. Raises
    Conflict while the print is not recorded, ChainError while no node answers.
    """
    party = principal.has(Role.OWNER, Role.PROVIDER)
    return print_evidence.assemble(
        services.ledger.domain,
        proven(services, session, row),
        generated_at=rfc3339(services.clock.now()),
        openings=_openings(session, row) if party else (),
    )


def proven(services: Services, session: Session, row: Print) -> list[ProvenOperation]:
    """Give the statements that a counted print rests on, in the order evidence has them, with their proofs.

    Raises Conflict while the print is not recorded, ChainError while no node answers.
    """
    operations = _operations(session, row)
    return print_evidence.prove_operations(session.connection(), node(services), operations)


def node(services: Services) -> Web3Chain:
    """Give a node of the service's chain; Unavailable while the embedded one is not served."""
    url = services.ledger.rpc_url or next(iter(services.settings.rpc_urls), None)
    if url is None:
        raise Unavailable("the embedded chain is not served here", remedy="try again in a moment")
    return Web3Chain.http(url)


def _operations(session: Session, row: Print) -> list[str | PlatePrint]:
    """Name the operations that a print rests on, in the order evidence has them."""
    if row.record_operation is None or row.redeemed_at is None:
        raise Conflict(
            f"print {row.id} is {row.state}: the ledger has not counted it",
            remedy="ask again when it is redeemed",
        )
    granted = _lineage(session, row.licence_id)
    revision = session.get_one(Revision, granted[0].revision_id)
    printer = session.get_one(Printer, row.printer_id)
    recorded: str | PlatePrint = row.record_operation
    if row.plate_part is not None:
        recorded = PlatePrint(row.record_operation, row.plate_part)
    named = [
        revision.publish_operation,
        *(licence.grant_operation for licence in granted),
        printer.enrol_operation,
        recorded,
        row.outcome_operation if row.outcome is not None else None,
    ]
    return [operation for operation in named if operation is not None]


def _lineage(session: Session, licence_id: str) -> list[Licence]:
    """Give the licences from the one an owner granted to this one, each transferred from the one before."""
    found = [session.get_one(Licence, licence_id)]
    while found[0].transferred_from is not None:
        found.insert(0, session.get_one(Licence, found[0].transferred_from))
    return found


def _openings(session: Session, row: Print) -> list[Disclosure]:
    licence = session.get_one(Licence, row.licence_id)
    revision = session.get_one(Revision, licence.revision_id)
    found = []
    if revision.manifest and revision.salt:
        found.append(Disclosure("manifest", revision.salt, revision.manifest))
    found.append(Disclosure("terms", licence.terms_salt, licence.terms))
    if row.report and row.report_salt:
        report = canonical_json(json.loads(row.report)).decode()
        found.append(Disclosure("report", row.report_salt, report))
    return found
