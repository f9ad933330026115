"""A part as it is built: the facets of every instance, placed, in millimetres, and what they measure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mesh_tools.errors import Refused
from mesh_tools.model import Body, Model
from mesh_tools.topology import examine
from mesh_tools.vertex_keys import VertexKeys, mix

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Solid:
    """Facets (n, 3, 3) in mm, n > 0, all finite; wound so that a facet's normal points outward."""

    corners: Floats

    @classmethod
    def of_model(cls, model: Model, unit_mm: float = 1.0) -> Self:
        """Expand every instance of `model`; `unit_mm` is the unit of a format that carries none.

        Raises Refused for a model without a facet and for coordinates that are not finite.
        """
        scale = unit_mm if model.unit_mm is None else model.unit_mm
        parts = [_placed(body) for body in model.bodies if body.facet_count]
        if not parts:
            raise Refused("mesh.empty", "The file holds no facet.")
        corners = np.concatenate(parts) * scale
        if not np.isfinite(corners).all():
            raise Refused("mesh.not_finite", "A coordinate is not finite.")
        return cls(corners)

    @cached_property
    def normals(self) -> Floats:
        """Normals (n, 3) as long as the facet's area, in mm²."""
        edges = self.corners[:, 1:] - self.corners[:, :1]
        return np.cross(edges[:, 0], edges[:, 1]) / 2

    @cached_property
    def areas(self) -> Floats:
        """Area (n,) of each facet in mm²."""
        areas: Floats = np.linalg.norm(self.normals, axis=1)
        return areas

    @cached_property
    def area(self) -> float:
        """Surface in mm²."""
        return float(self.areas.sum())

    @cached_property
    def bounds(self) -> Floats:
        """Lowest and highest corner (2, 3) in mm."""
        flat = self.corners.reshape(-1, 3)
        return np.stack([flat.min(axis=0), flat.max(axis=0)])

    @cached_property
    def diagonal(self) -> float:
        """Diagonal of the bounding box in mm."""
        return float(np.linalg.norm(self.bounds[1] - self.bounds[0]))

    @cached_property
    def volume(self) -> float:
        """Signed volume in mm³."""
        return float(np.einsum("ij,ij->", self.corners[:, 0] - self._middle, self.normals)) / 3

    @cached_property
    def inertia(self) -> Floats:
        """Principal second moments (3,) of the volume about its centroid, ascending, mm⁵."""
        around = self.corners - self._middle
        dets = 2 * np.einsum("ij,ij->i", around[:, 0], self.normals)
        first = np.einsum("i,ij->j", dets, around.sum(axis=1)) / 24
        second = _moments(around, dets / 120)
        return np.linalg.eigvalsh(second - np.outer(first, first) / (dets.sum() / 6 or 1.0))

    @cached_property
    def surface_centroid(self) -> Floats:
        """Centre (3,) of the surface, mm."""
        centroid: Floats = np.einsum("i,ij->j", self.areas, self.corners.mean(axis=1)) / (self.area or 1.0)
        return centroid

    @cached_property
    def surface_covariance(self) -> Floats:
        """Second moments (3, 3) of the surface about its centre, divided by its area, mm²."""
        return _moments(self.corners - self.surface_centroid, self.areas / 12) / (self.area or 1.0)

    @cached_property
    def vertex_keys(self) -> NDArray[np.uint64]:
        """Keys (n, 3) of the corners: equal keys are equal points."""
        return VertexKeys().of_corners(Body(self.corners)).reshape(-1, 3)

    @cached_property
    def vertices(self) -> Floats:
        """The distinct corners (v, 3)."""
        _, first = np.unique(self.vertex_keys, return_index=True)
        return self.corners.reshape(-1, 3)[first]

    @cached_property
    def euler_number(self) -> int:
        """Vertices − edges + facets, of the facets that are not collapsed."""
        keys = self.vertex_keys
        live = keys[(keys != np.roll(keys, 1, axis=1)).all(axis=1)]
        edges = mix((live + np.roll(live, -1, axis=1)).reshape(-1))
        return len(np.unique(live)) - len(np.unique(edges)) + len(live)

    @cached_property
    def shells(self) -> int:
        """Number of connected pieces of the surface."""
        return examine(self.vertex_keys.reshape(-1).copy()).shells

    @cached_property
    def _middle(self) -> Floats:
        middle: Floats = self.bounds.mean(axis=0)
        return middle


def _placed(body: Body) -> Floats:
    corners = body.corners(0, body.facet_count).astype(np.float64)
    placed = []
    for placement in body.placements:
        moved = corners @ placement[:3] + placement[3]
        mirrors = float(np.linalg.det(placement[:3])) < 0
        placed.append(moved[:, ::-1] if mirrors else moved)
    return np.concatenate(placed) + 0.0


def _moments(corners: Floats, weights: Floats) -> Floats:
    """Sum over facets of weight · (Σ c·cᵀ + s·sᵀ), c the corners and s their sum: (3, 3)."""
    total = corners.sum(axis=1)
    moments: Floats = np.einsum("n,nki,nkj->ij", weights, corners, corners, optimize=True)
    moments += np.einsum("n,ni,nj->ij", weights, total, total, optimize=True)
    return moments
