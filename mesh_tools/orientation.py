"""How a part stands on the build plate, by the direction in its file's own axes that points up. Pure.

The direction is `[x, y, z]`, of any length; the part is turned the shortest way there. Turns about the
vertical stay the machine's. `[0, 0, 1]`, or no direction, is the part as its file has it.
"""

from __future__ import annotations

import math
import sys
from typing import Any, Final, TypeAlias

from mesh_tools.errors import PolicyInvalid

Sides: TypeAlias = tuple[float, float, float]
"""A box's sides along x, y and z in mm."""
Rotation: TypeAlias = tuple[
    tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]
]
"""Rows of a proper rotation."""
ROUNDING_MM: Final = 0.01
"""More than grid and single precision add to a turned shape within 30 m of its file's origin."""
_UPSIDE_DOWN: Final[Rotation] = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))
_SHOWN_MAX = 80


def rotation_to(up: Any) -> Rotation | None:
    """Give the shortest turn that has `up` point upwards (Rodrigues); None where the part stands so.

    Exact for right angles, and a rotation also close to straight down. Raises PolicyInvalid ("orientation")
    for anything but None and three finite numbers that are not all zero.
    """
    if up is None:
        return None
    x, y, z = _unit(up)
    if z == 1:
        return None
    if z == -1:
        return _UPSIDE_DOWN
    k = 1 / (1 + z) if z > 0 else (1 - z) / (x * x + y * y)
    return ((1 - x * x * k, -x * y * k, -x), (-x * y * k, 1 - y * y * k, -y), (x, y, z))


def standing_box(size_mm: Sides, up: Any) -> Sides:
    """Give the room of a part of which only its box is known: the box around its turned box.

    That is the part's own box, wherever it is turned by right angles, and never less. A turned part takes
    `ROUNDING_MM` more, one that is not its very size. Raises PolicyInvalid as `rotation_to` does.
    """
    rotation = rotation_to(up)
    if rotation is None:
        return size_mm
    wide, deep, high = (
        sum(abs(share) * side for share, side in zip(row, size_mm, strict=True)) + ROUNDING_MM
        for row in rotation
    )
    return wide, deep, high


def _unit(up: Any) -> Sides:
    """The direction at length 1; scaled first, as the square of a number need be none."""
    given = up if isinstance(up, list | tuple) and len(up) == 3 else ()
    numbers = [n for n in given if type(n) in {int, float} and abs(n) <= sys.float_info.max]
    if len(numbers) != 3 or not any(numbers):
        raise PolicyInvalid(
            f"the orientation is {repr(up)[:_SHOWN_MAX]}, not the direction [x, y, z] that points up",
            field="orientation",
        )
    largest = max(abs(n) for n in numbers)
    x, y, z = (n / largest for n in numbers)
    length = math.hypot(x, y, z)
    return x / length, y / length, z / length
