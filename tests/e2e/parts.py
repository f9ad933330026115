"""Print files for the tests: closed, open, and as large as asked for, made row by row."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def _stl(header: bytes, corners: npt.NDArray[np.float32]) -> bytes:
    facets = np.zeros(len(corners), dtype=_FACET)
    facets["corners"] = corners
    return header.ljust(80, b" ")[:80] + struct.pack("<I", len(corners)) + facets.tobytes()


def box(
    size_mm: tuple[float, float, float] = (20, 30, 10), header: bytes = b"box", *, closed: bool = True
) -> bytes:
    """A box as binary STL; with `closed=False` one facet is missing."""
    x, y, z = size_mm
    corner = np.array([[i, j, k] for i in (0, x) for j in (0, y) for k in (0, z)], dtype="<f4")
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [corner[list(t)] for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    return _stl(header, np.array(triangles if closed else triangles[:-1], dtype="<f4"))


def torus_length(rings: int, sides: int) -> int:
    """Bytes of `torus(rings, sides)`."""
    return 84 + 100 * rings * sides


def torus(rings: int, sides: int, header: bytes = b"torus") -> Iterator[bytes]:
    """A closed torus of `2·rings·sides` facets as binary STL, one ring at a time."""
    yield header.ljust(80, b" ")[:80] + struct.pack("<I", 2 * rings * sides)
    around = _circle(sides)
    along = _circle(rings)
    for ring in range(rings):
        here, there = (_ring(along[r % rings], around) for r in (ring, ring + 1))
        here_next, there_next = np.roll(here, -1, axis=0), np.roll(there, -1, axis=0)
        first = np.stack([here, there, there_next], axis=1)
        second = np.stack([here, there_next, here_next], axis=1)
        yield _stl(b"", np.concatenate([first, second]))[84:]


def _circle(count: int) -> npt.NDArray[np.float64]:
    angle = np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _ring(direction: npt.NDArray[np.float64], around: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    radius = 80 + 20 * around[:, 0]
    points = np.stack([radius * direction[0], radius * direction[1], 20 * around[:, 1]], axis=1)
    return (points + np.array([100, 100, 20])).astype("<f4")
