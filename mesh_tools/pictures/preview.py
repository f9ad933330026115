"""A preview to turn in a viewer, with too little detail to print from: corners gathered in coarse cells.

glTF 2.0 binary (GLB), https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html: metres, y up.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mesh_tools.model import Model
from mesh_tools.pictures.camera import Floats
from mesh_tools.pictures.scene import Scene

CELLS: Final = 24
"""Cells along the longest side. Corners are put on places half a cell apart, none of them on the part's box:
faces are off by about a hundredth of its length, and what is finer than a cell is gone.
"""

_FLOAT, _UNSIGNED, _POSITIONS, _INDICES = 5126, 5125, 34962, 34963
_CHUNK_FACETS = 1 << 16


def preview_glb(model: Model, unit_mm: float) -> bytes:
    """A GLB of `model` with its corners gathered in `CELLS` cells along the longest side.

    Each cell's corners become their coarsely rounded mean; facets that collapse, or come twice, are left out.
    Every coordinate must be finite.
    """
    points, facets = gathered(Scene.of(model, unit_mm))
    upright = points[:, [0, 2, 1]] * (0.001, 0.001, -0.001)
    return _glb(upright.astype("<f4"), facets.astype("<u4"))


def gathered(scene: Scene) -> tuple[Floats, NDArray[np.int64]]:
    """Corners (v, 3) in mm, at most one a cell, and the facets (n, 3) between them."""
    cell = float((scene.high - scene.low).max()) / CELLS or 1.0
    side = CELLS + 1
    sums, counts = np.zeros((side**3, 3)), np.zeros(side**3)
    rows: list[NDArray[np.int64]] = []
    for draw in scene.placed:
        turn = -1 if np.linalg.det(draw.placement[:3]) < 0 else 1
        for start in range(0, draw.body.facet_count, _CHUNK_FACETS):
            corners = draw.corners(slice(start, start + _CHUNK_FACETS))[:, ::turn].reshape(-1, 3)
            corners *= scene.unit_mm
            place = ((corners - scene.low) / cell).astype(np.int64).clip(0, CELLS)
            number = (place[:, 0] * side + place[:, 1]) * side + place[:, 2]
            counts += np.bincount(number, minlength=side**3)
            for axis in range(3):
                sums[:, axis] += np.bincount(number, corners[:, axis], minlength=side**3)
            rows.append(_live(number.reshape(-1, 3)))
    facets = np.unique(np.concatenate(rows), axis=0)
    used, renumbered = np.unique(facets, return_inverse=True)
    means = sums[used] / counts[used, None]
    step = cell / 2
    return (np.floor((means - scene.low) / step) + 0.5) * step + scene.low, renumbered.reshape(-1, 3)


def _live(facets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The facets whose corners lie in three cells, the smallest first, each once."""
    first, second, third = facets.T
    facets = facets[(first != second) & (second != third) & (third != first)]
    least = facets.argmin(axis=1)
    turned: NDArray[np.int64] = facets[np.arange(len(facets))[:, None], (least[:, None] + np.arange(3)) % 3]
    return np.unique(turned, axis=0)


def _glb(points: NDArray[np.float32], facets: NDArray[np.uint32]) -> bytes:
    binary = points.tobytes() + facets.tobytes()
    document: dict[str, Any] = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}]}
    if len(facets):
        document = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
            "buffers": [{"byteLength": len(binary)}],
            "bufferViews": [
                {"buffer": 0, "byteLength": points.nbytes, "target": _POSITIONS},
                {"buffer": 0, "byteOffset": points.nbytes, "byteLength": facets.nbytes, "target": _INDICES},
            ],
            "accessors": [
                {
                    "bufferView": 0, "componentType": _FLOAT, "count": len(points), "type": "VEC3",
                    "min": points.min(axis=0).tolist(), "max": points.max(axis=0).tolist(),
                },
                {"bufferView": 1, "componentType": _UNSIGNED, "count": facets.size, "type": "SCALAR"},
            ],
        }  # fmt: skip
    text = json.dumps(document, separators=(",", ":")).encode()
    chunks = _chunk(b"JSON", text, b" ") + (_chunk(b"BIN\0", binary, b"\0") if len(facets) else b"")
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _chunk(kind: bytes, content: bytes, padding: bytes) -> bytes:
    content += padding * (-len(content) % 4)
    return struct.pack("<I4s", len(content), kind) + content
