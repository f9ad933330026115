"""The canonical form of a part: one shape, one file, so that nothing but the shape can be said by it.

The order of facets and vertices, the corner a facet begins with, normals, attribute bytes, names, colours
and the low bits of coordinates carry nothing that is printed, and could carry a message. The canonical form
is the binary STL (docs/formats/canonical-form.md) that is left when all of that has one value only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mesh_tools import stl
from mesh_tools.comparison.solid import Floats, Solid
from mesh_tools.errors import Refused
from mesh_tools.intersections import intersections
from mesh_tools.model import Body, Model
from mesh_tools.topology import examine
from mesh_tools.vertex_keys import VertexKeys

GRID_MM: Final = 2.0**-14
FLOAT_BITS: Final = 24
Cells = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CanonicalForm:
    """The bytes and what making them did.

    `grid_mm`: coordinates are multiples of it. `moved_mm`: how far a vertex moved at the most. `collapsed`:
    facets that became an edge or a point and were dropped. `sound`: closed, wound, and no facet cuts another
    by more than the gate allows; where the part was sound and this is not, the rounding spoiled it.
    """

    data: bytes
    facets: int
    vertices: int
    grid_mm: float
    moved_mm: float
    collapsed: int
    sound: bool

    @property
    def sha256(self) -> str:
        """Digest of the bytes, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """All but the bytes as plain JSON values."""
        return {
            "sha256": self.sha256,
            "bytes": len(self.data),
            "facets": self.facets,
            "vertices": self.vertices,
            "grid_mm": self.grid_mm,
            "moved_mm": self.moved_mm,
            "collapsed": self.collapsed,
            "sound": self.sound,
        }


def canonical_form(solid: Solid) -> CanonicalForm:
    """Bring a part into its canonical form; Refused where no facet is left of it.

    1. Coordinates are rounded to the nearest multiple of the grid, halves to the even one; −0 is 0.
    2. Vertices are the distinct points, in the order of x, y, z.
    3. Facets that name a vertex twice are dropped.
    4. Each facet begins with its first vertex, its winding kept; facets are in the order of their vertices.
    5. Binary STL: header, normals and attribute bytes are zero.
    """
    # (1) the grid
    grid = grid_for(solid)
    cells = np.rint(solid.corners / grid).astype(np.int64)
    moved = float(np.sqrt(((cells * grid - solid.corners) ** 2).sum(axis=2).max()))
    # (2) vertices
    points, indices = _vertices(cells.reshape(-1, 3))
    # (3) collapsed facets
    facets = indices.reshape(-1, 3)
    whole = (facets != np.roll(facets, 1, axis=1)).all(axis=1)
    collapsed, facets = int(len(facets) - whole.sum()), facets[whole]
    if not len(facets):
        raise Refused("mesh.empty", f"No facet is left on a grid of {grid:g} mm.")
    # (4) order
    facets = ordered_facets(facets)
    # (5) bytes
    corners = (points * grid).astype(np.float32)[facets]
    return CanonicalForm(
        _stl(corners), len(facets), len(points), grid, moved, collapsed, _sound(Body(corners))
    )


def grid_for(solid: Solid) -> float:
    """The grid in mm: 2⁻¹⁴; for parts that reach beyond ±1024 mm, the finest that float32 holds exactly."""
    reach = float(np.abs(solid.bounds).max())
    exponent = int(np.ceil(np.log2(max(reach, 1.0))))
    return max(GRID_MM, 2.0 ** (exponent - FLOAT_BITS))


def ordered_facets(facets: Cells) -> Cells:
    """Facets (n, 3), each turned so that its smallest index stands first, in ascending order."""
    places = (facets.argmin(axis=1)[:, None] + np.arange(3)) % 3
    turned = np.take_along_axis(facets, places, axis=1)
    return turned[np.lexsort((turned[:, 2], turned[:, 1], turned[:, 0]))]


def _vertices(points: Cells) -> tuple[Floats, Cells]:
    """The distinct points (v, 3), in order, and the place (n,) of each point among them."""
    keys = VertexKeys().of_points(points.astype(np.float64))
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    distinct = points[first]
    order = np.lexsort((distinct[:, 2], distinct[:, 1], distinct[:, 0]))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return distinct[order].astype(np.float64), place[group]


def _stl(corners: NDArray[np.float32]) -> bytes:
    records = np.zeros(len(corners), stl.RECORD)
    records["corners"] = corners
    return bytes(80) + len(records).to_bytes(4, "little") + records.tobytes()


def _sound(body: Body) -> bool:
    if not examine(VertexKeys().of_corners(body)).sound:
        return False
    return not intersections(Model("stl-binary", (body,), 1.0), 1.0)
