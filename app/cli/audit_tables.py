"""What an audit looked at, as rows: for CSV files and for the chart of the report."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.cli.audit_links import replaced_prints
from ledger.abi import LicenceGranted, OutcomeRecorded, PrinterEnrolled, PrintRecorded, PrintsTransferred
from ledger.audit import AuditReport, History
from ledger.typed_data import Result

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|")
GRANTS: Final = (
    "licence",
    "revision",
    "provider",
    "prints",
    "reprints",
    "starts_at",
    "expires_at",
    "transferred_from",
    "replaces",
    "block_number",
    "block_time",
    "transaction",
    "log_index",
)
PRINTS: Final = (
    "licence",
    "sequence",
    "printer",
    "token",
    "block_number",
    "block_time",
    "transaction",
    "log_index",
)
OUTCOMES: Final = (
    "licence",
    "sequence",
    "printer",
    "result",
    "report",
    "credited",
    "block_number",
    "block_time",
    "transaction",
    "log_index",
)
PRINTERS: Final = (
    "printer",
    "provider",
    "replaces",
    "retired",
    "block_number",
    "block_time",
    "transaction",
    "log_index",
)
FINDINGS: Final = ("row", "field", "problem")
Cell = str | int | bool


@dataclass(frozen=True)
class AuditTables:
    """Rows in the order of the chain, each with the columns that the constants of this module name.

    A grant `replaces` a print, `licence/sequence`, where its owner granted it in that print's place, and a
    printer another printer where the audited rows hold that one's word for it, which no chain does.
    """

    grants: Sequence[Sequence[Cell]]
    prints: Sequence[Sequence[Cell]]
    outcomes: Sequence[Sequence[Cell]]
    printers: Sequence[Sequence[Cell]]
    findings: Sequence[Sequence[Cell]]

    def write(self, folder: Path) -> list[Path]:
        """Write `grants.csv`, `prints.csv`, `outcomes.csv`, `printers.csv` and `findings.csv` (RFC 4180,
        UTF-8), over what is there. Times are Unix seconds, hashes 0x-hex.
        """
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, columns, rows in (
            ("grants", GRANTS, self.grants),
            ("prints", PRINTS, self.prints),
            ("outcomes", OUTCOMES, self.outcomes),
            ("printers", PRINTERS, self.printers),
            ("findings", FINDINGS, self.findings),
        ):
            path = folder / f"{name}.csv"
            with path.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream)
                writer.writerow(columns)
                writer.writerows([_harmless(cell) for cell in row] for row in rows)
            written.append(path)
        return written


def tables_of(report: AuditReport, history: History, successions: Mapping[bytes, bytes]) -> AuditTables:
    """Return what a report was made of; `successions` names the printer that a printer replaces, by hash."""
    grants: list[Sequence[Cell]] = []
    prints: list[Sequence[Cell]] = []
    outcomes: list[Sequence[Cell]] = []
    printers: list[Sequence[Cell]] = []
    replaced = replaced_prints(history)
    for record in history.records:
        seen = record.seen
        place = (seen.log.block_number, seen.block_time, _hex(seen.log.transaction), seen.log.index)
        match seen.event:
            case LicenceGranted() as made:
                window = (made.starts_at, made.expires_at, "", _print(replaced.get(made.licence)))
                whose = (_hex(made.licence), _hex(made.revision), made.provider)
                grants.append((*whose, made.prints, made.reprints, *window, *place))
            case PrintsTransferred() as made:
                origin = ("", "", _hex(made.origin), "")
                grants.append((_hex(made.licence), "", made.provider, made.prints, 0, *origin, *place))
            case PrintRecorded() as made:
                prints.append(
                    (_hex(made.licence), made.sequence, _hex(made.printer), _hex(made.token), *place)
                )
            case OutcomeRecorded() as made:
                who = (_hex(made.licence), made.sequence, _hex(made.printer))
                outcomes.append((*who, _result(made.result), _hex(made.report), made.credited, *place))
            case PrinterEnrolled() as made:
                before, retired = successions.get(made.printer), history.retired.get(made.printer, False)
                status = (_hex(before) if before else "", retired)
                printers.append((_hex(made.printer), made.provider, *status, *place))
            case _:
                pass
    findings = [(finding.row, finding.field, finding.problem) for finding in report.findings]
    return AuditTables(grants, prints, outcomes, printers, findings)


def times(rows: Iterable[Sequence[Cell]], columns: Sequence[str]) -> list[int]:
    """Return the block time of each row."""
    place = columns.index("block_time")
    return [int(row[place]) for row in rows]


def _harmless(cell: Cell) -> Cell:
    """Keep a spreadsheet from taking text for a formula: an apostrophe before it shows it as it is."""
    if isinstance(cell, str) and cell.lstrip().startswith(_FORMULA):
        return f"'{cell}"
    return cell


def _result(value: int) -> str:
    try:
        return Result(value).name.lower()
    except ValueError:
        return str(value)


def _print(replaced: tuple[bytes, int] | None) -> str:
    return "" if replaced is None else f"{_hex(replaced[0])}/{replaced[1]}"


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
