"""The gate: reads print files in a sandbox, judges them and draws them.

Formats: STL (binary, ASCII), 3MF, OBJ, PLY, OFF, GLB. Public face:

- `mesh_tools.sandbox.Sandbox` — `inspect(source, filename=…, policy=…) -> Inspection`; `run(job, sources,
  options) -> Answer` has any other of `mesh_tools.jobs` done. One confined child a job. `start()` returns at
  once, `wait_ready()` when the process server is warm. Threads may share one.
- `mesh_tools.gate` — `Policy` (process, build volume, units, severities), `judge(findings, policy)`.
- `mesh_tools.inspect` — `Finding`, `Geometry`, `Inspection`, the words of an answer.
- `mesh_tools.views` — the pictures that the job `render` draws.
- `mesh_tools.limits.Limits` — every limit, in one frozen record.
- `mesh_tools.errors` — what callers may have to catch.

docs/findings.md explains every code.
"""
