"""The gate's figures: a million facets checked, against reading and hashing them and against its peers.

Everyone runs in a process of its own that is kept for all rounds and keeps the memory it frees, as in the
vault's figures: the first rounds warm caches, imports and allocators and are dropped, so that nobody is timed
while the machine hands out pages. Within a round all run in turn, each round begins with another one, and
who answers differently from the others ends the measurement. A figure is the median over the rounds.

The check is what a sandboxed child does before crossings, walls and overhangs: read, SHA-256, finite, closed,
manifold, wound, duplicate, degenerate, shells, volume, area, bounds. The peers get an environment of their
own on first use; admesh is measured where its command is installed.
"""

from __future__ import annotations

import os
import time

from benchmarks.figures import Figure, announce


def measure() -> list[Figure]:
    """Measure everything; about four minutes."""
    # the peers' interpreter loads this package too and has none of what these need
    from benchmarks.gate import checks, memory, sandboxed, toolpaths

    load, start = os.getloadavg()[0], time.perf_counter()
    figures = [figure for part in (checks, memory, sandboxed, toolpaths) for figure in part.figures()]
    took, after = time.perf_counter() - start, os.getloadavg()[0]
    announce(f"measured in {took:.0f} s; load {load:.2f} before, {after:.2f} after")
    return figures
