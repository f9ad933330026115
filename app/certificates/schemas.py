"""What verification looks like in answers."""

from __future__ import annotations

from pydantic import BaseModel


class RecordedView(BaseModel):
    """Where the chain holds something; `block_time` is RFC 3339 UTC."""

    block_number: int
    block_time: str
    transaction: str


class OutcomeRecordedView(BaseModel):
    """How the print ended, by its printer's word."""

    result: str
    credited: bool
    recorded: RecordedView


class PublicPrintView(BaseModel):
    """What the chain tells anybody of a print; hashes are its names there."""

    chain_id: int
    contract: str
    print: str
    licence: str
    printer: str
    sequence: int
    allowed: int
    recorded: RecordedView
    outcome: OutcomeRecordedView | None
    licence_revoked: bool
    printer_retired: bool


class FindingView(BaseModel):
    """What speaks against a certificate: where, which member, what is wrong."""

    row: str
    field: str
    problem: str


class CheckResult(BaseModel):
    """One check of a certificate."""

    check: str
    ok: bool
    findings: list[FindingView]


class CertificateChecked(BaseModel):
    """Every check of a certificate against the service's ledger; nothing of it is kept.

    The licence may have been revoked, the printer retired since: a print that is recorded stays.
    """

    ok: bool
    print: str
    checks: list[CheckResult]
    licence_revoked: bool | None
    printer_retired: bool | None
