"""Inspections as SARIF 2.1.0 (OASIS), the format in which code hosts and editors take a linter's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from mesh_tools.catalogue import CATALOGUE
from mesh_tools.inspect import Finding, Inspection

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final[Mapping[str, str]] = {"refuse": "error", "warn": "warning", "info": "note"}


def sarif(inspections: Sequence[tuple[Path, Inspection]]) -> dict[str, Any]:
    """One run (section 3.14): every catalogued code as a rule, every file as an artifact, its findings."""
    codes = list(CATALOGUE)
    results = [
        _result(found, codes, number, path)
        for number, (path, inspection) in enumerate(inspections)
        for found in inspection.findings
    ]
    driver = {
        "name": "partvault mesh check",
        "version": version("partvault"),
        "rules": [_rule(code) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "artifacts": [_artifact(path, inspection) for path, inspection in inspections],
        "results": results,
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    severity, advice = CATALOGUE[code]
    return {
        "id": code,
        "help": {"text": advice},
        "defaultConfiguration": {"level": _LEVELS[severity]},
    }


def _artifact(path: Path, inspection: Inspection) -> dict[str, Any]:
    return {
        "location": {"uri": _uri(path)},
        "length": inspection.bytes,
        "hashes": {"sha-256": inspection.sha256.hex()},
        "properties": {"verdict": inspection.verdict, "format": inspection.format},
    }


def _result(found: Finding, codes: list[str], number: int, path: Path) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": found.code,
        "level": _LEVELS[found.severity],
        "message": {"text": f"{found.message} {found.advice}".strip()},
        "occurrenceCount": max(found.count, 1),
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(path), "index": number}}}],
    }
    if found.code in codes:
        result["ruleIndex"] = codes.index(found.code)
    if found.sample is not None:
        result["properties"] = {"place_mm": list(found.sample)}
    return result


def _uri(path: Path) -> str:
    """An absolute path as a file URI, a relative one as a relative reference (section 3.10.1)."""
    from urllib.parse import quote

    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
