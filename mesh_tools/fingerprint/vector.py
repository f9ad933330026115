"""The vector itself, its distance, and the thresholds. The service compares; only the sandbox makes them.

64 float32 numbers: 25 quantiles of the distances between points of the surface (D2, Osada et al. 2002), 12
of their distances from its centre, 8 of the cosine between normal and radius, 12 mean cosines between the
normals of two points by the distance between them, 6 ratios of area, volume and second moments; all relative
to the root mean square radius, whose logarithm in mm is the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

LENGTH: Final = 64
BLOCKS: Final = {"d2": 25, "radius": 12, "facing": 8, "normals": 12, "ratios": 6}
NOISE: Final = {"d2": 0.01, "radius": 0.01, "facing": 0.03, "normals": 0.03, "ratios": 0.02}
SAME: Final = 0.5
RESEMBLES: Final = 1.0
BYTES: Final = 4 * LENGTH
_SHAPE: Final = LENGTH - 1
_WEIGHTS: Final = np.concatenate(
    [
        np.full(count, 1 / (NOISE[name] * (_SHAPE * count / len(BLOCKS)) ** 0.5))
        for name, count in BLOCKS.items()
    ]
).astype(np.float32)
Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """`values` (64,) float32, finite."""

    values: Vectors

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote; ValueError on another length or a value that is not finite."""
        values = np.frombuffer(data, "<f4").astype(np.float32) if len(data) == BYTES else None
        if values is None or not np.isfinite(values).all():
            raise ValueError(f"a fingerprint is {BYTES} bytes of finite numbers, not {len(data)}")
        return cls(values)

    def to_bytes(self) -> bytes:
        """Little-endian float32."""
        return self.values.astype("<f4").tobytes()

    def distance(self, other: Fingerprint) -> float:
        """Difference of shape; size does not count. See `SAME` and `RESEMBLES`."""
        return float(distances(self, other.values[None])[0])

    def factor(self, other: Fingerprint) -> float:
        """How many times as large the other part is."""
        return float(np.exp(other.values[-1] - self.values[-1]))


def distances(one: Fingerprint, many: Vectors) -> Vectors:
    """Distances (n,) of `one` from each row of `many` (n, 64).

    The weighted root mean square of the differences, each block in units of what meshing anew changes.
    """
    apart = (many[:, :_SHAPE] - one.values[:_SHAPE]) * _WEIGHTS
    found: Vectors = np.sqrt(np.einsum("ij,ij->i", apart, apart))
    return found
