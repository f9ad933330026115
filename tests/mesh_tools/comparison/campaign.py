"""Tampering planted in ten parts, and true copies of them, held against the masters.

`python -m tests.mesh_tools.comparison.campaign --seeds 100..119 --parts 0..9` runs it, or a piece of it, and
writes what was judged wrongly and the table of answers.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from manifold3d import Manifold

from mesh_tools.comparison.compare import compare
from mesh_tools.comparison.result import Comparison
from mesh_tools.comparison.solid import Solid
from tests.mesh_tools.comparison.exports import EXPORTS, Corners, Random, moved
from tests.mesh_tools.comparison.parts import PARTS, Design, facets_of


def as_exported(part: Manifold, random: Random) -> Corners:
    """One of the exports, drawn."""
    return list(EXPORTS.values())[random.integers(len(EXPORTS))](facets_of(part), random)


def drawn(random: Random) -> Design:
    """The master's design."""
    return Design(int(random.integers(48, 97)), float(random.uniform(0.7, 1.8)))


def meshed_anew(design: Design, random: Random) -> Design:
    """The same part with round faces cut otherwise."""
    return replace(design, segments=int(design.segments * random.uniform(0.8, 2.0)))


def with_void(part: Manifold, random: Random) -> Manifold:
    """A ball of nothing inside."""
    low, high = np.array(part.bounding_box()[:3]), np.array(part.bounding_box()[3:])
    while True:
        radius = random.uniform(0.3, 1.2)
        ball = Manifold.sphere(radius, 16).translate(random.uniform(low, high))
        if abs((ball - part.scale([1, 1, 1])).volume()) < 1e-12 and not (ball - part).volume():
            return part - ball


def _whole(name: str, design: Design, random: Random) -> Manifold:
    return PARTS[name](meshed_anew(design, random))


TAMPERINGS: dict[str, Callable[[str, Design, Random], Manifold]] = {
    "void": lambda name, d, r: with_void(_whole(name, d, r), r),
    "scale": lambda name, d, r: _whole(name, d, r),
    "shaved joint": lambda name, d, r: _whole(name, replace(d, shave=r.uniform(0.15, 0.5)), r),
    "moved hole": lambda name, d, r: _whole(
        name, replace(d, hole_shift=r.choice([-1, 1]) * r.uniform(0.2, 0.8)), r
    ),
    "mirrored": lambda name, d, r: _whole(name, d, r).mirror([1.0, 0.0, 0.0]),
    "thinned wall": lambda name, d, r: _whole(name, replace(d, thin=r.uniform(0.15, 0.5)), r),
}
FACTORS = (25.4, 1 / 25.4, 10.0, 0.1)
EXPECTED = {"scale": "rescaled", "mirrored": "mirrored"}


def master_and(name: str, seed: int) -> tuple[Random, Design, Solid]:
    """The master of a part and seed, and the randomness that made it."""
    random = np.random.default_rng([seed, list(PARTS).index(name)])
    design = drawn(random)
    return random, design, Solid(facets_of(PARTS[name](design)))


def tampered(name: str, seed: int, how: str) -> Comparison:
    """Compare a tampered copy, exported anew, half of them moved too."""
    random, design, master = master_and(name, seed)
    corners = as_exported(TAMPERINGS[how](name, design, random), random)
    if how == "scale":
        corners = corners * random.choice(
            [*FACTORS, random.uniform(0.97, 0.996), random.uniform(1.004, 1.03)]
        )
    return compare(master, Solid(moved(corners, random) if seed % 2 else corners))


def untouched(name: str, seed: int, export: str) -> Comparison:
    """Compare a true copy: exported as named, half of them meshed anew, half of them moved."""
    random, design, master = master_and(name, seed)
    again = meshed_anew(design, random) if seed % 4 >= 2 else design
    corners = EXPORTS[export](facets_of(PARTS[name](again)), random)
    return compare(master, Solid(moved(corners, random) if seed % 2 else corners))


@dataclass(frozen=True)
class Judged:
    """One comparison of the campaign: what was done to which part, and the answer."""

    part: str
    seed: int
    done: str
    found: Comparison

    @property
    def planted(self) -> bool:
        return self.done in TAMPERINGS

    @property
    def right(self) -> bool:
        return self.planted != self.found.accepted

    def __str__(self) -> str:
        return f"{self.part} {self.seed}: {self.done} judged {self.found.kind} {self.found.reasons}"


def judged(name: str, seed: int) -> Iterator[Judged]:
    """Every tampering and every export of one part and seed."""
    for how in TAMPERINGS:
        yield Judged(name, seed, how, tampered(name, seed, how))
    for export in EXPORTS:
        yield Judged(name, seed, export, untouched(name, seed, export))


def table(campaign: Iterable[Judged]) -> str:
    """What was done, how often it was judged rightly, and the answers."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    right: Counter[str] = Counter()
    for one in campaign:
        answers[one.done][one.found.kind] += 1
        right[one.done] += one.right
    rows = [
        f"{done:18} {right[done]:4} of {kinds.total():4} right  {dict(kinds)}"
        for done, kinds in answers.items()
    ]
    return "\n".join(rows) + "\n"


def _span(text: str) -> range:
    """`3..7` is 3 to 7, both included; `3` is 3 alone."""
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def main() -> None:
    """Run the campaign, or a piece of it; every part and seed is told as it is done, seed by seed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--parts", type=_span, default=range(len(PARTS)), help="by number, as 0..9")
    options.add_argument("--seeds", type=_span, default=range(20), help="as 0..19")
    chosen = options.parse_args()
    names = [list(PARTS)[number] for number in chosen.parts]
    every = list(itertools.product(chosen.seeds, names))
    done: list[Judged] = []
    for count, (seed, name) in enumerate(every, 1):
        here = list(judged(name, seed))
        wrong = [str(one) for one in here if not one.right]
        progress = f"[{count}/{len(every)}] {name} {seed}: {len(wrong)} of {len(here)} wrong"
        sys.stdout.write("\n".join([progress, *wrong, ""]))
        sys.stdout.flush()
        done += here
    sys.stdout.write(table(done))


if __name__ == "__main__":
    main()
