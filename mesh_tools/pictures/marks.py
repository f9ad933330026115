"""The findings on the part: the facets they are about painted, numbered places, and what each number says."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mesh_tools.findings import Finding, Point
from mesh_tools.marked import Marked
from mesh_tools.model import Model
from mesh_tools.pictures.camera import Camera, Floats, aim, view_axes
from mesh_tools.pictures.dimensions import draw_dimensions
from mesh_tools.pictures.ink import INK, PAPER, SEVERITY_INK, drawable, letters
from mesh_tools.pictures.raster import Visibility
from mesh_tools.pictures.scene import Scene, draw_view, png, see
from mesh_tools.pictures.shading import Shades

_VIEW, _PANEL, _LINE = 700, 400, 21
_MARGINS = (0.13, 0.10, 0.13, 0.13)
_PLAIN = np.array([0.66, 0.70, 0.74], np.float32)
_ORDER: Final = ("info", "warn", "refuse")
_LISTED_MAX = 12
_PROBE = 160
_EYES: Final = tuple((azimuth, elevation) for elevation in (26, -26) for azimuth in (32, 122, 212, 302))


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    finding: Finding
    place: Point | None


def findings_picture(model: Model, unit_mm: float, marked: Sequence[Marked]) -> bytes:
    """A PNG: left the part from the side that shows most of what was found, right the findings by number.

    `marked` carry the severities to paint, the worst over the others. Every coordinate must be finite.
    """
    scene = Scene.of(model, unit_mm)
    paint = _paint(scene, model, marked)
    axes = _best_axes(scene, paint)
    camera = aim(scene.low, scene.high, axes, _VIEW, _VIEW, _MARGINS)
    view = draw_view(
        scene, camera, (_VIEW, _VIEW), colours=lambda numbers: _colours(paint, numbers), glow=0.8
    )
    draw_dimensions(view, camera, scene.low, scene.high)
    worst_first = sorted(marked, key=lambda row: -_ORDER.index(row.finding.severity))
    rows = [_Row(number, row.finding, row.finding.sample) for number, row in enumerate(worst_first, 1)]
    _place_numbers(view, scene, camera, rows[:_LISTED_MAX])
    picture = Image.new("RGB", (_VIEW + _PANEL, _VIEW), PAPER)
    picture.paste(view, (0, 0))
    _list(picture, rows)
    return png(picture)


def _paint(scene: Scene, model: Model, marked: Sequence[Marked]) -> NDArray[np.int8]:
    """For every facet of the scene 0, or 1 and more for the worst severity that was found of it."""
    paint = np.zeros(scene.facet_count, np.int8)
    for row in marked:
        body = model.bodies[row.body] if row.body < len(model.bodies) else None
        for draw in scene.placed:
            if draw.body is body and len(row.facets):
                where = draw.first + row.facets
                paint[where] = np.maximum(paint[where], 1 + _ORDER.index(row.finding.severity))
    return paint


def _colours(paint: NDArray[np.int8], numbers: NDArray[np.int64]) -> Shades:
    inks = [
        _PLAIN,
        *(np.array(SEVERITY_INK[severity], np.float32) * np.float32(0.85 / 255) for severity in _ORDER),
    ]
    return np.stack(inks)[paint[numbers]]


def _best_axes(scene: Scene, paint: NDArray[np.int8]) -> Floats:
    """The view, of eight, that shows most painted pixels, the worst counting most."""
    best, best_score = view_axes(*_EYES[0]), 0.0
    if not paint.any():
        return best
    for azimuth, elevation in _EYES:
        axes = view_axes(azimuth, elevation)
        camera = aim(scene.low, scene.high, axes, _PROBE, _PROBE, _MARGINS)
        facets = see(scene, camera, _PROBE, _PROBE).facets
        shown = np.bincount(paint[facets[facets >= 0]], minlength=4)
        score = float(shown[1] + 10 * shown[2] + 100 * shown[3])
        if score > 1.05 * best_score:
            best, best_score = axes, score
    return best


def _place_numbers(view: Image.Image, scene: Scene, camera: Camera, rows: Sequence[_Row]) -> None:
    """A ring with its number at every place; pale where the part hides it. Rows at one place share a ring."""
    pen = ImageDraw.Draw(view)
    visibility = see(scene, camera, _VIEW, _VIEW)
    depth = visibility.depth
    taken: list[tuple[float, float]] = []
    for row in rows:
        if row.place is None:
            continue
        x, y, far = camera.project(np.array([row.place]))[0]
        hidden = _hidden(visibility, depth, x, y, far)
        while any(abs(x - left) < 20 and abs(y - top) < 20 for left, top in taken):
            x += 22
        taken.append((x, y))
        ink = SEVERITY_INK[row.finding.severity]
        fill = PAPER if hidden else ink
        pen.ellipse((x - 12, y - 12, x + 12, y + 12), fill=PAPER)
        pen.ellipse((x - 10, y - 10, x + 10, y + 10), fill=fill, outline=ink, width=2)
        pen.text((x, y), str(row.number), font=letters(13), anchor="mm", fill=ink if hidden else PAPER)


def _hidden(visibility: Visibility, depth: Floats, x: float, y: float, far: float) -> bool:
    column, row = int(np.clip(x, 0, visibility.width - 1)), int(np.clip(y, 0, visibility.height - 1))
    return bool(depth[row, column] < far - 4)


def _list(picture: Image.Image, rows: Sequence[_Row]) -> None:
    """The findings beside the part: number, code, count, and the message in a few lines."""
    pen = ImageDraw.Draw(picture)
    left, top = _VIEW + 22, 24
    if not rows:
        pen.text((left, top), "Nothing was found.", font=letters(18), fill=INK)
    for place, row in enumerate(rows):
        lines = textwrap.wrap(drawable(row.finding.message), 44)[:3]
        if place == _LISTED_MAX or top + 30 + _LINE * len(lines) > picture.height - 30:
            words = f"and {len(rows) - place} more"
            pen.text((left, top), words, font=letters(15), fill=INK)
            return
        ink = SEVERITY_INK[row.finding.severity]
        pen.ellipse((left, top, left + 22, top + 22), fill=ink)
        pen.text((left + 11, top + 11), str(row.number), font=letters(13), anchor="mm", fill=PAPER)
        times = f"  x {row.finding.count:,}" if row.finding.count > 1 else ""
        pen.text((left + 32, top + 1), row.finding.code + times, font=letters(16), fill=ink)
        top += 26
        for line in lines:
            pen.text((left + 32, top), line, font=letters(14), fill=INK)
            top += _LINE
        top += 12
