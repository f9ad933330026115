"""Any single row of any table edited, deleted, doubled or swapped: the audit names it, or a table says why
it cannot know.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, UniqueConstraint
from sqlmodel import SQLModel

from app.cli.audit_links import replaced_prints, successions
from app.cli.audit_local import judge
from app.cli.audit_remote import Reader
from app.cli.audit_tables import GRANTS, PRINTERS, AuditTables, tables_of
from app.cli.embedded import embedded_chain
from app.clock import rfc3339
from app.database import Database, open_database
from app.settings import Settings
from ledger import tables as ledger_tables
from ledger.audit import AuditReport, History
from ledger.errors import LedgerError
from ledger.web3_chain import Web3Chain
from tests.app.designs.held import held_draft, keeper
from tests.app.licences.test_owner_held import Grant
from tests.app.parties import new_party
from tests.app.plates.client import authorise, redeem
from tests.app.printers.rotating import successor_of, until_state
from tests.app.service import running_service
from tests.app.shredding.shredded import requested, shred

THREAT_MODEL = Path(__file__).parents[3] / "docs" / "threat-model.md"
WORDS = "words for people; nothing signed holds them"
WHEN = "the service's own note of when; no decision and no signature rests on it"
WORK = "a lease or counter of work under way, taken anew by the next worker"
CACHE = "remembered requests: losing or changing one is a retry refused or answered anew"
SECRET = "access to the API, no part of what was licensed or printed"
ONCE = "one-time code of an enrolment that is over or still to come"
ORDER = "a place in the queue; the chain's order is the one that counts"
NAME = "a name the service gave; rows that use it would miss it, and where none does nothing rests on it"
WORD = "a party's word, unsigned: what is printed is decided by the signed manifest and licence"
SEALED = "sealed to a printer, which alone can tell; its length and suite are compared"
LIKENESS = "a hint to the operator about two parts; no decision rests on it"
ATTESTED = "evidence that the provider saw before it signed; its signatures fail where it is altered"
HISTORY = "a record of what was done by hand, kept nowhere else"
BEGUN = "nothing of it is signed or recorded yet; the statement that will be decides"
UNKNOWABLE: dict[str, str] = {
    "api_keys": SECRET,
    "idempotency_records": CACHE,
    "seen_proofs": CACHE,
    "ledger_leases": WORK,
    "key_rotations": HISTORY,
    "key_destructions": HISTORY,
    "quarantines": HISTORY,
    "alarms": HISTORY,
    "sightings": CACHE,
    "part_fingerprints": LIKENESS,
    "resemblances": LIKENESS,
    "revisions[draft]": BEGUN,
    "prints[authorised]": BEGUN,
    "prints[withdrawn]": BEGUN,
    "printers[awaiting_key]": BEGUN,
    "designs.created_at": WHEN,
    "designs.name": WORDS,
    "designs.description": WORDS,
    "ledger_operations.appended_at": WHEN,
    "ledger_operations.position": ORDER,
    "ledger_operations.reverts": WORK,
    "ledger_transactions.signed_at": WHEN,
    "licence_keys.blob": SEALED,
    "licences.created_at": WHEN,
    "licences.id": NAME,
    "organisations.created_at": WHEN,
    "organisations.id": NAME,
    "organisations.name": WORDS,
    "organisations.roles": SECRET,
    "plates.created_at": WHEN,
    "plates.id": NAME,
    "plates.layout": WORD,
    "printers.attestation": ATTESTED,
    "printers.code_expires_at": ONCE,
    "printers.code_sha256": ONCE,
    "printers.created_at": WHEN,
    "printers.id": NAME,
    "printers.machine": WORD,
    "printers.name": WORDS,
    "printers[awaiting_approval].enrol_operation": BEGUN,
    "printers[awaiting_approval].retire_operation": BEGUN,
    "prints.created_at": WHEN,
    "prints.id": NAME,
    "prints.reasons": WORDS,
    "prints.redeem_key": CACHE,
    "prints.redeemed_at": WHEN,
    "prints.token_expires_at": "when an unused token ended; a counted one's claim has its deadline",
    "releases.body.sealed_key.blob": SEALED,
    "releases.created_at": WHEN,
    "revisions.attempts": WORK,
    "revisions.created_at": WHEN,
    "revisions.inspection.findings": "the gate's words; verdict and geometry are compared",
    "revisions.inspection.seconds": WHEN,
    "revisions[inspecting].lease_owner": WORK,
    "revisions[inspecting].lease_until": WORK,
    "revisions.upload_version": WORK,
    "shreddings.finished_at": WHEN,
    "shreddings.id": NAME,
    "shreddings.reason": WORDS,
    "shreddings.record.revisions.owner_sealed_keys": HISTORY,
    "shreddings.record.revisions.releases.answer_sha256": HISTORY,
    "shreddings.record.revisions.wrapped_keys": HISTORY,
    "wrapped_keys.created_at": WHEN,
}
FORGETTABLE = {
    "an organisation without an account, which can have signed nothing": lambda t, r: (
        t == "organisations" and r["address"] is None
    ),
    "a secret that is shown once more to who repeats a request": lambda t, r: r.get("kind") == "once-shown",
    "the relay's account: the service starts with no other": lambda t, r: r.get("tenant") == "service",
    "a block without events, which the index may forget": lambda t, r: t == "ledger_blocks",
    "a shredding that nobody has confirmed: nothing was destroyed": lambda t, r: (
        t == "shreddings" and r["state"] == "requested"
    ),
    "a printer that was never approved": lambda t, r: r.get("state") == "awaiting_approval",
}
"""Rows that may be gone without the audit's knowing, and which those are."""
INVENTABLE = {
    "designs": "a design without a version: nothing is published or licensed of it",
    "organisations": "a party that has signed nothing",
    "shreddings": "its record says what was destroyed, and nothing is missing that it does not name",
}
"""Tables that may hold an invented row, and why that changes nothing of what was licensed or printed."""


