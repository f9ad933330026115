"""The stranger's look at one print: its evidence alone, or with a node beside it."""

from __future__ import annotations

from pathlib import Path

from app.cli.audit_remote import require_answer
from app.cli.failures import CliError, Exit
from app.cli.progress import waiting
from ledger.audit import AuditReport
from ledger.evidence import EvidenceError
from ledger.print_audit import audit_print
from ledger.print_evidence import parse
from ledger.web3_chain import Web3Chain


def audit_bundle(path: Path, rpc_url: str | None, *, quiet: bool) -> AuditReport:
    """Audit the evidence of one print; CliError: exit 2 where the file is no JSON or no chain answers, exit 1
    where the file's outline was changed.
    """
    try:
        evidence = parse(path.read_bytes())
    except EvidenceError as error:
        code = Exit.UNUSABLE if error.field == "file" else Exit.REFUSED
        remedy = "ask for it again: partvault evidence --print job_…"
        raise CliError("evidence", f"{path}: {error}", remedy, exit_code=code) from None
    if rpc_url is None:
        return audit_print(evidence)
    chain = Web3Chain.http(rpc_url)
    require_answer(chain, rpc_url)
    with waiting(f"asking the chain at {rpc_url}", quiet=quiet):
        return audit_print(evidence, chain)
