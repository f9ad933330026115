"""Light on what the camera sees: normals with creases kept, three lamps, contact darkening, outlines."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mesh_tools.pictures.camera import Camera, Floats
from mesh_tools.pictures.raster import Draw, Visibility, barycentric, seen_by_draw
from mesh_tools.vertex_keys import VertexKeys

Shades = NDArray[np.float32]
Colours = Callable[[NDArray[np.int64]], Shades]
"""Material colours (n, 3) in 0…1 of facets, by their numbers in the picture (n,)."""

SMOOTH_FACETS_MAX = 400_000
_CREASE = math.cos(math.radians(32))
_VALENCE_MAX = 48

_PLASTIC = np.array([0.42, 0.55, 0.66], np.float32)
_SKY, _GROUND = np.array([0.44, 0.47, 0.51], np.float32), np.array([0.25, 0.24, 0.24], np.float32)
_LAMPS = (  # direction towards the lamp in picture axes (right, down, depth), colour
    ((-0.45, -0.72, -0.62), (0.86, 0.84, 0.80)),
    ((0.85, -0.15, -0.50), (0.26, 0.28, 0.32)),
    ((0.10, 0.65, -0.40), (0.10, 0.10, 0.11)),
)
_GLOSS, _SHINE = 0.22, 38.0


@dataclass(eq=False)
class Smoothness:
    """Corner normals of the draws met so far: several views of one scene share them."""

    corners: dict[int, Floats] = field(default_factory=dict)

    def corner_normals(self, draw: Draw, chosen: NDArray[np.int64]) -> Floats:
        """Normals (n, 3, 3) at the corners of `chosen` facets, averaged with neighbours across soft edges."""
        if draw.body.facet_count > SMOOTH_FACETS_MAX:
            flat = _facet_normals(draw.corners(chosen))
            return np.repeat(_unit(flat)[:, None], 3, axis=1)
        if draw.first not in self.corners:
            self.corners[draw.first] = _smoothed(draw)
        return self.corners[draw.first][chosen]


def plastic(facets: NDArray[np.int64]) -> Shades:
    """The material of a part where nothing else is to be said: grey-blue plastic."""
    return np.broadcast_to(_PLASTIC, (len(facets), 3))


def shade(
    visibility: Visibility,
    placed: list[Draw],
    camera: Camera,
    unit_mm: float,
    smoothness: Smoothness,
    colours: Colours,
    glow: float,
) -> Shades:
    """Colours (height, width, 3) in 0…1 of the seen pixels; zero elsewhere.

    `glow` is the share of its colour that a material keeps where no lamp reaches.
    """
    facets = visibility.facets
    seen = facets >= 0
    normals = np.zeros((*facets.shape, 3), np.float32)
    normals[seen] = _pixel_normals(facets, seen, placed, camera, unit_mm, smoothness)
    colour = np.zeros_like(normals)
    material = colours(facets[seen])
    colour[seen] = np.maximum(_light(normals[seen], material), glow * material)
    depth = visibility.depth.astype(np.float32)
    dark = _crevices(depth, seen) * _outlines(normals, depth, seen)
    shades: Shades = np.clip(colour * dark[:, :, None], 0, 1)
    return shades


def _pixel_normals(
    facets: NDArray[np.int64],
    seen: NDArray[np.bool_],
    placed: list[Draw],
    camera: Camera,
    unit_mm: float,
    smoothness: Smoothness,
) -> Floats:
    """Unit normals (n, 3) in picture axes, turned towards the eye, of the seen pixels row by row."""
    numbers, where = np.unique(facets[seen], return_inverse=True)
    corner_normals = np.empty((len(numbers), 3, 3))
    pixels = np.empty((len(numbers), 3, 3))
    begin = 0
    for draw, chosen in seen_by_draw(placed, numbers):
        end = begin + len(chosen)
        corners = draw.corners(chosen) * unit_mm
        pixels[begin:end] = camera.project(corners.reshape(-1, 3)).reshape(-1, 3, 3)
        corner_normals[begin:end] = smoothness.corner_normals(draw, chosen) @ camera.axes.T
        begin = end
    rows, columns = np.nonzero(seen)
    weights = barycentric(pixels[where], columns[:, None] + 0.5, rows[:, None] + 0.5)
    normals = sum(weight * corner_normals[where, place] for place, weight in enumerate(weights))
    normals = _unit(np.asarray(normals))
    normals[normals[:, 2] > 0] *= -1
    return normals


def _smoothed(draw: Draw) -> Floats:
    """Normals (n, 3, 3) at the corners of every facet."""
    weighted = _facet_normals(draw.corners(slice(None)))
    unit = _unit(weighted)
    keys = VertexKeys().of_corners(draw.body)
    order = np.argsort(keys)
    keys, facet = keys[order], order // 3
    total = weighted[facet]
    active = np.arange(len(keys))
    for step in range(1, _VALENCE_MAX):
        active = active[active + step < len(keys)]
        active = active[keys[active] == keys[active + step]]
        if not len(active):
            break
        left, right = facet[active], facet[active + step]
        soft = np.einsum("ij,ij->i", unit[left], unit[right]) > _CREASE
        total[active[soft]] += weighted[right[soft]]
        total[active[soft] + step] += weighted[left[soft]]
    corner = np.empty_like(total)
    corner[order] = _unit(total)
    return corner.reshape(-1, 3, 3)


def _facet_normals(corners: Floats) -> Floats:
    normals: Floats = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normals


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Floats = np.nan_to_num(vectors / np.maximum(length, 1e-30))
    return unit


def _light(normals: Shades, material: Shades) -> Shades:
    """Colour (n, 3) of a matt, slightly glossy surface of that material."""
    up = -normals[:, 1:2] * 0.5 + 0.5
    colour = material * (_GROUND + (_SKY - _GROUND) * up)
    for direction, light in _LAMPS:
        lamp = np.array(light, np.float32)
        towards = np.array(direction) / np.linalg.norm(direction)
        half = towards + np.array([0, 0, -1.0])
        half /= np.linalg.norm(half)
        shine = np.maximum(normals @ half.astype(np.float32), 0) ** np.float32(_SHINE)
        colour += material * np.maximum(normals @ towards.astype(np.float32), 0)[:, None] * lamp
        colour += shine[:, None] * (lamp * np.float32(_GLOSS))
    rim = (1 + normals[:, 2:3]) ** 3
    lit: Shades = colour + np.float32(0.10) * rim
    return lit


def _crevices(depth: Shades, seen: NDArray[np.bool_]) -> Shades:
    """Factor ≤ 1 that darkens pixels lying deeper than their surroundings; found at half the size."""
    small, there = depth[::2, ::2], seen[::2, ::2]
    far = small[there].max() if there.any() else np.float32(0)
    plain = np.where(there, small, far)
    dark = np.ones_like(plain)
    for radius, strength in ((3, 0.16), (10, 0.16), (24, 0.10)):
        hollow = np.clip((plain - blur(plain, radius)) / np.float32(2.4 * radius), 0, 1)
        dark -= np.float32(strength) * hollow
    return np.repeat(np.repeat(dark, 2, axis=0), 2, axis=1)


def _outlines(normals: Shades, depth: Shades, seen: NDArray[np.bool_]) -> Shades:
    """Factor ≤ 1 along silhouettes and creases."""
    plain = np.where(seen, depth, np.float32(1e6))
    line = np.zeros_like(plain)
    for axis in (0, 1):
        step = np.abs(np.diff(plain, axis=axis))
        facing = np.take(-normals[:, :, 2], range(plain.shape[axis] - 1), axis=axis)
        jump = step > 6 / np.maximum(facing, np.float32(0.12))
        bend = 1 - (np.diff(normals, axis=axis) ** 2).sum(axis=2) / 2 < math.cos(math.radians(24))
        strong = np.where(jump, np.float32(0.55), np.where(bend, np.float32(0.28), np.float32(0)))
        near = [slice(None), slice(None)]
        near[axis] = slice(0, -1)
        line[tuple(near)] = np.maximum(line[tuple(near)], strong)
    return 1 - line * seen


def blur(values: Shades, radius: int) -> Shades:
    """Two box blurs of `radius` pixels along both axes: close to a Gaussian."""
    for axis in (0, 1, 0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis, dtype=np.float64)
        size = values.shape[axis]
        upper = np.take(total, range(2 * radius + 1, 2 * radius + 1 + size), axis=axis)
        values = ((upper - np.take(total, range(size), axis=axis)) / (2 * radius + 1)).astype(np.float32)
    return values
