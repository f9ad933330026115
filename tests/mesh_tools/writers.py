"""Writes a shape in every format the gate reads, exactly: no corner is merged, moved or reordered."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.mesh_tools import shapes
from tests.mesh_tools.shapes import Shape
from tests.mesh_tools.threemf.packages import model, package, parts

PLY_TYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}


def stl(shape: Shape) -> bytes:
    return shapes.stl_binary(shapes.corners(shape))


def stl_text(shape: Shape) -> bytes:
    return shapes.stl_ascii(shapes.corners(shape))


def mesh_xml(shape: Shape) -> str:
    """The `<mesh>` of a shape; coordinates in the shortest form that reads back to the same bits."""
    points, facets = shape
    rows = "".join(f'<vertex x="{x!r}" y="{y!r}" z="{z!r}"/>' for x, y, z in points.astype(float).tolist())
    faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in facets.tolist())
    return f"<mesh><vertices>{rows}</vertices><triangles>{faces}</triangles></mesh>"


def threemf(shape: Shape, unit: str = "millimeter", build: str = '<item objectid="1"/>') -> bytes:
    text = model(f'<object id="1">{mesh_xml(shape)}</object>', build, attributes=f'unit="{unit}"')
    return package(parts(text))


def ply(shape: Shape, dtype: type[np.floating[Any]] = np.float64, order: str = "<") -> bytes:
    points, facets = shape
    name = PLY_TYPES[np.dtype(dtype)]
    kind = "binary_little_endian" if order == "<" else "binary_big_endian"
    rows = np.zeros(len(facets), [("count", "u1"), ("corners", order + "i4", 3)])
    rows["count"], rows["corners"] = 3, facets
    body = points.astype(np.dtype(dtype).newbyteorder(order)).tobytes() + rows.tobytes()
    return _ply_header(kind, name, len(points), len(facets)) + body


def ply_text(shape: Shape) -> bytes:
    points, facets = shape
    rows = [f"{x!r} {y!r} {z!r}" for x, y, z in points.astype(float).tolist()]
    rows += [f"3 {a} {b} {c}" for a, b, c in facets.tolist()]
    return _ply_header("ascii", "double", len(points), len(facets)) + "\n".join([*rows, ""]).encode()


def _ply_header(kind: str, name: str, points: int, facets: int) -> bytes:
    axes = "".join(f"property {name} {axis}\n" for axis in "xyz")
    return (
        f"ply\nformat {kind} 1.0\nelement vertex {points}\n{axes}"
        f"element face {facets}\nproperty list uchar int vertex_indices\nend_header\n"
    ).encode()


def obj(shape: Shape) -> bytes:
    points, facets = shape
    rows = [f"v {x!r} {y!r} {z!r}" for x, y, z in points.astype(float).tolist()]
    rows += [f"f {a} {b} {c}" for a, b, c in (facets + 1).tolist()]
    return "\n".join([*rows, ""]).encode()


def off(shape: Shape) -> bytes:
    points, facets = shape
    rows = ["OFF", f"{len(points)} {len(facets)} 0"]
    rows += [f"{x!r} {y!r} {z!r}" for x, y, z in points.astype(float).tolist()]
    rows += [f"3 {a} {b} {c}" for a, b, c in facets.tolist()]
    return "\n".join([*rows, ""]).encode()


def glb(shape: Shape, **changes: object) -> bytes:
    """A binary glTF in metres, z up laid down to y up; `changes` replace top-level keys of its JSON."""
    points, facets = shape
    turned = (points[:, [0, 2, 1]] * (1, 1, -1) / 1000).astype("<f4")
    return glb_of({**gltf(turned, facets), **changes}, turned.tobytes() + facets.astype("<u4").tobytes())


def gltf(points: NDArray[Any], facets: NDArray[Any]) -> dict[str, object]:
    """The JSON of a glTF whose one buffer holds float32 points, then uint32 indices."""
    split, rest = 12 * len(points), 12 * len(facets)
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "mode": 4}]}],
        "buffers": [{"byteLength": split + rest}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": split},
            {"buffer": 0, "byteOffset": split, "byteLength": rest},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": len(points), "type": "VEC3",
             "min": points.min(axis=0).tolist(), "max": points.max(axis=0).tolist()},
            {"bufferView": 1, "componentType": 5125, "count": facets.size, "type": "SCALAR"},
        ],
    }  # fmt: skip


def glb_of(
    document: object, binary: bytes = b"", chunks: Sequence[tuple[bytes, bytes]] | None = None
) -> bytes:
    """A GLB of a JSON chunk and a binary chunk, or of the `chunks` (type, content) given."""
    text = json.dumps(document).encode()
    pieces = [(b"JSON", text + b" " * (-len(text) % 4)), (b"BIN\0", binary + bytes(-len(binary) % 4))]
    body = b"".join(struct.pack("<I4s", len(content), kind) + content for kind, content in chunks or pieces)
    return b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body


WRITERS: dict[str, Callable[[Shape], bytes]] = {
    "part.stl": stl,
    "text.stl": stl_text,
    "part.3mf": threemf,
    "part.ply": ply,
    "text.ply": ply_text,
    "part.obj": obj,
    "part.off": off,
    "part.glb": glb,
}
"""By file name, so that the extension is the format's."""
