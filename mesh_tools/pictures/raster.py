"""A z-buffer in numpy: which facet is seen in each pixel. No GPU, no display."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesh_tools.model import Body, Model, Placement
from mesh_tools.pictures.camera import Camera, Floats

Ints = NDArray[np.int64]
AnyFloats = NDArray[np.floating[Any]]

_CHUNK_FACETS = 1 << 15
_BATCH_ROWS = 1 << 18
_BATCH_PIXELS = 1 << 20
_SLACK = 1e-9
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
        rows = _Rows.of(pixels, self.height)
        ends = np.cumsum(rows.counts)
        start = 0
        while start < len(ends):
            before = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + _BATCH_ROWS, side="right")))
            self._spans(pixels, rows, start, stop, first)
            start = stop

    def _spans(self, pixels: Floats, rows: _Rows, start: int, stop: int, first: int) -> None:
        """Fill the rows of facets `start` to `stop`, a bounded number of pixels at a time."""
        facet, y = rows.expand(start, stop)
        left, right = _span(pixels, rows.sign, facet, y + 0.5)
        begin = np.clip(np.ceil(left - 0.5 - _SLACK), 0, self.width).astype(np.int64)
        end = np.clip(np.floor(right - 0.5 + _SLACK), -1, self.width - 1).astype(np.int64) + 1
        lengths = np.maximum(end - begin, 0)
        ends = np.cumsum(lengths)
        low = 0
        while low < len(ends):
            before = int(ends[low - 1]) if low else 0
            high = max(low + 1, int(np.searchsorted(ends, before + _BATCH_PIXELS, side="right")))
            self._fill(pixels, facet[low:high], y[low:high], begin[low:high], lengths[low:high], first)
            low = high

    def _fill(self, pixels: Floats, facet: Ints, y: Ints, begin: Ints, lengths: Ints, first: int) -> None:
        x = np.repeat(begin, lengths) + _counting(lengths)
        facet, y = np.repeat(facet, lengths), np.repeat(y, lengths)
        depth = _depth(pixels, facet, x + 0.5, y + 0.5)
        steps = np.clip(depth * (_DEPTH_STEPS / self.depth_max), 0, _DEPTH_STEPS).astype(np.uint64)
        packed = steps << _SHIFT | (facet + first).astype(np.uint64)
        np.minimum.at(self.packed, y * self.width + x, packed)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Which pixel rows each facet touches: the first, how many, and the sign of its area (0: edge-on)."""

    first: Ints
    counts: Ints
    sign: Floats

    @classmethod
    def of(cls, pixels: Floats, height: int) -> _Rows:
        a, b, c = pixels[:, 0], pixels[:, 1], pixels[:, 2]
        sign = np.sign((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))
        low = np.ceil(pixels[:, :, 1].min(axis=1) - 0.5).clip(0, height)
        high = np.floor(pixels[:, :, 1].max(axis=1) - 0.5).clip(-1, height - 1)
        counts = np.where(sign != 0, np.maximum(high - low + 1, 0), 0)
        return cls(low.astype(np.int64), counts.astype(np.int64), sign)

    def expand(self, start: int, stop: int) -> tuple[Ints, Ints]:
        """Facet and row number of every row of facets `start` to `stop`."""
        counts = self.counts[start:stop]
        facet = np.repeat(np.arange(start, stop), counts)
        return facet, self.first[facet] + _counting(counts)


def _counting(counts: Ints) -> Ints:
    """0 … count − 1 for each of `counts`, one after the other."""
    ends = np.cumsum(counts)
    numbers: Ints = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - counts, counts)
    return numbers


def _span(pixels: Floats, sign: Floats, facet: Ints, y: AnyFloats) -> tuple[Floats, Floats]:
    """Between which x each facet covers the line at `y`; left lies beyond right where it does not."""
    left, right = np.full(len(y), -np.inf), np.full(len(y), np.inf)
    turn = sign[facet]
    for place in range(3):
        x1, y1 = pixels[facet, place, 0], pixels[facet, place, 1]
        x2, y2 = pixels[facet, (place + 1) % 3, 0], pixels[facet, (place + 1) % 3, 1]
        slope, level = (y1 - y2) * turn, ((x2 - x1) * (y - y1) + (y2 - y1) * x1) * turn
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = -level / slope
        left = np.where(slope > 0, np.maximum(left, crossing), left)
        right = np.where(slope < 0, np.minimum(right, crossing), right)
        right = np.where((slope == 0) & (level < 0), -np.inf, right)
    return left, right


def _depth(pixels: Floats, facet: Ints, x: AnyFloats, y: AnyFloats) -> Floats:
    """Depth of the facets' planes at `x`, `y`, kept between those of the corners."""
    a, b, c = pixels[:, 0], pixels[:, 1], pixels[:, 2]
    ab, ac = b - a, c - a
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1.0 / (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
        along_x = (ab[:, 2] * ac[:, 1] - ac[:, 2] * ab[:, 1]) * scale
        along_y = (ac[:, 2] * ab[:, 0] - ab[:, 2] * ac[:, 0]) * scale
        depth = a[facet, 2] + along_x[facet] * (x - a[facet, 0]) + along_y[facet] * (y - a[facet, 1])
    low, high = pixels[:, :, 2].min(axis=1), pixels[:, :, 2].max(axis=1)
    bounded: Floats = np.clip(np.nan_to_num(depth), low[facet], high[facet])
    return bounded


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
