"""The operator's audit: the data folder's rows and objects against the chain, and the chain against them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any

from sqlalchemy import select

from app.cli import audit_identity, audit_objects, audit_rows
from app.cli.audit_links import successions
from app.cli.audit_relations import Relations
from app.cli.audit_remote import Audited, Reader, audited, require_answer
from app.cli.embedded import embedded_chain, identity_of
from app.cli.progress import counting, transfer, waiting
from app.custody import census
from app.database import Database, open_database
from app.designs.catalogue import read
from app.settings import Settings
from ledger import identity, tables
from ledger.anvil import noted_url
from ledger.audit import AuditReport, Finding, History
from ledger.audit_chain import audit
from ledger.audit_rows import blocks_named, damaged_transactions, misplaced_operations, stored_rows
from ledger.chain import ChainError
from ledger.web3_chain import Web3Chain
from storage.backends import open_objects
from storage.keys import open_keys
from storage.vault import Vault


def audit_local(settings: Settings, evidence: Mapping[str, Any] | None, *, quiet: bool) -> AuditReport:
    """Audit a data folder: every row and every object against the chain, and the chain against the rows."""
    return audit_folder(settings, evidence, quiet=quiet).report


def audit_folder(settings: Settings, evidence: Mapping[str, Any] | None, *, quiet: bool) -> Audited:
    """Do what `audit_local` does; give the history beside the report."""
    known = identity_of(settings)
    with ExitStack() as stack:
        rpc_url = stack.enter_context(_chain(settings, quiet=quiet))
        database = open_database(settings.database_location)
        stack.callback(database.close)
        reader = Reader(Web3Chain.http(rpc_url), known.contract, first_block=known.first_block)
        found = audited(judge(settings, database, reader, evidence, quiet=quiet), reader)
        with database.read() as session:
            return replace(found, successions=successions(session, found.history.domain))


def judge(
    settings: Settings,
    database: Database,
    reader: Reader,
    evidence: Mapping[str, Any] | None = None,
    *,
    quiet: bool,
) -> AuditReport:
    """Audit an open database with a chain's reader, and the objects and keys of the settings' folder."""
    with waiting("comparing the database with the chain", quiet=quiet):
        report = _rows(database, reader, evidence)
        if reader.history is not None:
            report = _with(report, *_among_rows(database, reader.history))
    objects, damaged = _objects(settings, database, quiet=quiet)
    keys, unopened = _keys(settings, database, quiet=quiet)
    counts = {**report.counts, "objects": objects, "wrapped_keys": keys}
    return replace(_with(report, *damaged, *unopened), counts=counts)


def _rows(database: Database, reader: Reader, evidence: Mapping[str, Any] | None) -> AuditReport:
    with database.read() as session:
        connection = session.connection()
        inventory = audit_rows.Inventory(session)
        blocks = blocks_named(connection)
        found = [
            Finding(f"ledger_transactions {name}", column, problem)
            for name, column, problem in damaged_transactions(connection)
        ]
        found += [
            Finding(f"ledger_operations {name}", column, problem)
            for name, column, problem in misplaced_operations(connection)
        ]
        # the rows of the moment at which the session first read, so the chain knows at least as much
        rows = chain(stored_rows(connection), inventory.claims())
        report = audit(reader, evidence, rows, blocks)
        # afterwards: the reader then knows what wallets accepted when it was recorded
        return _with(report, *inventory.findings(reader.accepts), *found)


def _among_rows(database: Database, history: History) -> list[Finding]:
    """Compare rows with each other and with the whole of the history; name what no row tells of."""
    with database.read() as session:
        known = identity.load(session.connection())
        rows = session.connection().execute(select(tables.chain.c.id)).scalars().all()
        found = list(audit_identity.findings(known, rows, history))
        if known is None or known.embedded:
            found += audit_rows.unclaimed(session, history)
        inventory = audit_rows.Inventory(session)
        return [*found, *Relations(session, inventory, history).findings()]


def _objects(settings: Settings, database: Database, *, quiet: bool) -> tuple[int, list[Finding]]:
    with database.read() as session:
        catalogue = read(session)
    vault = Vault(open_objects(settings.objects_location), open_keys(settings.keys_location))
    total = sum(item.stored.ciphertext_bytes for item in catalogue.objects)
    with transfer("reading stored objects", total, quiet=quiet) as moved:
        return len(catalogue.objects), list(audit_objects.check(vault, catalogue, moved))


def _keys(settings: Settings, database: Database, *, quiet: bool) -> tuple[int, list[Finding]]:
    """Open every wrapped key, the managed accounts' too, under the context its row names."""
    with database.read() as session:
        total = census.count(session)
    with counting("opening wrapped keys", total, quiet=quiet) as seen:
        failed = list(census.unopened(database, open_keys(settings.keys_location), seen))
    return total, [Finding(each.row, "blob", f"{each.kind}: {each.detail}") for each in failed]


@contextmanager
def _chain(settings: Settings, *, quiet: bool) -> Iterator[str]:
    """Give the RPC URL of the chain: the set one, the running service's, or the restored one's."""
    running = next(iter(settings.rpc_urls), None) or noted_url(settings.data_dir / "chain")
    if running is not None and (settings.rpc_urls or _answers(running)):
        require_answer(Web3Chain.http(running), running)
        yield running
        return
    with ExitStack() as stack:
        with waiting("restoring the embedded chain", quiet=quiet):
            rpc_url, _ = stack.enter_context(embedded_chain(settings))
        yield rpc_url


def _answers(rpc_url: str) -> bool:
    try:
        Web3Chain.http(rpc_url, timeout_s=2.0).chain_id()
    except ChainError:
        return False
    return True


def _with(report: AuditReport, *findings: Finding) -> AuditReport:
    return replace(report, findings=(*report.findings, *findings))
