"""The audit of a data folder: whatever is changed, dropped or damaged is found and named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.cli.audit_local import audit_local
from app.database import open_database
from app.settings import Settings
from ledger.anvil import noted_url
from ledger.audit import AuditReport
from ledger.identity import load
from ledger.print_evidence import assemble, prove_operations
from ledger.typed_data import Domain
from ledger.web3_chain import Web3Chain
from tests.e2e.conftest import Market
from tests.e2e.service_process import ServiceProcess

CHANGES = [
    ("prints", "sequence", "sequence + 1"),
    ("prints", "token_sha256", "randomblob(32)"),
    ("prints", "deadline", "deadline + 1"),
    ("prints", "outcome", "json_set(outcome, '$.result', 2)"),
    ("prints", "state", "'failed'"),
    ("prints", "report", "json_set(report, '$.result', 2)"),
    ("licences", "prints", "prints + 1"),
    ("licences", "reprints", "reprints + 1"),
    ("licences", "expires_at", "expires_at + 1"),
    ("licences", "statement", "json_set(statement, '$.prints', 9)"),
    ("licences", "licence_hash", "randomblob(32)"),
    ("licences", "terms", '\'{"materials":["PLA"]}\''),
    ("licences", "state", "'revoked'"),
    ("printers", "key_x", "randomblob(32)"),
    ("printers", "printer_hash", "randomblob(32)"),
    ("printers", "state", "'retired'"),
    ("revisions", "manifest", "replace(manifest, 'MEX', 'VPP')"),
    ("revisions", "salt", "randomblob(32)"),
    ("revisions", "commitment", "randomblob(32)"),
    ("revisions", "file_object", "json_set(file_object, '$.plaintext_bytes', 1)"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A service with one part, one licence, one printer, one print and its outcome."""
    with ServiceProcess(tmp_path_factory.mktemp("audited") / "data") as service:
        market = Market.open(service)
        licence = market.owner.license(market.published(), market.provider, prints=2, reprints=1)
        printer = market.provider.new_printer()
        release = printer.redeem(market.provider.authorise(licence, printer)["token"]).json()
        assert printer.report(release, licence["licence_hash"], 1, 1).status_code == 200
        yield service.data_dir


def audited(folder: Path) -> AuditReport:
    return audit_local(Settings(data_dir=folder), None, quiet=True)


@contextmanager
def changed(folder: Path, statement: str) -> Iterator[None]:
    """Change the database of the running service, and change it back."""
    path = folder / "partvault.sqlite"
    table = statement.split()[1] if statement.startswith("UPDATE") else statement.split()[2]
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
        before = connection.execute(f"SELECT rowid, * FROM {table}").fetchall()
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        assert connection.execute(statement).rowcount >= 1
        try:
            yield
        finally:
            places = ", ".join("?" * (len(columns) + 1))
            names = ", ".join(["rowid", *columns])
            connection.executemany(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({places})", before)


class TestAuditLocal:
    def test_agrees_when_nothing_was_touched(self, folder: Path) -> None:
        report = audited(folder)
        assert (report.ok, report.findings) == (True, ())
        assert report.counts["objects"] == 2

    @pytest.mark.parametrize(("table", "column", "value"), CHANGES)
    def test_names_a_changed_row(self, folder: Path, table: str, column: str, value: str) -> None:
        with changed(folder, f"UPDATE {table} SET {column} = {value}"):
            report = audited(folder)
        assert not report.ok
        assert table in {finding.row.split()[0] for finding in report.findings}
        assert audited(folder).ok

    def test_names_a_changed_account(self, folder: Path) -> None:
        owner = "(SELECT organisation_id FROM designs)"
        with changed(folder, f"UPDATE organisations SET address = '0x{'07' * 20}' WHERE id = {owner}"):
            rows = {finding.row.split()[0] for finding in audited(folder).findings}
        assert rows == {"revisions", "licences"}

    @pytest.mark.parametrize(
        "table", ["prints", "printers", "licences", "ledger_events", "ledger_operations"]
    )
    def test_names_a_dropped_row(self, folder: Path, table: str) -> None:
        with changed(folder, f"DELETE FROM {table}"):
            report = audited(folder)
        assert not report.ok

    def test_names_a_flipped_byte_of_an_object(self, folder: Path) -> None:
        path = max(
            (item for item in (folder / "objects").rglob("*") if item.is_file()),
            key=lambda p: p.stat().st_size,
        )
        whole = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
        try:
            (finding,) = audited(folder).findings
        finally:
            path.write_bytes(whole)
        assert finding.row.startswith("revisions rev_")
        assert finding.field in {"file_object", "thumbnail_object"}
        assert "altered" in finding.problem

    def test_names_a_missing_object(self, folder: Path) -> None:
        path = next(item for item in (folder / "objects").rglob("*") if item.is_file())
        away = folder / "away"
        path.rename(away)
        try:
            (finding,) = audited(folder).findings
        finally:
            away.rename(path)
        assert "missing" in finding.problem or "no object" in finding.problem

    def test_reports_as_json(self, folder: Path) -> None:
        report: dict[str, Any] = json.loads(json.dumps(audited(folder).to_json()))
        assert set(report) == {"ok", "chain_id", "contract", "head", "counts", "findings"}


class TestCommand:
    def run(self, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["audit", *map(str, words)])
        return int(ended.value.code or 0), capsys.readouterr().out

    def test_writes_tables_and_report(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pdf, tables = tmp_path / "audit.pdf", tmp_path / "tables"
        code, _ = self.run(capsys, "--data-dir", folder, "--pdf", pdf, "--csv", tables, "--json")
        assert code == 0
        assert pdf.read_bytes().startswith(b"%PDF-")
        lines = {path.stem: len(path.read_text().splitlines()) - 1 for path in tables.iterdir()}
        assert lines == {"grants": 1, "prints": 1, "outcomes": 1, "printers": 1, "findings": 0}

    def test_verifies_the_evidence_of_a_print(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        url = noted_url(folder / "chain")
        assert url is not None
        with closing(sqlite3.connect(folder / "partvault.sqlite")) as connection:
            kinds = ("publish", "grant", "enrol", "record_print", "record_outcome")
            found = dict(connection.execute("SELECT kind, operation_id FROM ledger_operations").fetchall())
        database = open_database(Settings(data_dir=folder).database_location)
        with database.read() as session:
            connection_ = session.connection()
            rows = prove_operations(connection_, Web3Chain.http(url), [found[kind] for kind in kinds])
            known = load(connection_)
        database.close()
        assert known is not None
        bundle = assemble(Domain(known.chain_id, known.contract), rows, generated_at="2099-01-01T00:00:00Z")
        path = tmp_path / "print.json"
        path.write_text(json.dumps(bundle))
        assert self.run(capsys, "--bundle", path, "--json")[0] == 0
        assert self.run(capsys, "--bundle", path, "--rpc", url, "--json")[0] == 0
        bundle["operations"][3]["operation"]["claim"]["sequence"] = 2
        path.write_text(json.dumps(bundle))
        code, out = self.run(capsys, "--bundle", path, "--json")
        assert code == 1
        assert "bundle operations[3]" in {finding["row"] for finding in json.loads(out)["findings"]}
        assert self.run(capsys, "--bundle", path, "--pdf", tmp_path / "x.pdf", "--json")[0] == 2
        path.write_text("{")
        assert self.run(capsys, "--bundle", path, "--json")[0] == 2
