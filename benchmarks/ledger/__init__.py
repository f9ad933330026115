"""The ledger's figures: what callers wait for, how fast a long history is indexed and audited, and the gas.

Everything runs as in the service: the database is opened by the application's own code (SQLite, WAL, every
commit on the disk before it is answered), callers, relay and indexer share one process, the embedded chain is
its child. Printers' signatures are real ones on P-256, made before the clock starts. The load is
printed at the end: on two cores these figures mean little beside other work.
"""

from __future__ import annotations

import os
import time

from benchmarks.figures import Figure, announce
from benchmarks.ledger import callers, gas, history


def measure() -> list[Figure]:
    """Measure everything; some minutes."""
    load = os.getloadavg()[0]
    start = time.perf_counter()
    figures = [figure for part in (gas, callers, history) for figure in part.figures()]
    took, after = time.perf_counter() - start, os.getloadavg()[0]
    announce(f"measured in {took:.0f} s; load {load:.2f} before, {after:.2f} after")
    return figures
