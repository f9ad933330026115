"""The gate: reads print files in a sandbox, judges them and draws them.

Public face:

- `mesh_tools.sandbox.Sandbox` — `inspect(source, filename=…, policy=…) -> Inspection`; one child per file.
- `mesh_tools.gate.Policy` — process, build volume, units; `judge(findings, policy)`.
- `mesh_tools.inspect` — `Finding`, `Geometry`, `Inspection`, the words of an answer.
- `mesh_tools.limits.Limits` — every limit, in one frozen record.
- `mesh_tools.errors` — what callers may have to catch.
"""
