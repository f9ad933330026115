"""A z-buffer in numpy: which facet is seen in each pixel. No GPU, no display."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesh_tools.camera import Camera, Floats
from mesh_tools.model import Body, Model, Placement

AnyFloats = NDArray[np.floating[Any]]

_CHUNK_FACETS = 1 << 15
_BATCH_PIXELS = 1 << 19
_NOTHING = np.uint64(0xFFFFFFFFFFFFFFFF)
_DEPTH_STEPS = float(2**31)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


@dataclass(frozen=True, eq=False)
class Draw:
    """One placed body: its facets take the numbers `first`, `first` + 1, … in the picture."""

    body: Body
    placement: Placement
    first: int

    def corners(self, chosen: NDArray[np.int64] | slice) -> Floats:
        """Placed corners (n, 3, 3) of the body's `chosen` facets, in the file's unit."""
        body = self.body
        part = body.points[chosen] if body.facets is None else body.points[body.facets[chosen]]
        placed: Floats = part.astype(np.float64) @ self.placement[:3] + self.placement[3]
        return placed


def draws(model: Model) -> list[Draw]:
    """Every placed body of `model`, numbered through."""
    found: list[Draw] = []
    first = 0
    for body in model.bodies:
        for placement in body.placements:
            found.append(Draw(body, placement, first))
            first += body.facet_count
    return found


@dataclass(eq=False)
class Visibility:
    """The buffer (height, width): per pixel the nearest facet's number, −1 for none, and its depth."""

    width: int
    height: int
    depth_max: float
    packed: NDArray[np.uint64] = field(init=False)

    def __post_init__(self) -> None:
        self.packed = np.full(self.width * self.height, _NOTHING)

    def draw(self, placed: Draw, camera: Camera, unit_mm: float) -> None:
        """Rasterise every facet of `placed`."""
        for start in range(0, placed.body.facet_count, _CHUNK_FACETS):
            corners = placed.corners(slice(start, start + _CHUNK_FACETS)) * unit_mm
            pixels = camera.project(corners.reshape(-1, 3)).reshape(-1, 3, 3)
            self._facets(pixels, placed.first + start)

    @property
    def facets(self) -> NDArray[np.int64]:
        """Facet numbers (height, width), −1 where nothing is seen."""
        number = (self.packed & _LOW).astype(np.int64)
        number[self.packed == _NOTHING] = -1
        return number.reshape(self.height, self.width)

    @property
    def depth(self) -> Floats:
        """Depth in pixels (height, width), infinite where nothing is seen."""
        depth = (self.packed >> _SHIFT).astype(np.float64) * (self.depth_max / _DEPTH_STEPS)
        depth[self.packed == _NOTHING] = np.inf
        return depth.reshape(self.height, self.width)

    def _facets(self, pixels: Floats, first: int) -> None:
        low = np.ceil(pixels[:, :, :2].min(axis=1) - 0.5)
        high = np.floor(pixels[:, :, :2].max(axis=1) - 0.5)
        low = np.clip(low, 0, (self.width - 1, self.height - 1))
        high = np.clip(high, -1, (self.width - 1, self.height - 1))
        span = (high - low).max(axis=1)
        seen = np.flatnonzero((high >= low).all(axis=1))
        sizes = np.exp2(np.ceil(np.log2(span[seen] + 1))).astype(np.int64)
        for size in np.unique(sizes):
            group = seen[sizes == size]
            step = max(1, _BATCH_PIXELS // int(size * size))
            for start in range(0, len(group), step):
                part = group[start : start + step]
                self._batch(pixels[part], low[part].astype(np.int64), int(size), part + first)

    def _batch(self, corners: Floats, low: NDArray[np.int64], size: int, numbers: NDArray[np.int64]) -> None:
        """Try the `size` × `size` pixels from `low` (n, 2) on for each facet."""
        dy, dx = np.divmod(np.arange(size * size), size)
        x, y = low[:, :1] + dx, low[:, 1:] + dy
        weights = barycentric(corners, x + 0.5, y + 0.5)
        inside = (x < self.width) & (y < self.height)
        for weight in weights:
            inside &= weight >= -1e-9
        facet, pixel = np.nonzero(inside)
        depth = sum(weight[inside] * corners[facet, place, 2] for place, weight in enumerate(weights))
        steps = np.clip(depth * (_DEPTH_STEPS / self.depth_max), 0, _DEPTH_STEPS).astype(np.uint64)
        packed = steps << _SHIFT | numbers[facet].astype(np.uint64)
        np.minimum.at(self.packed, y[facet, pixel] * self.width + x[facet, pixel], packed)


def barycentric(corners: Floats, x: AnyFloats, y: AnyFloats) -> tuple[Floats, Floats, Floats]:
    """Weights of the three corners (n, 3, 2 or 3) at `x`, `y` (n, m); NaN for facets seen edge-on."""
    (ax, ay), (bx, by), (cx, cy) = (corners[:, place, :2].T[:, :, None] for place in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1.0 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
        second = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) * scale
        third = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) * scale
    return 1.0 - second - third, second, third


def seen_by_draw(placed: list[Draw], numbers: NDArray[np.int64]) -> Iterator[tuple[Draw, NDArray[np.int64]]]:
    """Split sorted facet `numbers` by the draw they belong to; yields (draw, indices within its body)."""
    for draw in placed:
        begin, end = np.searchsorted(numbers, (draw.first, draw.first + draw.body.facet_count))
        if end > begin:
            yield draw, numbers[begin:end] - draw.first
