"""The words of an answer, under the name that callers import: findings, geometry, inspection.

Importing this loads no reader and no engine: those live in the sandbox's processes (`mesh_tools.examine`).
"""

from __future__ import annotations

from mesh_tools.findings import Finding, Geometry, Inspection, Severity, Verdict

__all__ = ["Finding", "Geometry", "Inspection", "Severity", "Verdict"]
