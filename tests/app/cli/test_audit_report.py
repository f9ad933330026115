"""The audit's files: CSV that no spreadsheet runs, a PDF of one page that is the same each time."""

from __future__ import annotations

import csv
from pathlib import Path

from app.cli.audit_chart import draw
from app.cli.audit_pdf import Head, write
from app.cli.audit_tables import GRANTS, PRINTS, AuditTables, Cell
from ledger.audit import AuditReport, Finding

NOON = 1_800_000_000
HEAD = Head(7, bytes(range(32)), NOON + 86400)


def report(*findings: Finding) -> AuditReport:
    return AuditReport(20566, "0x" + "11" * 20, 7, {"events": 3, "prints": 2}, findings)


def tables(*findings: Finding) -> AuditTables:
    grant: list[Cell] = ["0xaa", "0xbb", "0xcc", 2, 1, 0, 9, "", "", 1, NOON, "0xdd", 0]
    prints: list[list[Cell]] = [
        ["0xaa", number, "0xee", "0xff", 2, NOON + number * 3600, "0xdd", 1] for number in (1, 2)
    ]
    rows = [(finding.row, finding.field, finding.problem) for finding in findings]
    return AuditTables([grant], prints, [], [], rows)


class TestWriteTables:
    def test_writes_a_file_a_table(self, tmp_path: Path) -> None:
        paths = tables().write(tmp_path / "csv")
        names = ("grants", "prints", "outcomes", "printers", "findings")
        assert [path.stem for path in paths] == list(names)
        with paths[1].open(newline="") as stream:
            rows = list(csv.reader(stream))
        assert rows[0] == list(PRINTS)
        assert [row[1] for row in rows[1:]] == ["1", "2"]
        with paths[0].open(newline="") as stream:
            assert next(csv.reader(stream)) == list(GRANTS)

    def test_keeps_formulas_from_running(self, tmp_path: Path) -> None:
        evil = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\n=1"]
        findings = [Finding("row", "field", text) for text in evil]
        path = tables(*findings).write(tmp_path)[-1]
        with path.open(newline="") as stream:
            assert [row[2] for row in list(csv.reader(stream))[1:]] == [f"'{text}" for text in evil]


class TestWriteReport:
    def written(self, path: Path, *findings: Finding) -> bytes:
        write(path, report(*findings), tables(*findings), HEAD)
        return path.read_bytes()

    def test_is_one_page_and_the_same_each_time(self, tmp_path: Path) -> None:
        first = self.written(tmp_path / "one.pdf")
        assert first == self.written(tmp_path / "two.pdf")
        assert first.startswith(b"%PDF-")
        assert first.count(b"/Type /Page\n") == 1

    def test_stays_one_page_with_many_findings_of_odd_letters(self, tmp_path: Path) -> None:
        odd = Finding("prints 印刷 \x07", "f" * 300, "p\n\t…" * 200)
        assert self.written(tmp_path / "odd.pdf", *[odd] * 500).count(b"/Type /Page\n") == 1


class TestDraw:
    def test_draws_what_came_when(self) -> None:
        some = draw({"Prints": [NOON, NOON + 5]}, NOON + 10)
        assert some == draw({"Prints": [NOON, NOON + 5]}, NOON + 10)
        assert some != draw({"Prints": [NOON, NOON + 9]}, NOON + 10)

    def test_draws_a_ledger_without_history(self) -> None:
        assert draw({"Prints": []}, NOON).startswith(b"\x89PNG")
