"""How far may the same part lie from its master? A base tolerance and the sagitta of the master's own facets.

Base: 1/5000 of the diagonal, at least 0.02 mm and at most 0.1 mm. It covers what exports and repairs do to a
flat face: six-digit text (0.0005 mm at 100 mm), float32, vertices welded within 0.01 mm, decimation within
0.01 mm. It lies below what any process of ISO/ASTM 52900 resolves.

Sagitta: where facets stand for a curved face, another tessellation of the same curve lies off by up to the
height of the arc over the chord. It is taken from the master alone (the file must not widen its own bounds):
where two flat faces, w wide, meet at an angle θ < 35°, w·θ/8. Twice that is allowed, so a file may be √2
coarser than its master and as fine as it likes; never more than 1/200 of the diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesh_tools.comparison.solid import Floats, Solid
from mesh_tools.components import components

BASE_MM_MIN, BASE_MM_MAX, BASE_OF_DIAGONAL = 0.02, 0.1, 2e-4
SMOOTH_EDGE, FLAT_EDGE = np.deg2rad(35.0), np.deg2rad(0.05)
_SAGITTAS_ALLOWED = 2.0
_SAGITTA_OF_DIAGONAL = 5e-3
Indices = NDArray[np.signedinteger[Any]]


def base_tolerance(master: Solid) -> float:
    """Tolerance in mm on flat faces."""
    return float(np.clip(BASE_OF_DIAGONAL * master.diagonal, BASE_MM_MIN, BASE_MM_MAX))


def facet_tolerances(master: Solid) -> Floats:
    """Tolerance in mm (n,) near each facet of `master`."""
    allowance = np.minimum(_SAGITTAS_ALLOWED * sagittas(master), _SAGITTA_OF_DIAGONAL * master.diagonal)
    tolerances: Floats = base_tolerance(master) + allowance
    return tolerances


def sagittas(solid: Solid) -> Floats:
    """Height in mm (n,) of the arc over each facet, the largest of those of the faces around its corners."""
    first, second, turn = _neighbours(solid)
    flat = turn < FLAT_EDGE
    count = len(solid.corners)
    face = components(count, first[flat].astype(np.int32), second[flat].astype(np.int32))
    own = _face_sagittas(solid, face, _joints(solid, face, first, second, turn))[face]
    _, vertex = np.unique(solid.vertex_keys, return_inverse=True)
    vertex = vertex.reshape(-1, 3)
    highest = np.zeros(int(vertex.max()) + 1)
    np.maximum.at(highest, vertex, own[:, None])
    return np.asarray(highest[vertex].max(axis=1))


@dataclass(frozen=True, eq=False)
class _Joints:
    """Pairs (k,) of flat faces that meet smoothly: the length of their border in mm and the turn there."""

    first: Indices
    second: Indices
    length: Floats
    turn: Floats


def _neighbours(solid: Solid) -> tuple[Indices, Indices, Floats]:
    """Facets on both sides of every edge, and the angle between their normals."""
    keys = solid.vertex_keys
    edges = (keys + np.roll(keys, -1, axis=1)).reshape(-1)
    order = np.argsort(edges, kind="stable")
    ranked = edges[order]
    pair = np.flatnonzero(ranked[1:] == ranked[:-1])
    first, second = order[pair] // 3, order[pair + 1] // 3
    return first, second, _turn(solid, first, second)


def _joints(solid: Solid, face: Indices, first: Indices, second: Indices, turn: Floats) -> _Joints:
    smooth = (turn < SMOOTH_EDGE) & (face[first] != face[second])
    first, second, turn = first[smooth], second[smooth], turn[smooth]
    shared = (solid.vertex_keys[first][:, :, None] == solid.vertex_keys[second][:, None]).any(axis=2)
    ends = np.where(shared[:, :, None], solid.corners[first], np.nan)
    length = np.linalg.norm(np.nanmax(ends, axis=1) - np.nanmin(ends, axis=1), axis=1)
    low, high = np.minimum(face[first], face[second]), np.maximum(face[first], face[second])
    joint, of = np.unique(low.astype(np.int64) * len(face) + high, return_inverse=True)
    steepest = np.zeros(len(joint))
    np.maximum.at(steepest, of, turn)
    return _Joints(joint // len(face), joint % len(face), _summed(of, length, len(joint)), steepest)


def _summed(at: Indices, values: Floats, count: int) -> Floats:
    return np.asarray(np.bincount(at, values, count), np.float64)


def _face_sagittas(solid: Solid, face: Indices, joints: _Joints) -> Floats:
    """Sagitta (n,) by face. A face with round neighbours on opposite sides counts each half: a strip of a
    cylinder then has its own sagitta, a quad of a sphere the sum of both ways.
    """
    count = len(face)
    area = np.bincount(face, solid.areas, count) * np.where(np.bincount(face, minlength=count) == 1, 2.0, 1.0)
    narrower = np.minimum(area[joints.first], area[joints.second])
    width = np.divide(narrower, joints.length, out=np.zeros(len(narrower)), where=joints.length > 0)
    height = width * joints.turn / 8
    most, total = np.zeros(count), np.zeros(count)
    for side in (joints.first, joints.second):
        np.maximum.at(most, side, height)
        total += np.bincount(side, height, count)
    return np.clip(total / 2, most, 2 * most)


def _turn(solid: Solid, first: Indices, second: Indices) -> Floats:
    """Angle between the normals of two facets; π where one has no area."""
    size = solid.areas[first] * solid.areas[second]
    cosine = np.einsum("ij,ij->i", solid.normals[first], solid.normals[second])
    cosine = np.divide(cosine, size, out=np.full(len(size), -1.0), where=size > 0)
    return np.asarray(np.arccos(np.clip(cosine, -1, 1)))
