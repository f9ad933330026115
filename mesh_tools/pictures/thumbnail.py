"""The picture of a part that people know it by: one shaded view from the front right with dimensions."""

from __future__ import annotations

from mesh_tools.model import Model
from mesh_tools.pictures.camera import aim, view_axes
from mesh_tools.pictures.dimensions import draw_dimensions
from mesh_tools.pictures.scene import Scene, draw_view, png

THUMBNAIL_PIXELS = 512
_MARGINS = (0.175, 0.09, 0.115, 0.13)


def thumbnail(model: Model, unit_mm: float, size: int = THUMBNAIL_PIXELS) -> bytes:
    """A shaded PNG of `size` × `size` pixels with the part's dimensions in mm.

    `unit_mm` is the length of the model's unit. Every coordinate must be finite.
    """
    scene = Scene.of(model, unit_mm)
    camera = aim(scene.low, scene.high, view_axes(32, 26), size, size, _MARGINS)
    picture = draw_view(scene, camera, (size, size))
    draw_dimensions(picture, camera, scene.low, scene.high)
    return png(picture)
