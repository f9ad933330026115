"""What the check of the vault found: the row, the column, what is wrong and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Problem(StrEnum):
    """What can be wrong."""

    UNREADABLE = "record unreadable"
    MISSING = "object missing"
    DAMAGED = "object damaged"
    KEY_MISSING = "key missing"
    KEY_UNUSABLE = "key does not open"
    KEY_STRAY = "key without a referent"
    MANIFEST = "manifest broken"
    ORPHAN = "object without a row"
    SHREDDING = "shredding incomplete"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; `row` is table and id, or `objects` and the name in the store."""

    problem: Problem
    row: str
    column: str
    reason: str
    remedy: str

    def to_json(self) -> dict[str, str]:
        """Give the finding as JSON."""
        return {
            "problem": self.problem.value,
            "row": self.row,
            "column": self.column,
            "reason": self.reason,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Report:
    """The outcome of one check.

    counts: what was looked at
    recent: names of young objects that no row knows, which an upload may be about to note
    quarantined: names of objects that were set aside, now or before
    repaired: names of orphans that this check set aside
    parts_removed: parts of interrupted uploads that this check removed
    """

    counts: dict[str, int]
    findings: tuple[Finding, ...]
    recent: tuple[str, ...]
    quarantined: tuple[str, ...]
    repaired: tuple[str, ...]
    parts_removed: int

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong any more."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "ok": self.ok,
            "counts": self.counts,
            "findings": [finding.to_json() for finding in self.findings],
            "recent": list(self.recent),
            "quarantined": list(self.quarantined),
            "repaired": list(self.repaired),
            "parts_removed": self.parts_removed,
        }
