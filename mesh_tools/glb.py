"""GLB, the binary container of glTF 2.0, read strictly: triangles of the one scene, nothing from outside.

Only what stands in the file's own binary chunk is read. What changes the shape beyond its triangles (morph
targets, skins, instancing, compression and quantisation by extension, sparse accessors) is refused;
materials, cameras, animations and what an optional extension adds to them are passed over. Metres, y up.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.mesh_text import unreadable
from mesh_tools.model import Body, Model, Placement

MAGIC: Final = b"glTF"
_HEADER, _CHUNK = struct.Struct("<4sII"), struct.Struct("<I4s")
_JSON_BYTES_MAX = 64 << 20
_METRE_MM = 1000.0
_Y_UP_TO_Z_UP: Placement = np.array([(1, 0, 0), (0, 0, 1), (0, -1, 0)], np.float64)
_INDEX_TYPES: Final = {5121: "<u1", 5123: "<u2", 5125: "<u4"}
_FLOAT, _TRIANGLES, _STRIP = 5126, 4, 5
_OPTIONAL = ("KHR_materials_", "KHR_texture_", "KHR_lights_", "KHR_xmp", "EXT_texture_", "KHR_animation_")
_SHAPING = frozenset({
    "KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression",
    "EXT_mesh_gpu_instancing", "KHR_mesh_quantization", "MSFT_lod",
})  # fmt: skip

Document = dict[str, Any]


def load_glb(data: memoryview, limits: Limits) -> Model:
    """Read `data`; raises Refused.

    1. The container: two chunks at most, lengths that agree.
    2. The document: version 2, no extension that shapes, one scene to print.
    3. The nodes: a tree; each mesh with its placements, counted before anything is read.
    4. The meshes: every view and accessor within the chunk.
    """
    # (1) the container
    text, chunk = _chunks(data)
    # (2) the document
    document = _document(text)
    _check_extensions(document)
    # (3) the nodes
    placements = _placements(document, _scene(document), limits)
    # (4) the meshes
    reader = _Accessors(document, chunk)
    bodies, total = [], 0
    for number, places in placements.items():
        body = _body(document, number, places, reader, limits)
        total += body.facet_count * len(places)
        if total > limits.facets_max:
            raise Refused("limit.facets", f"More than {limits.facets_max} facets.")
        bodies.append(body)
    return Model("glb", tuple(bodies), _METRE_MM)


def _chunks(data: memoryview) -> tuple[bytes, memoryview]:
    if len(data) < _HEADER.size + _CHUNK.size:
        raise _bad("the file ends within its header")
    magic, version, length = _HEADER.unpack_from(data)
    if magic != MAGIC or version != 2 or length != len(data):
        raise _bad(f"the header names version {version} and {length} bytes; there are {len(data)}")
    size, kind = _CHUNK.unpack_from(data, _HEADER.size)
    begin = _HEADER.size + _CHUNK.size
    if kind != b"JSON" or not 0 < size <= min(_JSON_BYTES_MAX, len(data) - begin):
        raise _bad("the first chunk is not JSON, or does not fit")
    text, rest = bytes(data[begin : begin + size]), data[begin + size :]
    if not len(rest):
        return text, rest
    if len(rest) < _CHUNK.size:
        raise _bad("bytes follow the first chunk")
    size, kind = _CHUNK.unpack_from(rest)
    if kind != b"BIN\0" or size != len(rest) - _CHUNK.size:
        raise _bad("the second chunk is not the binary one, or does not reach the end")
    return text, rest[_CHUNK.size :]


def _document(text: bytes) -> Document:
    try:
        document = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _bad(f"the JSON cannot be read: {error}"[:200]) from None
    if not isinstance(document, dict):
        raise _bad("the JSON is no object")
    if _object(document, "asset").get("version") != "2.0":
        raise _bad("the asset is not of version 2.0")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> Document:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_extensions(document: Document) -> None:
    for name in _list(document, "extensionsUsed") + _list(document, "extensionsRequired"):
        if not isinstance(name, str):
            raise _bad("the name of an extension is no text")
        if name in _SHAPING:
            raise Refused("content.not_faceted", f"glb: the shape needs the extension {name}.")
    for name in _list(document, "extensionsRequired"):
        if not str(name).startswith(_OPTIONAL):
            raise _bad(f"the extension {str(name)[:60]!r} is required and not known")


def _scene(document: Document) -> Document:
    scenes = _list(document, "scenes")
    if len(scenes) != 1 and "scene" not in document:
        raise _bad(f"{len(scenes)} scenes, and none is said to be shown")
    return _entry(document, "scenes", _count(document, "scene", 0))


def _placements(document: Document, scene: Document, limits: Limits) -> dict[int, list[Placement]]:
    """The placements of each mesh of the scene; a node that is reached twice is a fault."""
    found: dict[int, list[Placement]] = {}
    seen: set[int] = set()
    waiting = [(number, np.eye(4)) for number in _list(scene, "nodes")]
    while waiting:
        number, outer = waiting.pop()
        node = _entry(document, "nodes", number)
        if number in seen:
            raise _bad(f"node {number} is reached twice")
        seen.add(number)
        here = outer @ _matrix(node)
        if "skin" in node or "weights" in node or _SHAPING & set(_object(node, "extensions")):
            raise Refused("content.not_faceted", f"glb: node {number} bends or repeats its mesh.")
        if "mesh" in node:
            found.setdefault(_count(node, "mesh"), []).append(_placement(here))
        if len(seen) > limits.instances_max:
            raise Refused("limit.instances", f"More than {limits.instances_max} nodes.")
        waiting += [(child, here) for child in _list(node, "children")]
    return found


def _matrix(node: Document) -> Placement:
    """The 4×4 of a node for column vectors."""
    if "matrix" in node:
        if {"translation", "rotation", "scale"} & set(node):
            raise _bad("a node has a matrix and its parts")
        return _numbers(node["matrix"], 16).reshape(4, 4).T
    x, y, z, w = _numbers(node.get("rotation", [0, 0, 0, 1]), 4)
    if abs(x * x + y * y + z * z + w * w - 1) > 1e-3:
        raise _bad("a rotation is no unit quaternion")
    matrix = np.eye(4)
    matrix[:3, :3] = [
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    ]
    matrix[:3, :3] *= _numbers(node.get("scale", [1, 1, 1]), 3)
    matrix[:3, 3] = _numbers(node.get("translation", [0, 0, 0]), 3)
    return matrix


def _placement(matrix: Placement) -> Placement:
    """The 4×3 row-vector form, y-up turned to z-up."""
    rows: Placement = np.vstack([matrix[:3, :3].T, matrix[None, :3, 3]])
    size = float(np.abs(rows[:3]).max())
    if not np.isfinite(rows).all() or size == 0 or abs(float(np.linalg.det(rows[:3] / size))) < 1e-9:
        raise Refused("mesh.placement", "A transform is not finite or flattens the part.")
    if not np.array_equal(matrix[3], (0, 0, 0, 1)):
        raise Refused("mesh.placement", "A transform is no affine one.")
    return rows @ _Y_UP_TO_Z_UP


class _Accessors:
    """Reads accessors out of the binary chunk."""

    def __init__(self, document: Document, chunk: memoryview) -> None:
        buffers = _list(document, "buffers")
        if len(buffers) > 1 or any("uri" in buffer for buffer in buffers if isinstance(buffer, dict)):
            raise _bad("buffers lie outside the file")
        declared = _count(_entry(document, "buffers", 0), "byteLength") if buffers else 0
        if not declared <= len(chunk) <= declared + 3:
            raise _bad(f"a buffer of {declared} bytes was declared; the binary chunk has {len(chunk)}")
        self._document = document
        self._chunk = chunk[:declared]

    def positions(self, number: object) -> NDArray[np.float32]:
        """Positions (n, 3)."""
        return self._read(number, "VEC3", {_FLOAT: "<f4"}, 3)

    def indices(self, number: object) -> NDArray[np.int64]:
        """Indices (n,)."""
        return self._read(number, "SCALAR", _INDEX_TYPES, 1).reshape(-1).astype(np.int64)

    def _read(self, number: object, shape: str, types: dict[int, str], width: int) -> NDArray[Any]:
        accessor = _entry(self._document, "accessors", number)
        kind = accessor.get("componentType")
        if not isinstance(kind, int) or kind not in types:
            raise _bad(f"the numbers of accessor {number} are not of a type that is needed")
        if accessor.get("type") != shape or accessor.get("normalized"):
            raise _bad(f"accessor {number} is not of the type that is needed")
        if "sparse" in accessor or "bufferView" not in accessor:
            raise Refused("content.not_faceted", f"glb: accessor {number} is sparse or without a buffer.")
        view = _entry(self._document, "bufferViews", accessor["bufferView"])
        start, length = _count(view, "byteOffset", 0), _count(view, "byteLength")
        if _count(view, "buffer") != 0 or start + length > len(self._chunk) or view.get("extensions"):
            raise _bad("a view reaches beyond the binary chunk")
        item = np.dtype(types[kind])
        count, offset = _count(accessor, "count"), _count(accessor, "byteOffset", 0)
        stride = _count(view, "byteStride", item.itemsize * width)
        if stride < item.itemsize * width or stride > 252 + item.itemsize * width:
            raise _bad("a stride is too small or too large")
        if count and offset + stride * (count - 1) + item.itemsize * width > length:
            raise _bad(f"accessor {number} reaches beyond its view")
        return np.ndarray((count, width), item, self._chunk, start + offset, (stride, item.itemsize)).copy()


def _body(
    document: Document, number: int, places: list[Placement], reader: _Accessors, limits: Limits
) -> Body:
    """One mesh: all its primitives together, since they share their surface."""
    mesh = _entry(document, "meshes", number)
    points, facets, vertices = [], [], 0
    for primitive in _primitives(mesh):
        found = reader.positions(_object(primitive, "attributes").get("POSITION"))
        corners = reader.indices(primitive["indices"]) if "indices" in primitive else np.arange(len(found))
        if len(corners) % 3 or (corners.size and int(corners.max()) >= len(found)):
            raise Refused("mesh.index_range", f"glb: mesh {number} names a vertex that is not there.")
        facets.append(corners.reshape(-1, 3) + vertices)
        points.append(found)
        vertices += len(found)
        if vertices > limits.vertices_max:
            raise Refused("limit.vertices", f"More than {limits.vertices_max} vertices.")
    name = str(mesh.get("name", ""))
    joined = np.ascontiguousarray(np.concatenate(facets), np.int32)
    return Body(np.concatenate(points).astype(np.float32), joined, places, name if len(name) < 40 else "")


def _primitives(mesh: Document) -> Iterator[Document]:
    primitives = _list(mesh, "primitives")
    if not primitives:
        raise _bad("a mesh has no primitive")
    for primitive in primitives:
        if not isinstance(primitive, dict):
            raise _bad("a primitive is no object")
        if "targets" in primitive or _SHAPING & set(_object(primitive, "extensions")):
            raise Refused("content.not_faceted", "glb: a mesh has morph targets or is compressed.")
        mode = _count(primitive, "mode", _TRIANGLES)
        if mode < _TRIANGLES:
            raise Refused("content.no_mesh", "glb: a mesh has points or lines.")
        if mode != _TRIANGLES:
            raise _bad("a mesh has strips or fans of triangles")
        yield primitive


def _object(holder: Document, name: str) -> Document:
    value = holder.get(name, {})
    if not isinstance(value, dict):
        raise _bad(f"{name} is no object")
    return value


def _list(holder: Document, name: str) -> list[Any]:
    value = holder.get(name, [])
    if not isinstance(value, list):
        raise _bad(f"{name} is no list")
    return value


def _entry(document: Document, name: str, number: object) -> Document:
    rows = _list(document, name)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(rows):
        raise _bad(f"{name} has no entry {str(number)[:20]}")
    if not isinstance(rows[number], dict):
        raise _bad(f"an entry of {name} is no object")
    found: Document = rows[number]
    return found


def _count(holder: Document, name: str, otherwise: int | None = None) -> int:
    value = holder.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**40:
        raise _bad(f"{name} is no count")
    return value


def _numbers(value: object, count: int) -> Placement:
    if not isinstance(value, list) or len(value) != count:
        raise _bad(f"{count} numbers were needed")
    if any(isinstance(entry, bool) or not isinstance(entry, int | float) for entry in value):
        raise _bad("a transform holds what is no number")
    try:
        return np.array([float(entry) for entry in value], np.float64)
    except OverflowError:
        raise Refused("mesh.placement", "A transform is not finite.") from None


def _bad(message: str) -> Refused:
    return unreadable("glb", message)
