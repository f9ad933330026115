"""`python -m benchmarks [AREA …]`: measure the named areas, or all, and say which bars are met."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.figures import Figure, write

HERE = Path(__file__).parent
MODULES = {path.stem for path in HERE.glob("[a-z]*.py")} - {"figures"}
AREAS = tuple(sorted(MODULES | {path.parent.name for path in HERE.glob("*/__init__.py")}))


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
            print(_line(figure))
            missed += not figure.ok
    return 1 if missed else 0


def _line(figure: Figure) -> str:
    value = f"  {figure.id:<56} {figure.value:>10.4g} {figure.unit:<6}"
    if figure.spread:
        value += " [{:.4g} to {:.4g}]".format(*figure.spread)
    if figure.bar is None:
        return value
    sign = "≥" if figure.better == "higher" else "≤"
    return f"{value} ({sign} {figure.bar:g})  {'ok' if figure.ok else 'MISSED'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