def unique_columns(table: Table) -> set[str]:
    """The columns that some uniqueness of the database's covers."""
    covered = {column.name for column in table.columns if column.unique}
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            covered |= {column.name for column in constraint.columns}
    for index in table.indexes:
        covered |= {column.name for column in index.columns} if index.unique else set()
    return covered - {column.name for column in table.columns if column.foreign_keys}


def unknowable(table: str, column: str, row: dict[str, Any]) -> bool:
    kind = f"{table}[{row.get('state')}]"
    return not {table, kind, f"{table}.{column}", f"{kind}.{column}"}.isdisjoint(UNKNOWABLE)


def hidden(table: str, column: str, path: tuple[Any, ...]) -> bool:
    """Whether a member of a JSON document, or one above it, stands in the table; lists are looked through."""
    names = [f"{table}.{column}", *(step for step in path if isinstance(step, str))]
    return any(".".join(names[:length]) in UNKNOWABLE for length in range(2, len(names) + 1))


class Remembered(Reader):
    """A chain's history, read once."""

    def __init__(self, history: History) -> None:
        self.history = history

    def accepts(self, account: str, message: bytes, signature: bytes) -> bool:
        return False

    def read(self, *arguments: Any) -> History:
        assert self.history is not None
        return self.history


@dataclass
class Folder:
    """A populated data folder of a service that stands still."""

    settings: Settings
    database: Database
    history: History

    def audited(self) -> AuditReport:
        return judge(self.settings, self.database, Remembered(self.history), quiet=True)

    @property
    def path(self) -> Path:
        return self.settings.data_dir / "partvault.sqlite"

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=20, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            yield connection

    def rows(self, table: str) -> list[dict[str, Any]]:
        with self.connection() as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"SELECT rowid AS _rowid, * FROM {table}")]

    @contextmanager
    def changed(self, table: str, statement: str, *values: Any) -> Iterator[bool]:
        """Change rows and change them back; False where the database itself refuses."""
        with self.connection() as connection:
            before = connection.execute(f"SELECT rowid, * FROM {table}").fetchall()
            names = ["rowid", *(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))]
            if names[1:] and names[1] == "position":
                names[0], before = "position", [row[1:] for row in before]
                names = names[1:]
            try:
                connection.execute(statement, values)
            except sqlite3.IntegrityError:
                yield False
                return
            try:
                yield True
            finally:
                connection.execute(f"DELETE FROM {table}")
                marks = ", ".join("?" * len(names))
                columns = ", ".join(f'"{name}"' for name in names)
                connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """Managed and own accounts; prints finished, failed, open, replaced and withdrawn; a revocation, a
    retirement, an owner-held design and a shredded one.
    """
    place = tmp_path_factory.mktemp("audited")
    with running_service(place) as service:
        owner, provider = new_party(service, "owner"), new_party(service, "provider")
        revision = owner.published()
        printer, other = provider.printer(), provider.printer()
        licence = owner.license(revision, provider, printers=[printer.id, other.id], prints=3)
        for result in (1, 2):
            release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
            said = printer.report(release, licence, result, result, serials=["SN-1", "SN-2"])
            assert said.status_code == 200
        lost = provider.authorise(licence, other)
        assert other.redeem(lost["token"]).status_code == 200
        provider.expect(200, "POST", f"/v1/printers/{other.id}/quarantine", json={"reason": "smoke"})
        window = {"expires_at": rfc3339(service.clock.now() + 3600)}
        owner.expect(201, "POST", f"/v1/prints/{lost['id']}/reissue", json=window)
        provider.authorise(licence, printer)
        back = provider.authorise(owner.license(revision, provider), printer)
        provider.expect(200, "POST", f"/v1/prints/{back['id']}/withdraw")
        beside = [owner.license(revision, provider) for _ in range(2)]
        assert redeem(printer, authorise(provider, printer, *beside)["token"]).status_code == 200
        owner.revoke(owner.license(revision, provider))
        retired = provider.printer()
        provider.expect(200, "POST", f"/v1/printers/{retired.id}/retire", json={})
        turned = provider.printer()
        successor_of(provider, turned)
        until_state(provider, turned, "retired")
        held = held_draft(keeper(service))
        held.published()
        granted = Grant(held, provider, [printer]).done()
        assert printer.redeem(provider.authorise(granted, printer)["token"]).status_code == 200
        gone = owner.published()
        ended = owner.license(gone, provider)
        assert printer.redeem(provider.authorise(ended, printer)["token"]).status_code == 200
        shred(owner, gone["design_id"])
        requested(owner, revision["design_id"])
        owner.draft()
        provider.printer(approve=False)
    settings = Settings(data_dir=place / "data")
    with embedded_chain(settings) as (url, identity):
        history = Reader(Web3Chain.http(url), identity.contract).read(range(200))
    database = open_database(settings.database_location)
    yield Folder(settings, database, history)
    database.close()


