"""The stranger's audit: a chain's RPC endpoint and an evidence file, and nothing of the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.cli.failures import CliError, Exit
from app.cli.progress import waiting
from ledger.audit import AuditReport, History
from ledger.audit_chain import ChainReader, audit
from ledger.chain import ChainError
from ledger.evidence import EvidenceError, parse
from ledger.web3_chain import Web3Chain


def read_evidence(path: Path) -> Mapping[str, Any]:
    """Read an evidence file; CliError: exit 2 where it is no JSON, exit 1 where its outline was changed."""
    try:
        return parse(path.read_bytes())
    except EvidenceError as error:
        code = Exit.UNUSABLE if error.field == "file" else Exit.REFUSED
        raise CliError("evidence", f"{path}: {error}", "ask for the file again", exit_code=code) from None


class Reader(ChainReader):
    """Keeps the history it read, for what is made of it beside the judgement."""

    history: History | None = None

    def read(self, *arguments: Any) -> History:
        """Read, and remember."""
        self.history = super().read(*arguments)
        return self.history


@dataclass(frozen=True)
class Audited:
    """A report, and the history it judges.

    `successions`: which printer a printer replaces, by their names on chain, where there are rows that say so
    """

    report: AuditReport
    history: History
    successions: Mapping[bytes, bytes] = field(default_factory=dict)


def audit_remote(rpc_url: str, contract: str, evidence: Mapping[str, Any] | None, *, quiet: bool) -> Audited:
    """Audit a chain, and evidence against it, with nothing but its RPC endpoint."""
    chain = Web3Chain.http(rpc_url)
    require_answer(chain, rpc_url)
    reader = Reader(chain, contract)
    with waiting(f"reading the chain at {rpc_url}", quiet=quiet):
        report = audit(reader, evidence)
    return audited(report, reader)


def audited(report: AuditReport, reader: Reader) -> Audited:
    """Put a report beside the history that its reader kept."""
    assert reader.history is not None  # noqa: S101 - there is no report without one
    return Audited(report, reader.history)


def require_answer(chain: Web3Chain, rpc_url: str) -> None:
    """Raise CliError (exit 2) where no chain answers."""
    try:
        chain.chain_id()
    except ChainError as error:
        raise CliError(
            "unreachable",
            f"no chain answers at {rpc_url}: {error}",
            "check --rpc; an embedded chain is served by `partvault ledger serve`",
            exit_code=Exit.UNUSABLE,
        ) from None
