"""Runs the gate over the corpus; `python -m tests.mesh_tools.corpus FOLDER` writes the table of verdicts."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from mesh_tools.gate import Policy
from mesh_tools.inspect import Inspection
from mesh_tools.sandbox import Sandbox

TABLE = Path(__file__).parent / "corpus_verdicts.tsv"
COLUMNS = ("path", "label", "verdict", "format", "reasons")
PACKAGE_CODES = ("package.", "input.", "format.unknown", "limit.", "stl.", "sandbox.")


@dataclass(frozen=True)
class Row:
    """A line of the table; `reasons` are the refusing codes, sorted and joined by commas."""

    path: str
    label: str
    verdict: str
    format: str
    reasons: str


def listed(corpus: Path) -> list[tuple[str, str]]:
    """Path and label of every file of the corpus."""
    with (corpus / "MANIFEST.tsv").open(newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        return sorted((row["path"], row["label"]) for row in rows)


def inspected(corpus: Path, sandbox: Sandbox) -> Iterator[tuple[Row, Inspection]]:
    """Each file's row and inspection, in the order of the paths."""
    for path, label in listed(corpus):
        file = corpus / path
        inspection = sandbox.inspect([file.read_bytes()], filename=file.name, policy=Policy(), pictures=False)
        reasons = ",".join(sorted({found.code for found in inspection.reasons}))
        yield Row(path, label, inspection.verdict, inspection.format, reasons), inspection


def past_the_package_checks(row: Row) -> bool:
    """Whether only the mesh or what it carries stands against the file, not its container."""
    return not any(code.startswith(PACKAGE_CODES) for code in row.reasons.split(","))


def read_table() -> list[Row]:
    """The committed table."""
    with TABLE.open(newline="") as stream:
        return [Row(*line) for line in list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]]


def main() -> None:
    """Write the table anew."""
    with Sandbox() as sandbox, TABLE.open("w") as stream:
        stream.write("\t".join(COLUMNS) + "\n")
        for row, _ in inspected(Path(sys.argv[1]), sandbox):
            stream.write("\t".join(astuple(row)) + "\n")


if __name__ == "__main__":
    main()
