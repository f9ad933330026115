"""The contract's gas, as its committed snapshot has it; `make test` holds the snapshot to the contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure

SNAPSHOT = Path(__file__).parents[2] / "contracts" / "gas.json"
BARS = {
    "print, the 1st of a licence": 45_000,
    "print, the dearest of 128 in reverse order": 45_000,
    "print, the 100,000th of a licence": 45_000,
    "print in a batch of 100: 100 licences, 10 printers": 22_000,
    "grant": 80_000,
}


def figures() -> Iterator[Figure]:
    """Yield every figure of the snapshot, and how far the 100,000th print is from the first."""
    gas = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    for name, used in gas.items():
        yield Figure(f"gas: {name}", used, "gas", BARS.get(name), "lower")
    first, last = gas["print, the 1st of a licence"], gas["print, the 100,000th of a licence"]
    yield Figure("gas: the 100,000th print off the 1st", 100 * abs(last - first) / first, "%", 1, "lower")
