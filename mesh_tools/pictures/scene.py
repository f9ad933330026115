"""A part ready to be drawn, and one view of it: shaded surface, ground shadow, paper."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mesh_tools.model import Model
from mesh_tools.pictures.camera import Camera, Floats
from mesh_tools.pictures.raster import Draw, Visibility, draws
from mesh_tools.pictures.shading import Colours, Shades, Smoothness, blur, plastic, shade

_SAMPLES = 2
_TOP = np.array([0.985, 0.989, 0.994], np.float32)
_BOTTOM = np.array([0.885, 0.905, 0.93], np.float32)
_SHADOW_FACETS_MAX = 2_000_000


@dataclass(frozen=True, eq=False)
class Scene:
    """Every placed body of a part; `low` and `high` are the corners of its box in mm."""

    placed: list[Draw]
    unit_mm: float
    low: Floats
    high: Floats
    smoothness: Smoothness

    @classmethod
    def of(cls, model: Model, unit_mm: float) -> Scene:
        """The scene of `model`, whose unit is `unit_mm` long. Every coordinate must be finite."""
        placed = draws(model)
        low, high = _bounds(placed, unit_mm)
        return cls(placed, unit_mm, low, high, Smoothness())

    @property
    def facet_count(self) -> int:
        """Number of facets of all instances together."""
        return sum(draw.body.facet_count for draw in self.placed)


def see(scene: Scene, camera: Camera, width: int, height: int) -> Visibility:
    """Which facet is seen in each of `width` × `height` pixels."""
    corners = camera.project(np.stack([scene.low, scene.high]))[:, 2].max()
    depth = float(corners + np.linalg.norm(scene.high - scene.low) * camera.scale)
    visibility = Visibility(width, height, max(depth, 1e-9))
    for draw in scene.placed:
        visibility.draw(draw, camera, scene.unit_mm)
    return visibility


def draw_view(
    scene: Scene,
    camera: Camera,
    size: tuple[int, int],
    *,
    shadow: bool = True,
    colours: Colours = plastic,
    glow: float = 0.0,
) -> Image.Image:
    """Part, ground shadow and background; `camera` maps to pixels of a picture of `size` (width, height).

    Drawn at twice the size and reduced. `colours` gives the material of facets by their numbers, `glow`
    how much of it is seen in the dark.
    """
    width, height = size[0] * _SAMPLES, size[1] * _SAMPLES
    large = Camera(camera.axes, camera.scale * _SAMPLES, camera.shift * _SAMPLES)
    visibility = see(scene, large, width, height)
    seen = visibility.facets >= 0
    paper = _paper(width, height)
    if shadow and scene.facet_count <= _SHADOW_FACETS_MAX:
        paper *= 1 - np.float32(0.30) * _shadow(scene, large, width, height)[:, :, None]
    lit = shade(visibility, scene.placed, large, scene.unit_mm, scene.smoothness, colours, glow)
    image = Image.fromarray((np.where(seen[:, :, None], lit, paper) * 255 + 0.5).astype(np.uint8), "RGB")
    return image.resize(size, Image.Resampling.LANCZOS)


def png(picture: Image.Image) -> bytes:
    """The bytes of `picture` as PNG."""
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=False, compress_level=6)
    return stream.getvalue()


def _paper(width: int, height: int) -> Shades:
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    return np.broadcast_to(_TOP + (_BOTTOM - _TOP) * share, (height, width, 3)).copy()


def _shadow(scene: Scene, camera: Camera, width: int, height: int) -> Shades:
    """Soft shadow (height, width) in 0…1 that the part throws straight down on the ground."""
    down = np.eye(3)
    down[2, 2] = 0
    small = Camera(camera.axes, camera.scale / 2, camera.shift / 2)
    visibility = Visibility(width // 2, height // 2, 1e9)
    for draw in scene.placed:
        flat = draw.placement @ down
        flat[3, 2] = scene.low[2] / scene.unit_mm
        visibility.draw(Draw(draw.body, flat, draw.first), small, scene.unit_mm)
    mask = blur((visibility.facets >= 0).astype(np.float32), width // 256)
    return np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1)


def _bounds(placed: list[Draw], unit_mm: float) -> tuple[Floats, Floats]:
    lows, highs = [], []
    for draw in placed:
        for start in range(0, draw.body.facet_count, 1 << 16):
            corners = draw.corners(slice(start, start + (1 << 16))).reshape(-1, 3)
            lows.append(corners.min(axis=0))
            highs.append(corners.max(axis=0))
    return np.min(lows, axis=0) * unit_mm, np.max(highs, axis=0) * unit_mm
