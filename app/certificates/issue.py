"""The certificate of a print whose outcome the chain has recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from app import submission
from app.errors import Conflict, IntegrityBroken
from app.evidence import print_bundle
from app.models import Print
from app.wiring import Services
from ledger import certificate
from ledger.certificate import Certified
from ledger.certificate_audit import verify


@dataclass(frozen=True)
class Issued:
    """A certificate that verifies, and what it says."""

    certificate: dict[str, Any]
    says: Certified


def issue(services: Services, session: Session, row: Print) -> Issued:
    """Make the certificate of a print; in canonical form the same bytes whenever it is asked for.

    Raises Conflict before its outcome is final, IntegrityBroken where the rows no longer make a certificate
    that verifies, ChainError while no node answers.
    """
    if row.outcome_operation is None or row.report is None or row.report_salt is None:
        raise Conflict(
            f"print {row.id} is {row.state}: it has no outcome to certify",
            remedy="ask again when its printer has reported",
        )
    if submission.status_of(session, row.outcome_operation).state != submission.CONFIRMED:
        raise Conflict(
            f"the outcome of print {row.id} is not final on the ledger", remedy="ask again in a moment"
        )
    operations = print_bundle.proven(services, session, row)
    domain = services.ledger.domain
    made = certificate.assemble(domain, operations, json.loads(row.report), row.report_salt)
    verified = verify(made, print_bundle.node(services))
    if verified.says is None or not verified.ok:
        first = verified.findings[0]
        raise IntegrityBroken(
            f"print {row.id} cannot be certified: {first.row} {first.field} {first.problem}",
            field=first.field,
            remedy="audit the service (`partvault audit`); its rows are not what was signed",
        )
    return Issued(made, verified.says)
