"""Ten parametric parts with real features, built by exact Boolean operations.

Every part takes the same `Design`: how finely round faces are cut, and by how much tampering moves a hole,
shaves a joint or thins a wall. None is its own mirror image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from manifold3d import CrossSection, Manifold
from numpy.typing import NDArray


@dataclass(frozen=True)
class Design:
    """`size` scales the dimensions of a part; lengths of the changes in mm."""

    segments: int = 64
    size: float = 1.0
    hole_shift: float = 0.0
    shave: float = 0.0
    thin: float = 0.0


def box(x: float, y: float, z: float, at: tuple[float, float, float] = (0, 0, 0)) -> Manifold:
    return Manifold.cube([x, y, z]).translate(at)


def rod(
    radius: float, height: float, at: tuple[float, float, float], d: Design, top: float | None = None
) -> Manifold:
    return Manifold.cylinder(height, radius, radius if top is None else top, d.segments).translate(at)


def lying(radius: float, length: float, at: tuple[float, float, float], d: Design) -> Manifold:
    """A rod along x."""
    return Manifold.cylinder(length, radius, radius, d.segments).rotate([0, 90, 0]).translate(at)


def bracket(d: Design) -> Manifold:
    """An angle with a gusset to one side and four holes."""
    s = d.size
    wall = 5 * s - d.thin
    body = box(60 * s, 40 * s, 5 * s) + box(wall, 40 * s, 35 * s)
    rib = CrossSection([[(0, 0), (25 * s, 0), (0, 20 * s)]]).extrude(4 * s).rotate([90, 0, 0])
    body += rib.translate([wall - 0.5, 12 * s, 4.5 * s]) + box(8 * s - d.shave, 6 * s, 9 * s, (52 * s, 0, 0))
    for x, y in ((20, 8), (48 + d.hole_shift / s, 30), (20, 32)):
        body -= rod(2.6 * s, 20 * s, (x * s, y * s, -5 * s), d)
    return body - lying(3.5 * s, 20 * s, (-8 * s, 28 * s, 24 * s), d)


def gear(d: Design) -> Manifold:
    """A helical spur gear with a bore, a keyway and a set-screw hole."""
    s, teeth = d.size, 17
    outline = []
    for tooth in range(teeth):
        start = 2 * math.pi * tooth / teeth
        for turn, radius in (
            (0.0, 20),
            (0.25, 20),
            (0.38, 24 - d.shave / s),
            (0.62, 24 - d.shave / s),
            (0.75, 20),
        ):
            angle = start + turn * 2 * math.pi / teeth
            outline.append((radius * s * math.cos(angle), radius * s * math.sin(angle)))
    body = CrossSection([outline]).extrude(9 * s, 6, 15.0) + rod(9 * s - d.thin, 16 * s, (0, 0, 0), d)
    body -= rod(5 * s, 40 * s, (0, 0, -5 * s), d) + box(2 * s, 7 * s, 40 * s, (-1 * s, 0, -5 * s))
    return (
        body
        - lying(1.2 * s, 12 * s, (2 * s, 0, (12.5 * s) + d.hole_shift), d)
        - rod(2.5 * s, 30 * s, (13 * s, 0, -5 * s), d)
    )


def hinge(d: Design) -> Manifold:
    """A leaf with three knuckles of different lengths, and countersunk holes."""
    s = d.size
    body = box(45 * s, 30 * s, 3 * s - d.thin)
    for start, length in ((0, 12), (20, 8), (34, 11)):
        body += lying((5 * s) - d.shave, length * s, (start * s, 33 * s, 4.5 * s), d)
        body += box(length * s, 6 * s, 3 * s, (start * s, 27 * s, 0))
    body -= lying(2.2 * s, 60 * s, (-5 * s, 33 * s, 4.5 * s), d)
    for x, y in ((10 + d.hole_shift / s, 10), (30, 14)):
        body -= rod(1.8 * s, 10 * s, (x * s, y * s, -2 * s), d) + rod(
            0.9 * s, 2.2 * s, (x * s, y * s, 1 * s), d, 4 * s
        )
    return body


def clip(d: Design) -> Manifold:
    """A cantilever snap joint: two arms of different length with hooks."""
    s = d.size
    hook = [(0, 0), (2.4 - d.thin, 0), (2.4 - d.thin, 22), (4.8 - d.shave, 22), (1.2, 29), (0, 29)]
    arm = CrossSection([[(x * s, y * s) for x, y in hook]]).extrude(9 * s)
    body = box(26 * s, 9 * s, 8 * s) + arm.rotate([90, 0, 0]).translate([0, 9 * s, 6 * s])
    body += arm.scale([-1, 1, 0.7]).rotate([90, 0, 0]).translate([26 * s, 7 * s, 4 * s])
    body -= rod(2 * s, 20 * s, (13 * s + d.hole_shift, 4.5 * s, -3 * s), d)
    return body - lying(1.4 * s, 40 * s, (-4 * s, 3 * s, 3 * s), d)


def flange(d: Design) -> Manifold:
    """A tube with a flange, five holes on its circle and a side port."""
    s = d.size
    body = rod(24 * s, 5 * s, (0, 0, 0), d) + rod(11 * s - d.thin, 36 * s, (0, 0, 0), d)
    body += lying(5 * s, 20 * s, (0, 3 * s, 24 * s), d) + rod(12.5 * s - d.shave, 3 * s, (0, 0, 33 * s), d)
    body -= rod(8.5 * s, 60 * s, (0, 0, -5 * s), d) + lying(3 * s, 30 * s, (0, 3 * s, 24 * s), d)
    for place in range(5):
        angle = 2 * math.pi * place / 5
        radius = 18 * s + (d.hole_shift if place == 1 else 0)
        body -= rod(2 * s, 20 * s, (radius * math.cos(angle), radius * math.sin(angle), -5 * s), d)
    return body - box(3 * s, 5 * s, 10 * s, (-25 * s, 2 * s, -2 * s))


def ribbed_box(d: Design) -> Manifold:
    """An open box with ribs inside and screw posts."""
    s = d.size
    wall = 2.4 * s - d.thin
    body = box(60 * s, 42 * s, 22 * s) - box(
        60 * s - 2 * wall, 42 * s - 2 * wall, 30 * s, (wall, wall, 2 * s)
    )
    for x in (15, 33, 41):
        body += box(1.6 * s, 40 * s, 9 * s, (x * s, 1 * s, 0.5 * s))
    for x, y in ((7, 7), (52, 8), (8, 34)):
        body += rod(3.4 * s, 15 * s - d.shave, (x * s, y * s, 0.5 * s), d)
        shift = d.hole_shift if x == 52 else 0
        body -= rod(1.3 * s, 20 * s, (x * s + shift, y * s, 5 * s), d)
    return body


def impeller(d: Design) -> Manifold:
    """A hub with seven twisted blades on a disc."""
    s = d.size
    body = rod(22 * s, 2.5 * s, (0, 0, 0), d) + rod(7 * s, 16 * s, (0, 0, 0), d, 5 * s)
    blade = CrossSection.square([15 * s, 1.8 * s - d.thin]).translate([5.5 * s, 0]).extrude(12 * s, 10, 25.0)
    for place in range(7):
        body += blade.rotate([0, 0, 360 * place / 7]).translate([0, 0, 1.5 * s])
    body -= rod(3 * s, 40 * s, (d.hole_shift, 0, -5 * s), d) + box(
        2 * s, 4 * s, 40 * s, (2 * s, -2 * s, -5 * s)
    )
    return body - rod(2 * s, 2 * s + d.shave, (0, -12 * s, -1 * s), d)


def block(d: Design) -> Manifold:
    """A valve block with crossing bores."""
    s = d.size
    body = box(44 * s, 34 * s, 26 * s) - box(50 * s, 8 * s, 9 * s, (-3 * s, -1 * s, 21 * s - d.shave))
    body -= lying(4 * s, 60 * s, (-5 * s, 17 * s, 10 * s), d) + rod(
        3 * s, 60 * s, (13 * s + d.hole_shift, 17 * s, 8 * s), d
    )
    bore = Manifold.cylinder(60 * s, 2.2 * s, 2.2 * s, d.segments).rotate([90, 0, 0])
    body -= bore.translate([32 * s, 38 * s, 15 * s]) + rod(5 * s + d.thin, 7 * s, (32 * s, 20 * s, 20 * s), d)
    return body + Manifold.sphere(4 * s, d.segments).translate([0, 26 * s, 18 * s])


def lever(d: Design) -> Manifold:
    """An arm between two bosses, with a pocket and a pin."""
    s = d.size
    big, small = rod(11 * s, 12 * s, (0, 0, 0), d), rod(6.5 * s, 9 * s, (52 * s, 8 * s, 0), d)
    body = Manifold.batch_hull([rod(8 * s, 7 * s, (0, 0, 0), d), rod(4.5 * s, 7 * s, (52 * s, 8 * s, 0), d)])
    body += big + small
    body -= rod(6 * s + d.thin, 30 * s, (0, 0, -5 * s), d) + rod(
        3 * s, 30 * s, (52 * s + d.hole_shift, 8 * s, -5 * s), d
    )
    body -= box(22 * s, 5 * s, 6 * s, (18 * s, 1 * s, 4 * s))
    return body + rod(2.2 * s - d.shave / 2, 8 * s, (14.5 * s, 3 * s, 5 * s), d)


def nozzle(d: Design) -> Manifold:
    """A turned body with an inner cone, three side ports and a flat."""
    s = d.size
    profile = [
        (4, 0),
        (13, 0),
        (13, 8),
        (9 - d.thin / s, 11),
        (8 - d.thin / s, 26),
        (10 - d.shave / s, 28),
        (10 - d.shave / s, 32),
        (5, 32),
        (2.5, 12),
    ]
    outline = CrossSection([[(x * s, y * s) for x, y in profile]])
    body = outline.revolve(d.segments)
    for angle, height in ((0, 20), (110, 17), (200, 23)):
        port = lying(1.5 * s, 20 * s, (2 * s, 0, height * s + (d.hole_shift if angle == 110 else 0)), d)
        body -= port.rotate([0, 0, angle])
    return body - box(4 * s, 30 * s, 20 * s, (11 * s, -15 * s, -5 * s))


PARTS: dict[str, Callable[[Design], Manifold]] = {
    part.__name__: part
    for part in (bracket, gear, hinge, clip, flange, ribbed_box, impeller, block, lever, nozzle)
}  # fmt: skip


def facets_of(part: Manifold) -> NDArray[np.float64]:
    """Corners (n, 3, 3) of a part."""
    mesh = part.to_mesh64()
    return np.asarray(mesh.vert_properties, float)[:, :3][np.asarray(mesh.tri_verts, int)]
