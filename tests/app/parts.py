"""Print files for the tests."""

from __future__ import annotations

import struct

_QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def box(
    size_mm: tuple[float, float, float] = (20, 30, 10), header: bytes = b"box", *, closed: bool = True
) -> bytes:
    """A box as binary STL; with `closed=False` one facet is missing."""
    x, y, z = size_mm
    corners = [(i, j, k) for i in (0, x) for j in (0, y) for k in (0, z)]
    triangles = [t for a, b, c, d in _QUADS for t in ((a, b, c), (a, c, d))]
    kept = triangles if closed else triangles[:-1]
    facets = [struct.pack("<12fH", 0, 0, 0, *(v for i in t for v in corners[i]), 0) for t in kept]
    return header.ljust(80, b" ")[:80] + struct.pack("<I", len(facets)) + b"".join(facets)
