"""OBJ, PLY, OFF and GLB, read by trimesh inside the sandbox and held to the gate's own rules afterwards.

Materials, textures and files beside the part are never opened. A scene's instances become placements. What is
no mesh (points, lines) and what holds no facet is refused: trimesh would pass over it in silence. It is
imported on first use, which is the process server's warm-up.
"""

from __future__ import annotations

import io
from collections import defaultdict
from typing import Any, Final

import numpy as np

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.model import Body, Model, Placement

KINDS: Final = ("obj", "ply", "off", "glb")
_GLTF_UNIT_MM = 1000.0
_Y_UP_TO_Z_UP: Placement = np.array([(1, 0, 0), (0, 0, 1), (0, -1, 0)], np.float64)


def kind_of(data: memoryview, extension: str) -> str | None:
    """Which of `KINDS` the bytes are, or None; OBJ has no mark of its own and goes by its extension."""
    head = bytes(data[:64])
    if head.startswith(b"glTF"):
        return "glb"
    if head[:4] in (b"ply\n", b"ply\r"):
        return "ply"
    if head.lstrip()[:4].upper().startswith((b"OFF", b"COFF", b"NOFF")):
        return "off"
    return "obj" if extension == ".obj" and b"\0" not in bytes(data[:4096]) else None


def load_foreign(data: memoryview, kind: str, limits: Limits) -> Model:
    """Read `data` as `kind`; raises Refused."""
    import trimesh

    try:
        scene = trimesh.load_scene(io.BytesIO(data), file_type=kind, process=False, skip_materials=True)
    except (MemoryError, Refused):
        raise
    except Exception as error:  # noqa: BLE001 - the reader's own errors are of every kind
        raise Refused("format.unreadable", f"{kind}: {type(error).__name__}: {error}"[:300]) from None
    placements: dict[str, list[Placement]] = defaultdict(list)
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        placements[str(name)].append(_placement(np.asarray(matrix, np.float64), kind))
    bodies = tuple(_body(scene.geometry[name], name, placements[name], limits) for name in placements)
    total = sum(body.facet_count * len(body.placements) for body in bodies)
    if total > limits.facets_max:
        raise Refused("limit.facets", f"{total} facets; the limit is {limits.facets_max}.")
    return Model(kind, bodies, _GLTF_UNIT_MM if kind == "glb" else None)


def _body(geometry: Any, name: str, placements: list[Placement], limits: Limits) -> Body:
    if not hasattr(geometry, "faces"):
        raise Refused("content.no_mesh", f"{name[:80]!r} is {type(geometry).__name__}, not a mesh.")
    points = np.ascontiguousarray(geometry.vertices, np.float64)
    facets = np.asarray(geometry.faces)
    if points.size and facets.size and (points.shape[1:] != (3,) or facets.shape[1:] != (3,)):
        raise Refused("format.unreadable", f"{name[:80]!r} has vertices or facets of the wrong width.")
    if len(points) > limits.vertices_max:
        raise Refused("limit.vertices", f"{len(points)} vertices; the limit is {limits.vertices_max}.")
    if facets.size and (int(facets.min()) < 0 or int(facets.max()) >= len(points)):
        raise Refused("mesh.index_range", f"{name[:80]!r} names a vertex that is not there.")
    return Body(
        points, np.ascontiguousarray(facets, np.int32), placements, name[:80] if len(name) < 40 else ""
    )


def _placement(matrix: Placement, kind: str) -> Placement:
    """The 4×3 row-vector form of a column-vector transform; glTF's y-up turned to z-up."""
    rows: Placement = np.vstack([matrix[:3, :3].T, matrix[None, :3, 3]])
    if not np.isfinite(rows).all() or abs(float(np.linalg.det(rows[:3]))) < 1e-12:
        raise Refused("mesh.placement", "A transform is not finite or flattens the part.")
    return rows @ _Y_UP_TO_Z_UP if kind == "glb" else rows
