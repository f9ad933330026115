"""A part cut open at a plane: what lies behind it, and the cut faces hatched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mesh_tools.errors import Refused
from mesh_tools.model import Body, Model
from mesh_tools.pictures.camera import Camera, Floats, aim, view_axes
from mesh_tools.pictures.dimensions import draw_dimensions
from mesh_tools.pictures.ink import INK, PAPER, drawable, letters
from mesh_tools.pictures.scene import Scene, draw_view, png

Axis = Literal["x", "y", "z"]

SECTION_PIXELS: Final = (700, 748)
_CAPTION = 48
_SAMPLES = 2
_MARGINS = (0.15, 0.12, 0.15, 0.15)
_EYES: Final = {"x": (90.0, 0.0), "y": (0.0, 0.0), "z": (0.0, 90.0)}
_HATCH_PIXELS, _HATCH, _CUT = 9, (158, 74, 20), (247, 206, 170)


@dataclass(frozen=True, eq=False)
class Cut:
    """Facets behind a plane (n, 3, 3) and the outline on it: segments (m, 2, 3), all directed the same way
    about the solid. Lengths in mm.
    """

    behind: Floats
    outline: Floats


def section(model: Model, unit_mm: float, axis: Axis, at_mm: float | None) -> bytes:
    """A PNG of `SECTION_PIXELS`: the part cut at `axis` = `at_mm`, in the middle when None.

    Raises Refused where the plane does not meet the part. Every coordinate must be finite.
    """
    whole = Scene.of(model, unit_mm)
    number = "xyz".index(axis)
    low, high = float(whole.low[number]), float(whole.high[number])
    place = (low + high) / 2 if at_mm is None else at_mm
    if not low < place < high:
        raise Refused("render.section", f"{axis} = {place:g} mm misses the part ({low:g} to {high:g} mm).")
    axes = view_axes(*_EYES[axis])
    axes = np.where(np.abs(axes) < 1e-12, 0.0, axes)
    cut = cut_behind(whole, axes[2], place * float(axes[2][number]))
    width, height = SECTION_PIXELS[0], SECTION_PIXELS[1] - _CAPTION
    camera = aim(whole.low, whole.high, axes, width, height, _MARGINS)
    behind = Scene.of(Model("section", (Body(cut.behind),)), 1.0) if len(cut.behind) else whole
    picture = draw_view(behind, camera, (width, height), shadow=False)
    _hatch(picture, _filled(cut.outline, camera, width, height))
    draw_dimensions(picture, camera, whole.low, whole.high)
    sheet = Image.new("RGB", SECTION_PIXELS, PAPER)
    sheet.paste(picture, (0, 0))
    words = f"Section at {axis} = {place:.4g} mm,  {area_mm2(cut.outline, axes[2]):.5g} mm² cut"
    pen = ImageDraw.Draw(sheet)
    pen.text((16, height + _CAPTION / 2), drawable(words), font=letters(17), anchor="lm", fill=INK)
    return png(sheet)


def cut_behind(scene: Scene, depth: Floats, place: float) -> Cut:
    """Cut every facet at the plane p · `depth` = `place`, `depth` (3,) a unit vector away from the eye."""
    behind: list[Floats] = []
    outline: list[Floats] = []
    for draw in scene.placed:
        corners = draw.corners(slice(None)) * scene.unit_mm
        if np.linalg.det(draw.placement[:3]) < 0:
            corners = corners[:, ::-1]
        far = corners @ depth - place
        inside = far >= 0
        count = inside.sum(axis=1)
        behind.append(corners[count == 3])
        for kept in (1, 2):
            rows = np.flatnonzero(count == kept)
            odd = (inside[rows] if kept == 1 else ~inside[rows]).argmax(axis=1)
            turned = corners[rows[:, None], (odd[:, None] + np.arange(3)) % 3]
            reach = far[rows[:, None], (odd[:, None] + np.arange(3)) % 3]
            apex, first, second = turned[:, 0], _between(turned, reach, 1), _between(turned, reach, 2)
            if kept == 1:
                behind.append(np.stack([apex, first, second], axis=1))
                outline.append(np.stack([first, second], axis=1))
            else:
                behind.append(np.stack([first, turned[:, 1], turned[:, 2]], axis=1))
                behind.append(np.stack([first, turned[:, 2], second], axis=1))
                outline.append(np.stack([second, first], axis=1))
    return Cut(np.concatenate(behind), np.concatenate(outline))


def area_mm2(outline: Floats, depth: Floats) -> float:
    """The area that the outline encloses; holes are wound the other way and take theirs off."""
    if not len(outline):
        return 0.0
    about = outline - outline[0, 0]
    return abs(float((np.cross(about[:, 0], about[:, 1]) @ depth).sum())) / 2


def _between(corners: Floats, far: Floats, other: int) -> Floats:
    """Where the edge from corner 0 to corner `other` meets the plane."""
    share = far[:, 0] / (far[:, 0] - far[:, other])
    return corners[:, 0] + share[:, None] * (corners[:, other] - corners[:, 0])


def _filled(outline: Floats, camera: Camera, width: int, height: int) -> NDArray[np.uint8]:
    """How much of each pixel (height, width) lies within the outline, 0…255, by winding numbers."""
    wide, high = width * _SAMPLES, height * _SAMPLES
    pixels = camera.project(outline.reshape(-1, 3)).reshape(-1, 2, 3)[:, :, :2] * _SAMPLES
    x1, y1, x2, y2 = pixels[:, 0, 0], pixels[:, 0, 1], pixels[:, 1, 0], pixels[:, 1, 1]
    first = np.ceil(np.minimum(y1, y2) - 0.5).clip(0, high).astype(np.int64)
    last = np.ceil(np.maximum(y1, y2) - 0.5).clip(0, high).astype(np.int64)
    counts = last - first
    segment = np.repeat(np.arange(len(pixels)), counts)
    row = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
    share = (row + 0.5 - y1[segment]) / (y2 - y1)[segment]
    column = np.ceil(x1[segment] + share * (x2 - x1)[segment] - 0.5).clip(0, wide).astype(np.int64)
    winding = np.zeros((high, wide + 1), np.int32)
    np.add.at(winding, (row, column), np.sign(y2 - y1)[segment].astype(np.int32))
    within = np.cumsum(winding, axis=1)[:, :wide] != 0
    shares = within.reshape(height, _SAMPLES, width, _SAMPLES).mean(axis=(1, 3))
    return np.asarray(shares * 255, np.uint8)


def _hatch(picture: Image.Image, within: NDArray[np.uint8]) -> None:
    """Paint the cut faces: a warm ground with lines at 45°, as workshop drawings have it (ISO 128-3)."""
    height, width = within.shape
    face = Image.new("RGB", (width, height), _CUT)
    pen = ImageDraw.Draw(face)
    for start in range(-height, width, _HATCH_PIXELS):
        pen.line((start, height, start + height, 0), fill=_HATCH, width=1)
    picture.paste(face, (0, 0), Image.fromarray(within, "L"))
