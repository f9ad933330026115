"""The contact sheet: top, front and right view to one scale in third-angle projection, and a shaded view."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from mesh_tools.model import Model
from mesh_tools.pictures.camera import Camera, Floats, aim, view_axes
from mesh_tools.pictures.dimensions import draw_dimensions
from mesh_tools.pictures.ink import INK, PAPER, drawable, letters
from mesh_tools.pictures.scene import Scene, draw_view, png

SHEET_PIXELS: Final = (900, 948)
_CELL, _CAPTION = 450, 48
_MARGINS = (0.205, 0.14, 0.205, 0.16)
_VIEWS: Final = (  # name, azimuth, elevation, column, row: as ISO 128-3 lays out third-angle projection
    ("Top", 0.0, 90.0, 0, 0),
    ("Front", 0.0, 0.0, 0, 1),
    ("Right", 90.0, 0.0, 1, 1),
)


def contact_sheet(model: Model, unit_mm: float, caption: str) -> bytes:
    """A PNG of `SHEET_PIXELS` with four views and, below, `caption` in one line.

    `unit_mm` is the length of the model's unit. Every coordinate must be finite.
    """
    scene = Scene.of(model, unit_mm)
    sheet = Image.new("RGB", SHEET_PIXELS, PAPER)
    scale = min(_camera(scene, azimuth, elevation).scale for _, azimuth, elevation, _, _ in _VIEWS)
    for name, azimuth, elevation, column, row in _VIEWS:
        camera = _camera(scene, azimuth, elevation, scale)
        sheet.paste(_cell(scene, camera, name, shadow=False), (column * _CELL, row * _CELL))
    sheet.paste(_cell(scene, _camera(scene, 32, 26), "From the front right", shadow=True), (_CELL, 0))
    pen = ImageDraw.Draw(sheet)
    for line in (
        (_CELL, 0, _CELL, 2 * _CELL),
        (0, _CELL, 2 * _CELL, _CELL),
        (0, 2 * _CELL, 2 * _CELL, 2 * _CELL),
    ):
        pen.line(line, fill=(203, 213, 225), width=1)
    pen.text((16, 2 * _CELL + _CAPTION / 2), drawable(caption), font=letters(17), anchor="lm", fill=INK)
    return png(sheet)


def _camera(scene: Scene, azimuth: float, elevation: float, scale: float | None = None) -> Camera:
    return aim(scene.low, scene.high, _square(view_axes(azimuth, elevation)), _CELL, _CELL, _MARGINS, scale)


def _square(axes: Floats) -> Floats:
    """The axes with rounding noise of right angles taken off, so that faces seen edge-on stay unseen."""
    return np.where(np.abs(axes) < 1e-12, 0.0, axes)


def _cell(scene: Scene, camera: Camera, name: str, *, shadow: bool) -> Image.Image:
    cell = draw_view(scene, camera, (_CELL, _CELL), shadow=shadow)
    draw_dimensions(cell, camera, scene.low, scene.high)
    ImageDraw.Draw(cell).text((14, 12), name, font=letters(16), fill=INK)
    return cell
