"""`python -m benchmarks [AREA …]`: measure the named areas, or all, and say which bars are met."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.figures import Figure, write

AREAS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem != "figures"))


def main(areas: list[str]) -> int:
    """Measure; returns 0 when every bar is met, 1 when one is not, 2 for an unknown area."""
    unknown = [area for area in areas if area not in AREAS]
    if unknown:
        print(f"no such area: {', '.join(unknown)}; there are {', '.join(AREAS)}", file=sys.stderr)
        return 2
    missed = 0
    for area in areas or AREAS:
        print(f"→ {area}", flush=True)
        figures: list[Figure] = importlib.import_module(f"benchmarks.{area}").measure()
        write(area, figures)
        for figure in figures:
            sign = "≥" if figure.better == "higher" else "≤"
            verdict = "ok" if figure.ok else "MISSED"
            print(
                f"  {figure.id:<52} {figure.value:>10.4g} {figure.unit:<8} ({sign} {figure.bar:g})  {verdict}"
            )
            missed += not figure.ok
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
