"""Loads, before any fork, everything an inspection imports lazily, by inspecting a tiny part in each format.

After the fork the children can open no file, so a module that is not loaded here is a module they lack.
"""

from __future__ import annotations

import codecs
import io
import zipfile
from typing import Any

import numpy as np
import numpy.ma
import trimesh
from numpy.typing import NDArray

from mesh_tools import stl
from mesh_tools.answer import encode
from mesh_tools.foreign import KINDS
from mesh_tools.gate import Policy
from mesh_tools.jobs import perform
from mesh_tools.limits import Limits
from mesh_tools.pictures.thumbnail import thumbnail
from mesh_tools.printability import rays

_POINTS = ((0, 0, 0), (10, 0, 0), (0, 10, 0), (0, 0, 10))
_FACETS = ((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3))
_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_OPC = "http://schemas.openxmlformats.org/package/2006"
_MODEL_TYPE = "application/vnd.ms-package.3dmanufacturing-3dmodel+xml"
_START = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"

_PICTURE_PIXELS = 64
_CODECS = ("ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp437", "unicode_escape")


def warm_up() -> None:
    """Inspect the samples, draw one small, and encode the answers; raises when a sound one fails.

    The rays come first: their scheduler must not make threads, neither here nor in a child.
    """
    for name in _CODECS:
        codecs.lookup(name)
    np.ma.array([0])
    rays.settle()
    _inspect("broken.stl", _broken_stl())
    thumbnail(stl.load_binary(memoryview(_sound_stl()), Limits()), 1.0, size=_PICTURE_PIXELS)
    for name, data in samples().items():
        report = _inspect(name, data)
        if report["geometry"] is None or not report["geometry"]["watertight"]:
            raise RuntimeError(f"the warm-up part {name} was refused: {report['findings']}")


def _inspect(name: str, data: bytes) -> dict[str, Any]:
    options = {"policy": Policy().to_json(), "pictures": False}
    found = perform("inspect", [memoryview(data)], [name], options, Limits())
    encode(found)
    return found.value


def samples() -> dict[str, bytes]:
    """A sound tetrahedron with edges of 10 mm in every format, by file name."""
    found = {"warm.stl": _sound_stl(), "ascii.stl": _ascii_stl(), "warm.3mf": _3mf()}
    mesh = trimesh.Trimesh(_POINTS, _FACETS, process=False)
    for kind in KINDS:
        found[f"warm.{kind}"] = _bytes(mesh.export(file_type=kind))
    found["ascii.ply"] = _bytes(mesh.export(file_type="ply", encoding="ascii"))
    return found


def _bytes(exported: object) -> bytes:
    if isinstance(exported, str):
        return exported.encode()
    if isinstance(exported, bytes):
        return exported
    raise TypeError(f"trimesh exported {type(exported).__name__}")


def _sound_stl() -> bytes:
    """Two shells: the tetrahedron and, beside it, its copy."""
    corners = np.array(_POINTS, "<f4")[np.array(_FACETS)]
    return _binary_stl(np.concatenate([corners, corners + np.float32(20)]))


def _broken_stl() -> bytes:
    """Open, doubled, flat and turned facets, so that everything is counted once."""
    corners = np.array(_POINTS, "<f4")[np.array(_FACETS)]
    flat = corners[0][[0, 1, 1]]
    return _binary_stl(np.concatenate([corners[:3], corners[:1], corners[1:2, ::-1], flat[None]]))


def _binary_stl(corners: NDArray[np.float32]) -> bytes:
    records = np.zeros(len(corners), stl.RECORD)
    records["corners"] = corners
    return bytes(80) + len(records).to_bytes(4, "little") + records.tobytes()


def _ascii_stl() -> bytes:
    rows = []
    for facet in _FACETS:
        corners = "".join("vertex {} {} {}\n".format(*_POINTS[corner]) for corner in facet)
        rows.append(f"facet normal 0 0 0\nouter loop\n{corners}endloop\nendfacet\n")
    return f"solid warm\n{''.join(rows)}endsolid warm\n".encode()


def _3mf() -> bytes:
    vertices = "".join('<vertex x="{}" y="{}" z="{}"/>'.format(*point) for point in _POINTS)
    triangles = "".join('<triangle v1="{}" v2="{}" v3="{}"/>'.format(*facet) for facet in _FACETS)
    model = (
        f'<model unit="millimeter" xmlns="{_CORE}"><resources><object id="1"><mesh><vertices>{vertices}'
        f"</vertices><triangles>{triangles}</triangles></mesh></object></resources>"
        '<build><item objectid="1"/></build></model>'
    )
    types = (
        f'<Types xmlns="{_OPC}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="model" ContentType="{_MODEL_TYPE}"/></Types>'
    )
    start = f'<Relationship Id="r0" Type="{_START}" Target="/3D/3dmodel.model"/>'
    relationships = f'<Relationships xmlns="{_OPC}/relationships">{start}</Relationships>'
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", types)
        package.writestr("_rels/.rels", relationships)
        package.writestr("3D/3dmodel.model", model)
    return stream.getvalue()