def tables() -> dict[str, Table]:
    every = {**SQLModel.metadata.tables, **ledger_tables.metadata.tables}
    return {name: table for name, table in every.items() if name != "alembic_version"}


def others(
    value: Any, declared: str, skipped: Callable[[tuple[Any, ...]], bool] = lambda _: False
) -> list[Any]:
    """Values of a column that are not this one; of JSON without the members that `skipped` says."""
    if value is None:
        if "INT" in declared or "FLOAT" in declared or "BOOL" in declared:
            return [7]
        return [b"\1" * 32] if "BLOB" in declared or "BINARY" in declared else ['{"other":1}']
    if isinstance(value, bytes) and document(value) is not None:
        return [text.encode() for text in json_changes(value.decode(), skipped)]
    if isinstance(value, bytes):
        return [bytes([value[0] ^ 1]) + value[1:], value[:-1] + bytes([value[-1] ^ 1])]
    if isinstance(value, float):
        return [value + 1]
    if isinstance(value, int):
        return [1 - value] if "BOOL" in declared else [value + 1, value - 1]
    if value.startswith(("{", "[")):
        return [*json_changes(value, skipped)]
    return [value + "0"]


def json_changes(text: str, skipped: Callable[[tuple[Any, ...]], bool]) -> Iterator[str]:
    """JSON with one leaf changed, each in turn."""
    document = json.loads(text)
    for path in leaves(document):
        if skipped(path):
            continue
        changed = json.loads(text)
        place = changed
        for step in path[:-1]:
            place = place[step]
        old = place[path[-1]]
        place[path[-1]] = (
            (not old) if isinstance(old, bool) else (old or 0) + 1 if not isinstance(old, str) else old + "0"
        )
        yield json.dumps(changed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if not any(True for _ in leaves(document)):
        yield '["other"]' if text[0] == "[" else '{"other":1}'


def document(value: Any) -> dict[str, Any] | None:
    """The JSON object that a value is the text of, None where it is none."""
    try:
        found = json.loads(value)
    except (TypeError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path


def one_of_each(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row of every state and kind there is."""
    sorts: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        sort = tuple(row.get(name) for name in ("state", "kind", "name" if "log_index" in row else "kind"))
        sorts.setdefault(sort, row)
    return list(sorts.values())


def found_in(folder: Folder) -> list[str]:
    """What the audit says: findings, or the error that ends it with exit code 2."""
    try:
        return [f"{finding.row} {finding.field}" for finding in folder.audited().findings]
    except LedgerError as error:
        return [str(error)]


class TestEveryColumn:
    def missed(self, folder: Folder, *, every: bool) -> dict[str, list[str]]:
        missed: dict[str, list[str]] = {}
        for name, table in tables().items():
            rows = folder.rows(name)
            for row in rows if every else one_of_each(rows):
                for column in table.columns:
                    key = f"{name}.{column.name}"
                    if unknowable(name, column.name, row):
                        continue
                    skipped = partial(hidden, name, column.name)
                    values = others(row[column.name], str(column.type).upper(), skipped)
                    for new in values if every else {repr(v): v for v in (values[0], values[-1])}.values():
                        statement = f'UPDATE {name} SET "{column.name}" = ? WHERE rowid = ?'
                        with folder.changed(name, statement, new, row["_rowid"]) as done:
                            if done and not found_in(folder):
                                said = f"{row.get('state')} {row[column.name]!r:.60} -> {new!r:.60}"
                                missed.setdefault(key, []).append(said)
        return missed

    def test_agrees_when_nothing_was_touched(self, folder: Folder) -> None:
        assert folder.audited().findings == ()

    def test_an_edit_is_found_or_stands_in_the_table(self, folder: Folder) -> None:
        assert self.missed(folder, every=False) == {}

    @pytest.mark.slow
    def test_every_edit_of_every_row_is_found_or_stands_in_the_table(self, folder: Folder) -> None:
        assert self.missed(folder, every=True) == {}

    def test_the_table_names_what_there_is(self) -> None:
        known = {f"{name}.{column.name}" for name, table in tables().items() for column in table.columns}
        for place in UNKNOWABLE:
            table, _, rest = place.partition("[")
            _, _, column = rest.partition("].") if rest else ("", "", "")
            assert table in tables() or ".".join(table.split(".")[:2]) in known, place
            assert not column or f"{table}.{column}" in known, place

    def test_the_threat_model_tells_all_of_it(self) -> None:
        _, _, told = THREAT_MODEL.read_text(encoding="utf-8").partition("## What the audit cannot know")
        assert set(re.findall(r"`([a-z_]+(?:\[[a-z_]+\])?(?:\.[a-z0-9_.]+)?)`", told)) == set(UNKNOWABLE)

    def test_the_table_names_no_member_that_is_not_there(self, folder: Folder) -> None:
        """Of JSON columns whole, members can stand in the table: each is one that some row has."""
        known = {
            ".".join((f"{name}.{column}", *(step for step in path[:length] if isinstance(step, str))))
            for name in tables()
            for row in folder.rows(name)
            for column, value in row.items()
            for path in leaves(document(value) or {})
            for length in range(len(path) + 1)
        }
        assert {place for place in UNKNOWABLE if place.count(".") > 1} <= known


class TestAccess:
    """What of API keys can be told: none may do more than who made it."""

    @pytest.mark.parametrize(
        ("statement", "column"),
        [
            ("""UPDATE api_keys SET roles = '["operator"]' WHERE rowid = ?""", "roles"),
            ("""UPDATE api_keys SET roles = '["king"]' WHERE rowid = ?""", "roles"),
            ("UPDATE api_keys SET organisation_id = 'org_nobody' WHERE rowid = ?", "organisation_id"),
            ("UPDATE api_keys SET created_by = 'key_nobody' WHERE rowid = ?", "created_by"),
            ("UPDATE api_keys SET revoked_at = created_at - 1 WHERE rowid = ?", "revoked_at"),
        ],
    )
    def test_a_key_beyond_its_maker_is_found(self, folder: Folder, statement: str, column: str) -> None:
        key = next(row for row in folder.rows("api_keys") if "operator" not in row["roles"])
        with folder.changed("api_keys", statement, key["_rowid"]) as done:
            assert done
            assert f"api_keys {key['id']} {column}" in found_in(folder)

    def test_a_role_taken_from_an_organisation_is_found(self, folder: Folder) -> None:
        row = next(row for row in folder.rows("organisations") if "owner" in row["roles"])
        statement = """UPDATE organisations SET roles = '["auditor"]' WHERE rowid = ?"""
        with folder.changed("organisations", statement, row["_rowid"]) as done:
            assert done
            assert any(found.startswith("api_keys") for found in found_in(folder))


class TestTables:
    """What the audit's CSV says takes the place of what, by the rows and events of the same folder."""

    def test_names_the_print_that_a_licence_replaces(self, folder: Folder) -> None:
        rows = folder.rows("licences")
        (reissue,) = folder.rows("reissues")
        (lost,) = [row for row in folder.rows("prints") if row["id"] == reissue["print_id"]]
        hashes = {row["id"]: bytes(row["licence_hash"]) for row in rows}
        expected = {hashes[reissue["licence_id"]]: (hashes[lost["licence_id"]], lost["sequence"])}
        assert replaced_prints(folder.history) == expected
        grants = self.tables(folder, {}).grants
        said = {row[0]: row[GRANTS.index("replaces")] for row in grants}
        assert {name: text for name, text in said.items() if text} == {
            f"0x{made.hex()}": f"0x{of.hex()}/{number}" for made, (of, number) in expected.items()
        }

    def test_names_the_printer_that_a_printer_replaces(self, folder: Folder) -> None:
        rows = folder.rows("printers")
        hashes = {row["id"]: bytes(row["printer_hash"]) for row in rows if row["printer_hash"]}
        (after,) = [row for row in rows if row["predecessor_id"]]
        expected = {hashes[after["id"]]: hashes[after["predecessor_id"]]}
        assert self.successions(folder) == expected
        printers = self.tables(folder, expected).printers
        said = {row[0]: row[PRINTERS.index("replaces")] for row in printers}
        retired = {row[0] for row in printers if row[PRINTERS.index("retired")]}
        assert len(said) == sum(row["state"] in {"enrolled", "retired"} for row in rows)
        for new, old in expected.items():
            assert said.pop(f"0x{new.hex()}") == f"0x{old.hex()}"
            assert f"0x{old.hex()}" in retired
        assert set(said.values()) == {""}

    def test_believes_no_row_without_its_predecessors_word(self, folder: Folder) -> None:
        rows = folder.rows("printers")
        (after,) = [row for row in rows if row["predecessor_id"]]
        other = next(row["id"] for row in rows if row["id"] not in {after["id"], after["predecessor_id"]})
        statement = "UPDATE printers SET predecessor_id = ? WHERE id = ?"
        with folder.changed("printers", statement, other, after["id"]) as done:
            assert done
            assert self.successions(folder) == {}

    def tables(self, folder: Folder, replaced: dict[bytes, bytes]) -> AuditTables:
        return tables_of(AuditReport(1, "", 1, {}, ()), folder.history, replaced)

    def successions(self, folder: Folder) -> dict[bytes, bytes]:
        with folder.database.read() as session:
            return successions(session, folder.history.domain)


class TestEveryRow:
    """Deleted, doubled and exchanged rows of the tables that the audit can judge."""

    JUDGED = tuple(name for name in tables() if name not in UNKNOWABLE)

    def test_a_deletion_is_found(self, folder: Folder) -> None:
        missed = []
        for name in self.JUDGED:
            for row in one_of_each(folder.rows(name)):
                if f"{name}[{row.get('state')}]" in UNKNOWABLE:
                    continue
                if any(holds(name, row) for holds in FORGETTABLE.values()):
                    continue
                with folder.changed(name, f"DELETE FROM {name} WHERE rowid = ?", row["_rowid"]):
                    missed += [] if found_in(folder) else [f"{name} {row}"[:150]]
        assert missed == []

    def test_a_copy_under_a_fresh_key_is_found(self, folder: Folder) -> None:
        """Every unique column made fresh too, so that the database takes the copy."""
        missed = []
        for name in self.JUDGED:
            table = tables()[name]
            fresh = {column.name for column in table.primary_key} | unique_columns(table)
            for row in one_of_each(folder.rows(name)):
                if f"{name}[{row.get('state')}]" in UNKNOWABLE or name in INVENTABLE:
                    continue
                copy = {column.name: row[column.name] for column in table.columns}
                for column in table.columns:
                    if column.name in fresh and copy[column.name] is not None:
                        copy[column.name] = others(copy[column.name], str(column.type).upper())[0]
                columns = ", ".join(f'"{column}"' for column in copy)
                statement = f"INSERT INTO {name} ({columns}) VALUES ({', '.join('?' * len(copy))})"
                with folder.changed(name, statement, *copy.values()) as done:
                    missed += [] if not done or found_in(folder) else [f"{name} {row}"[:150]]
        assert missed == []

    def test_two_rows_that_change_places_are_found(self, folder: Folder) -> None:
        """All but their primary keys exchanged."""
        missed = []
        for name in self.JUDGED:
            rows = [r for r in folder.rows(name) if f"{name}[{r.get('state')}]" not in UNKNOWABLE]
            keys = {column.name for column in tables()[name].primary_key}
            rest = [column.name for column in tables()[name].columns if column.name not in keys]
            if len(rows) < 2 or not rest:
                continue
            one, other = rows[0], rows[-1]
            if all(one[column] == other[column] or unknowable(name, column, one) for column in rest):
                continue
            marks = ", ".join(f'"{column}" = CASE rowid WHEN ? THEN ? ELSE ? END' for column in rest)
            values = [v for c in rest for v in (one["_rowid"], other[c], one[c])]
            statement = f"UPDATE OR REPLACE {name} SET {marks} WHERE rowid IN (?, ?)"
            with folder.changed(name, statement, *values, one["_rowid"], other["_rowid"]) as done:
                missed += [] if not done or found_in(folder) else [name]
        assert missed == []
