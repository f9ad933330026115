"""The part that is measured: a closed ball, in the order a slicer would write it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Facets = NDArray[np.int64]

_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_OPC = "http://schemas.openxmlformats.org/package/2006"
_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def ball(facets: int) -> tuple[Points, Facets]:
    """A closed ball of radius 50 mm with about `facets` facets, in the order a slicer would write them."""
    rings = int((facets / 2) ** 0.5)
    around = np.linspace(0, 2 * np.pi, rings, endpoint=False)
    down = np.linspace(0, np.pi, rings + 2)[1:-1]
    circle = np.stack([np.cos(around), np.sin(around), np.zeros(rings)], axis=1)
    bands = [circle * np.sin(turn) + (0, 0, np.cos(turn)) for turn in down]
    points = np.concatenate([[(0, 0, 1)], *bands, [(0, 0, -1)]]) * 50
    here = np.arange(rings)
    after = (here + 1) % rings
    rows = [np.stack([np.zeros_like(here), 1 + here, 1 + after], axis=1)]
    for ring in range(rings - 1):
        high, low = 1 + ring * rings, 1 + (ring + 1) * rings
        rows.append(np.stack([high + here, low + here, high + after], axis=1))
        rows.append(np.stack([high + after, low + here, low + after], axis=1))
    last = 1 + (rings - 1) * rings
    rows.append(np.stack([last + here, np.full_like(here, len(points) - 1), last + after], axis=1))
    return points.astype(np.float32), np.concatenate(rows)


def write_stl(path: Path, facets: int) -> None:
    """Write the ball as binary STL."""
    points, indices = ball(facets)
    records = np.zeros(len(indices), _RECORD)
    records["corners"] = points[indices]
    path.write_bytes(bytes(80) + len(indices).to_bytes(4, "little") + records.tobytes())


def write_3mf(path: Path, facets: int) -> None:
    """Write the ball as a plain 3MF package."""
    points, indices = ball(facets)
    vertices = "\n".join(f'<vertex x="{x:.6g}" y="{y:.6g}" z="{z:.6g}" />' for x, y, z in points.tolist())
    triangles = "\n".join(f'<triangle v1="{a}" v2="{b}" v3="{c}" />' for a, b, c in indices.tolist())
    model = (
        f'<model unit="millimeter" xmlns="{_CORE}"><resources><object id="1" type="model"><mesh><vertices>\n'
        f"{vertices}\n</vertices><triangles>\n{triangles}\n</triangles></mesh></object></resources>"
        '<build><item objectid="1" /></build></model>'
    )
    types = (
        f'<Types xmlns="{_OPC}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml" /><Default Extension="model" '
        'ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml" /></Types>'
    )
    start = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
    relationships = (
        f'<Relationships xmlns="{_OPC}/relationships"><Relationship Id="r" Type="{start}" '
        'Target="/3D/3dmodel.model" /></Relationships>'
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", types)
        package.writestr("_rels/.rels", relationships)
        package.writestr("3D/3dmodel.model", model)
