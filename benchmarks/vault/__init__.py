"""The vault's figures: file to file and memory to memory, against a copy loop, raw AES-GCM and its peers.

What is measured is the work a program does per byte: the system calls that carry bytes from and to the page
cache, and the cipher. It is not the disk, and it is not the allocation of memory. On a virtual machine a page
that is touched for the first time costs more than reading, sealing and writing it together, and how much more
depends on what its host did with it before; timed that way, a copy loop may well look slower than a cipher
that runs after it. So every contender works in the same steady state (`steady`):

- its source is in the page cache;
- its target has its full length already and is overwritten in place, so that no page and no disk block is
  allocated while the clock runs, nor freed;
- everything written before is on the disk when the clock starts, so that no write-back runs beside it;
- everyone runs in a process of its own that is kept for all rounds and keeps the memory it frees;
- everyone reads and writes at least 1 MiB at a time, by the interface of its that was found fastest;
- the first rounds warm caches, imports and allocators, and are dropped.

This is the state in which a copy loop is fastest, and thus the hardest to keep up with. Within a round all
contenders run in turn, each round begins with another one, and a figure is the median over the rounds of the
reference's seconds to ours in the same round; its spread is the middle half of them. The peers
(Tink, AWS Encryption SDK, age) get an environment of their own on first use. The user and system time of each
contender is printed too, to tell what it spends.
"""

from __future__ import annotations

import time

from benchmarks.figures import Figure, announce
from benchmarks.vault.steady import used_by_others

QUIET = 0.2
"""How many processors others may keep busy before the figures mean little."""


def measure() -> list[Figure]:
    """Measure everything; about five minutes."""
    # the peers' interpreter loads this package too and has none of what these need
    from benchmarks.vault import disk, fetched, memory, rotation, store

    used, start = used_by_others(), time.perf_counter()
    figures = [figure for part in (disk, memory, fetched, store, rotation) for figure in part.figures()]
    busy = (used_by_others() - used) / (time.perf_counter() - start)
    verdict = "quiet enough" if busy <= QUIET else "too many: measure again when the machine is quiet"
    announce(f"others kept {busy:.2f} processors busy meanwhile, {verdict}")
    return figures
