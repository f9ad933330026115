"""Many different parts, and the same parts again.

`python -m tests.mesh_tools.fingerprint.population COUNT [FIRST]` writes how well fingerprints tell parts
from others. The thresholds were chosen on parts 0 to 209.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold

from mesh_tools.comparison.solid import Solid
from mesh_tools.fingerprint.measure import fingerprint
from mesh_tools.fingerprint.vector import RESEMBLES, SAME, Fingerprint, Vectors, distances
from tests.mesh_tools.comparison.exports import bisected, moved, ordered_anew
from tests.mesh_tools.comparison.parts import PARTS, Design, facets_of

Corners = np.ndarray


def composed(seed: int, segments: int, size: float) -> Manifold:
    """A body of random boxes and rods with holes; the seed makes the shape, the rest meshes and scales it."""
    random = np.random.default_rng(seed)
    part = Manifold.cube(random.uniform(10, 60, 3), center=True)
    for _ in range(int(random.integers(2, 7))):
        at, spin = random.uniform(-25, 25, 3), random.uniform(0, 360, 3)
        rod = Manifold.cylinder(random.uniform(10, 60), *random.uniform(2, 12, 2), segments, center=True)
        block = Manifold.cube(random.uniform(4, 40, 3), center=True)
        feature = (rod if random.random() < 0.6 else block).rotate(spin).translate(at)
        part = part - feature if random.random() < 0.45 else part + feature
    largest = max(part.decompose(), key=lambda piece: piece.volume())
    return largest.scale([size] * 3)


def part(number: int, segments: int = 48, size: float = 1.0) -> Corners:
    """The corners of part `number`: the ten of the comparison, then composed ones."""
    if number < len(PARTS):
        return facets_of(list(PARTS.values())[number](Design(segments, size)))
    return facets_of(composed(number, segments, size))


def copies(number: int) -> Iterator[Corners]:
    """The same part moved, meshed anew, and in another size."""
    random = np.random.default_rng(number)
    yield moved(ordered_anew(part(number), random), random)
    yield moved(bisected(part(number, 80), random), random)
    yield part(number, 64, float(random.uniform(0.2, 4)))


@dataclass(frozen=True)
class Separation:
    """Distances: `same` from each part to its copies, `others` from each part to its nearest other."""

    same: Vectors
    others: Vectors

    def table(self) -> str:
        """Recall and precision by threshold, for people."""
        rows = ["threshold  recall  precision  parts with a false neighbour"]
        for threshold in (0.25, SAME, RESEMBLES, 1.5, 3.0):
            hits, false = int((self.same <= threshold).sum()), int((self.others <= threshold).sum())
            recall, precision = hits / len(self.same), hits / max(hits + false, 1)
            rows.append(f"{threshold:9.2f}  {recall:6.4f}  {precision:9.4f}  {false} of {len(self.others)}")
        rows.append(f"same: median {np.median(self.same):.3f}, 99 % {np.quantile(self.same, 0.99):.3f}, "
                    f"largest {self.same.max():.3f}")  # fmt: skip
        rows.append(f"nearest other: smallest {self.others.min():.3f}, median {np.median(self.others):.3f}")
        return "\n".join(rows) + "\n"


def separation(count: int, first: int = 0) -> Separation:
    """Measure `count` parts from number `first` on, and three copies of each."""
    masters = [fingerprint(Solid(part(number))) for number in range(first, first + count)]
    table = np.stack([master.values for master in masters])
    same = [m.distance(fingerprint(Solid(copy))) for n, m in enumerate(masters, first) for copy in copies(n)]
    apart = np.stack([distances(Fingerprint(row), table) for row in table])
    np.fill_diagonal(apart, np.inf)
    return Separation(np.array(same, np.float32), apart.min(axis=1))


def main() -> None:
    """Write the table."""
    sys.stdout.write(separation(*map(int, sys.argv[1:3])).table())


if __name__ == "__main__":
    main()
