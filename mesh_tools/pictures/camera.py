"""An orthographic camera: where it stands, and what it maps to the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Camera:
    """Maps points in mm to pixels: x to the right, y downward, depth growing away from the eye.

    `axes` holds the picture's right, down and depth directions as rows; pixels = (p · axesᵀ)·scale + shift.
    """

    axes: Floats
    scale: float
    shift: Floats

    def project(self, points: Floats) -> Floats:
        """Pixels and depth (n, 3) of `points` (n, 3)."""
        projected: Floats = points @ (self.axes.T * self.scale) + self.shift
        return projected

    def depth_of(self, direction: Floats) -> float:
        """How far `direction` (3,) leads away from the eye; negative is towards it."""
        return float(self.axes[2] @ direction)


def view_axes(azimuth_deg: float, elevation_deg: float) -> Floats:
    """Rows right, down, depth of an eye at `azimuth_deg` (0 looks along +y, from the front) and elevation."""
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    right = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
    forward = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    depth = forward * math.cos(elevation) - np.array([0.0, 0.0, math.sin(elevation)])
    return np.stack([right, np.cross(depth, right), depth])


Margins = tuple[float, float, float, float]


def aim(
    low: Floats,
    high: Floats,
    axes: Floats,
    width: int,
    height: int,
    margins: Margins,
    scale: float | None = None,
) -> Camera:
    """A camera whose picture of `width` × `height` pixels holds the box.

    `margins` are the shares of the picture left free at the left, top, right and bottom; `scale` in pixels
    for each mm, the largest that fits when None.
    """
    projected = box_corners(low, high) @ axes.T
    least, most = projected.min(axis=0), projected.max(axis=0)
    extent = np.maximum(most - least, 1e-12)
    left, top, right, bottom = margins
    room = (width * (1 - left - right), height * (1 - top - bottom))
    if scale is None:
        scale = float(min(room[0] / extent[0], room[1] / extent[1]))
    middle = (least + most) / 2 * scale
    centre = (width * left + room[0] / 2, height * top + room[1] / 2)
    shift = np.array([centre[0] - middle[0], centre[1] - middle[1], -least[2] * scale])
    return Camera(axes, scale, shift)


def box_corners(low: Floats, high: Floats) -> Floats:
    """The eight corners (8, 3) of a box; bit 0, 1, 2 of the row chooses high x, y, z."""
    choice = np.array([[row & 1, row >> 1 & 1, row >> 2 & 1] for row in range(8)], dtype=bool)
    return np.where(choice, high, low)
