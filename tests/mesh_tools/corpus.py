"""Runs the gate over the corpus; `python -m tests.mesh_tools.corpus FOLDER` writes the table of verdicts."""

from __future__ import annotations

import csv
import resource
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

_LATTICE = "there is no triangle to check: the part is a beam lattice, which the gate does not expand"
_TEXTURE = "multiproperties name texture 2, which is no group: colours lead to nothing. Negotiable"
_CASE = "two models whose names differ in case only: which one is meant depends on the reader"
NOTES = {
    "3mf-samples/MUSTPASS_Chapter3.4.1c_MustIgnoreUndefinedMetadataName.3mf": (
        "a name without prefix that the specification lacks, as in files labelled invalid for it. Negotiable;"
        " names that common slicers write pass"
    ),
    "3mf-samples/MUSTPASS_Chapter3.4.2_MetaData_Resources_Build.3mf": _TEXTURE,
    "3mf-samples/MUSTPASS_Chapter3.4.3a_MustNotOutputNonReferencedObjects.3mf": _TEXTURE,
    "3mf-samples/multipletextures.3mf": "three facets of the scanned mesh cut through others",
    "3mf-samples/pyramid.3mf": _LATTICE,
    "3mf-samples/variable voronoi.3mf": _LATTICE,
    "upb/CS-DOR_double-object-reference.3mf": "a transform of sixteen numbers, where 3MF has twelve",
    "upb/CS-SE_slicing-extension.3mf": "slices, which a printer may print instead of the checked mesh",
    "upb/DOS-BL-MBR_billion-laughs-model-build-references.3mf": (
        "4444 copies of one body in one place: they overlap, and are more shells than the policy allows"
    ),
    "upb/F-B-BAL_beam-lattice.3mf": _LATTICE,
    "upb/F-B-PRO_production.3mf": "the package names a thumbnail that it lacks. Negotiable",
    "upb/F-B-SLI_slice.3mf": "slices in a part without a relationship, and a thumbnail that is not there",
    "upb/ZIP-CLCVR_capitalization-lower-case-version-referenced.3mf": _CASE,
    "upb/ZIP-CUCVR_capitalization-upper-case-version-referenced.3mf": _CASE,
}
"""Why files labelled valid are refused: a test holds the list exact."""


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


def inspected_alone(corpus: Path) -> tuple[list[tuple[Row, Inspection]], int]:
    """Rows and inspections, and the most memory in bytes that any child of this process has had."""
    with Sandbox() as sandbox:
        results = list(inspected(corpus, sandbox))
    return results, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


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
