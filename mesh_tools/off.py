"""OFF in ASCII with three coordinates (`OFF`, with colours `COFF`, with normals `NOFF`), read strictly."""

from __future__ import annotations

import numpy as np

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.mesh_text import decimals, integers, lines_of, unreadable
from mesh_tools.model import Body, Model
from mesh_tools.polygons import CORNERS_MAX, triangulated

_WIDTHS = {b"OFF": {3}, b"COFF": {6, 7}, b"NOFF": {6}}
_COLOUR_WORDS = {0, 1, 3, 4}


def load_off(data: memoryview, limits: Limits) -> Model:
    """Read `data`; raises Refused. Counts must be right: nothing is missing and nothing follows."""
    rows = [words for line in lines_of(data, "off") if (words := line.partition(b"#")[0].split())]
    head = rows[0][0].upper() if rows else b""
    if head not in _WIDTHS:
        raise unreadable("off", f"{head[:20]!r} is not OFF, COFF or NOFF")
    if len(rows[0]) > 1:
        rows[0] = rows[0][1:]
    else:
        rows.pop(0)
    counts = integers(rows[0][:3], "off") if rows and 2 <= len(rows[0]) <= 3 else np.full(2, -1)
    vertices, faces = int(counts[0]), int(counts[1])
    if vertices < 0 or faces < 0 or len(rows) != 1 + vertices + faces:
        raise unreadable(
            "off", f"{vertices} vertices and {faces} faces were declared, {len(rows)} lines are there"
        )
    points = rows[1 : 1 + vertices]
    if not set(map(len, points)) <= _WIDTHS[head]:
        raise unreadable("off", "a vertex has more or fewer numbers than its kind")
    places = decimals([word for row in points for word in row], "off")
    width = len(points[0]) if points else 3
    if len(places) != width * vertices:
        raise unreadable("off", "the vertices do not all have as many numbers")
    return Model("off", (_body(rows[1 + vertices :], places.reshape(-1, width)[:, :3].copy(), limits),))


def _body(
    rows: list[list[bytes]], points: np.ndarray[tuple[int, ...], np.dtype[np.float64]], limits: Limits
) -> Body:
    sizes = integers([row[0] for row in rows], "off")
    if len(sizes) and not 0 < int(sizes.min()) <= int(sizes.max()) <= CORNERS_MAX:
        raise Refused("mesh.polygons", f"off: a face has {sizes.min()} or {sizes.max()} corners.")
    extras = {len(row) - 1 - size for row, size in zip(rows, sizes.tolist(), strict=True)}
    if not extras <= _COLOUR_WORDS:
        raise unreadable("off", "a face has more or fewer corners than it says")
    words = [row[1 : 1 + size] for row, size in zip(rows, sizes.tolist(), strict=True)]
    corners = integers([word for row in words for word in row], "off")
    return Body(points, triangulated(points, sizes, corners, limits))
