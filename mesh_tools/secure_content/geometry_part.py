"""A model as one clean 3MF part: vertices and triangles alone, nothing copied from the file it came from.

Corners with equal coordinates are one vertex; vertices are in the order of their coordinates, triangles
begin with their smallest vertex and are in order, so that order carries no message. Numbers are written with
all the digits of float64. An object of its own assembles the bodies, so that the root model of a package
needs to say nothing about their number or place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from mesh_tools.canonical import ordered_facets
from mesh_tools.errors import Refused
from mesh_tools.model import IDENTITY, Body, Model, Placement
from mesh_tools.threemf.vocabulary import CORE, PRODUCTION, UNITS
from mesh_tools.vertex_keys import VertexKeys

ASSEMBLY_ID: Final = 1
_ROWS = 4096
_VERTEX = b'<vertex x="%r" y="%r" z="%r"/>'
_TRIANGLE = b'<triangle v1="%d" v2="%d" v3="%d"/>'


@dataclass(frozen=True, slots=True)
class GeometryPart:
    """The XML of a model part without build items, and its unit, a word of 3MF core."""

    xml: bytes
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"{self.unit[:40]!r} is no unit of 3MF")

    def __repr__(self) -> str:
        return f"GeometryPart(***, unit={self.unit!r})"


def geometry_part(model: Model, unit_mm: float) -> GeometryPart:
    """Write `model` as a part; `unit_mm` is the length of its unit where the format carries none.

    Raises Refused(mesh.empty, mesh.not_finite, mesh.degenerate_facets) for what cannot be written: the gate
    must have passed the model before.
    """
    length = unit_mm if model.unit_mm is None else model.unit_mm
    unit = next((name for name, mm in UNITS.items() if mm == length), None)
    if unit is None:
        raise ValueError(f"{length} mm is no unit of 3MF")
    bodies = [body for body in model.bodies if body.facet_count]
    if not bodies:
        raise Refused("mesh.empty", "The file holds no facet.")
    pieces = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<model xmlns="{CORE}" xmlns:p="{PRODUCTION}" '
        f'requiredextensions="p" unit="{unit}"><resources>'.encode()
    ]
    for number, body in enumerate(bodies, ASSEMBLY_ID + 1):
        pieces.extend(_object(number, body))
    pieces += [_assembly(bodies).encode(), b"</resources><build/></model>\n"]
    return GeometryPart(b"".join(pieces), unit)


def ordered_mesh(body: Body) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices (v, 3) without duplicates and triangles (n, 3), both in the order described above."""
    keys, first, inverse = np.unique(VertexKeys().of_corners(body), return_index=True, return_inverse=True)
    points = _corner_points(body, first)
    order = np.lexsort(points.T[::-1])
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys))
    return points[order], ordered_facets(rank[inverse].reshape(-1, 3))


def _corner_points(body: Body, corners: NDArray[np.intp]) -> NDArray[np.float64]:
    """Coordinates (n, 3) of the corners with these numbers, counted facet by facet; −0 made +0."""
    if body.facets is None:
        points = body.points.reshape(-1, 3)[corners]
    else:
        points = body.points[body.facets.reshape(-1)[corners]]
    return points.astype(np.float64) + 0.0


def _object(number: int, body: Body) -> Iterator[bytes]:
    points, triangles = ordered_mesh(body)
    if not np.isfinite(points).all():
        raise Refused("mesh.not_finite", "A coordinate is not finite.")
    first, second, third = triangles.T
    if ((first == second) | (second == third) | (third == first)).any():
        raise Refused("mesh.degenerate_facets", "A facet has two equal corners.")
    yield f'<object id="{number}" type="model" p:UUID="{uuid4()}"><mesh><vertices>'.encode()
    yield from _rows(_VERTEX, points)
    yield b"</vertices><triangles>"
    yield from _rows(_TRIANGLE, triangles)
    yield b"</triangles></mesh></object>"


def _rows(form: bytes, values: NDArray[Any]) -> Iterator[bytes]:
    """`form` filled with every row of `values`, many rows at a time."""
    for start in range(0, len(values), _ROWS):
        chunk = values[start : start + _ROWS]
        yield (form * len(chunk)) % tuple(chunk.ravel().tolist())


def _assembly(bodies: Sequence[Body]) -> str:
    components = "".join(
        f'<component objectid="{number}"{_transform(placement)} p:UUID="{uuid4()}"/>'
        for number, body in enumerate(bodies, ASSEMBLY_ID + 1)
        for placement in body.placements
    )
    opening = f'<object id="{ASSEMBLY_ID}" type="model" p:UUID="{uuid4()}"><components>'
    return f"{opening}{components}</components></object>"


def _transform(placement: Placement) -> str:
    if np.array_equal(placement, IDENTITY):
        return ""
    return f' transform="{" ".join(map(repr, placement.ravel().tolist()))}"'
