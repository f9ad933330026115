"""Findings of a toolpath as they are met: the first of each kind in words, the others counted."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_tools.findings import Finding, Point, finding


@dataclass(slots=True)
class _Fault:
    line: int
    message: str
    sample: Point | None
    count: int


class Faults:
    """Collects faults by code; lines are counted from 1."""

    def __init__(self) -> None:
        self._found: dict[str, _Fault] = {}
        self.total = 0

    def add(self, code: str, message: str, line: int, *, count: int = 1, sample: Point | None = None) -> None:
        """Note `count` faults of the kind `code`, the first of them in `line`."""
        self.total += count
        known = self._found.get(code)
        if known is None:
            self._found[code] = _Fault(line, message, sample, count)
            return
        known.count += count
        if line < known.line:
            known.line, known.message, known.sample = line, message, sample

    def findings(self) -> tuple[Finding, ...]:
        """One finding for each kind, in the order of their first lines."""
        ordered = sorted(self._found.items(), key=lambda item: item[1].line)
        return tuple(
            finding(code, f"Line {row.line}: {row.message}.", count=row.count, sample=row.sample)
            for code, row in ordered
        )
