"""Pictures of a part: a small software renderer, numpy and Pillow only."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from mesh_tools.model import Model
from mesh_tools.pictures.camera import Camera, Floats, aim, view_axes
from mesh_tools.pictures.dimensions import draw_dimensions
from mesh_tools.pictures.raster import Draw, Visibility, draws
from mesh_tools.pictures.shading import blur, shade

THUMBNAIL_PIXELS = 512
_SAMPLES = 2
_MARGINS = (0.175, 0.09, 0.115, 0.13)
_TOP, _BOTTOM = np.array([0.985, 0.989, 0.994]), np.array([0.885, 0.905, 0.93])
_SHADOW_FACETS_MAX = 2_000_000


def thumbnail(model: Model, unit_mm: float, size: int = THUMBNAIL_PIXELS) -> bytes:
    """A shaded PNG of `size` × `size` pixels with the part's dimensions in mm.

    `unit_mm` is the length of the model's unit. Every coordinate must be finite.
    """
    placed = draws(model)
    low, high = _bounds(placed, unit_mm)
    axes = view_axes(32, 26)
    picture = _picture(placed, unit_mm, low, high, axes, size)
    camera = aim(low, high, axes, size, size, _MARGINS)
    draw_dimensions(picture, camera, low, high)
    return _png(picture)


def _picture(
    placed: list[Draw], unit_mm: float, low: Floats, high: Floats, axes: Floats, size: int
) -> Image.Image:
    """Part, ground shadow and background, drawn at twice the size and reduced."""
    large = size * _SAMPLES
    camera = aim(low, high, axes, large, large, _MARGINS)
    depth = float(
        camera.project(np.stack([low, high]))[:, 2].max() + np.linalg.norm(high - low) * camera.scale
    )
    visibility = Visibility(large, large, depth)
    for draw in placed:
        visibility.draw(draw, camera, unit_mm)
    seen = visibility.facets >= 0
    paper = _paper(large)
    if sum(draw.body.facet_count for draw in placed) <= _SHADOW_FACETS_MAX:
        paper *= 1 - 0.30 * _shadow(placed, unit_mm, camera, low, large)[:, :, None]
    colour = np.where(seen[:, :, None], shade(visibility, placed, camera, unit_mm), paper)
    image = Image.fromarray((colour * 255 + 0.5).astype(np.uint8), "RGB")
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _paper(size: int) -> Floats:
    share = np.linspace(0, 1, size)[:, None, None]
    return np.broadcast_to(_TOP + (_BOTTOM - _TOP) * share, (size, size, 3)).copy()


def _shadow(placed: list[Draw], unit_mm: float, camera: Camera, low: Floats, size: int) -> Floats:
    """Soft shadow (size, size) in 0…1 that the part throws straight down on the ground."""
    down = np.eye(3)
    down[2, 2] = 0
    small = Camera(camera.axes, camera.scale / 2, camera.shift / 2)
    visibility = Visibility(size // 2, size // 2, 1e9)
    for draw in placed:
        flat = draw.placement @ down
        flat[3, 2] = low[2] / unit_mm
        visibility.draw(Draw(draw.body, flat, draw.first), small, unit_mm)
    mask = blur((visibility.facets >= 0).astype(np.float64), size // 128)
    return np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1)


def _bounds(placed: list[Draw], unit_mm: float) -> tuple[Floats, Floats]:
    lows, highs = [], []
    for draw in placed:
        for start in range(0, draw.body.facet_count, 1 << 16):
            corners = draw.corners(slice(start, start + (1 << 16))).reshape(-1, 3)
            lows.append(corners.min(axis=0))
            highs.append(corners.max(axis=0))
    return np.min(lows, axis=0) * unit_mm, np.max(highs, axis=0) * unit_mm


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=False, compress_level=6)
    return stream.getvalue()
