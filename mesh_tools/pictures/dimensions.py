"""Dimension lines of the bounding box, drawn beside the part as on a workshop drawing."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mesh_tools.pictures.camera import Camera, Floats
from mesh_tools.pictures.ink import INK, PAPER

_GAP, _TICK = 15.0, 5.0


def draw_dimensions(picture: Image.Image, camera: Camera, low: Floats, high: Floats) -> None:
    """Draw width, depth and height along the box's visible outer edges; `camera` maps to its pixels."""
    pen = ImageDraw.Draw(picture)
    middle = camera.project(((low + high) / 2)[None])[0, :2]
    for start, end in _edges(camera, low, high):
        length = float(np.abs(end - start).max())
        if length <= 0:
            continue
        a, b = camera.project(np.stack([start, end]))[:, :2]
        if math.dist(a, b) >= 12:
            _line(pen, a, b, middle, f"{_number(length)} mm")


def _edges(camera: Camera, low: Floats, high: Floats) -> list[tuple[Floats, Floats]]:
    """The front edge along x, the front edge along y, and the outermost upright edge.

    The front edges are the lower ones, from below the upper ones: those that the part does not hide.
    """
    front_x = low[0] if camera.axes[2][0] > 0 else high[0]
    front_y = low[1] if camera.axes[2][1] > 0 else high[1]
    z = high[2] if camera.axes[2][2] > 0 else low[2]
    uprights = [np.array([x, y, z]) for x in (low[0], high[0]) for y in (low[1], high[1])]
    upright = min(uprights, key=lambda corner: float(camera.axes[0] @ corner))
    return [
        (np.array([low[0], front_y, z]), np.array([high[0], front_y, z])),
        (np.array([front_x, low[1], z]), np.array([front_x, high[1], z])),
        (upright, np.array([upright[0], upright[1], high[2]])),
    ]


def _line(pen: ImageDraw.ImageDraw, a: Floats, b: Floats, middle: Floats, text: str) -> None:
    along = (b - a) / math.dist(a, b)
    away = np.array([-along[1], along[0]])
    if away @ ((a + b) / 2 - middle) < 0:
        away = -away
    for point in (a, b):
        pen.line([*(point + away * 3), *(point + away * (_GAP + _TICK))], fill=(*INK, 110), width=1)
    start, end = a + away * _GAP, b + away * _GAP
    pen.line([*start, *end], fill=(*INK, 230), width=1)
    for tip, way in ((start, along), (end, -along)):
        pen.polygon([*tip, *(tip + way * 7 + away * 2.4), *(tip + way * 7 - away * 2.4)], fill=(*INK, 255))
    _label(pen, (start + end) / 2 + away * 4, away, text)


def _label(pen: ImageDraw.ImageDraw, at: Floats, away: Floats, text: str) -> None:
    font = ImageFont.load_default(15)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font, anchor="mm")
    half = np.array([(right - left) / 2 + 3, (bottom - top) / 2 + 3])
    centre = at + away * (np.abs(away) @ half)
    pen.text((float(centre[0]), float(centre[1])), text, font=font, anchor="mm", fill=(*INK, 255),
             stroke_width=2, stroke_fill=(*PAPER, 255))  # fmt: skip


def _number(length: float) -> str:
    digits = 1 if length < 1000 else 0
    return f"{length:.{digits}f}" if length >= 1 else f"{length:.3g}"
