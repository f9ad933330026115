"""How much room a part takes on a plate once it stands as its recipe says. Pure.

The agent turns the part the shortest way to where the recipe's `orientation` points up. Of the part only its
box is known here, so this is the box around the turned box: the part's own, wherever it is turned by right
angles, and never less.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

ROUNDING_MM: Final = 0.01
"""More than the agent's single precision adds to a turned shape within 30 m of its file's origin."""
Sides: TypeAlias = tuple[float, float, float]


def box_standing(size_mm: Sides, up: Any) -> Sides | None:
    """Give the sides of the box around a turned box; None where `up` is no direction.

    `up` None or `[0, 0, 1]` is the part as its file has it: its very size.
    """
    match up:
        case None:
            return size_mm
        case [int() | float() as x, int() | float() as y, int() | float() as z]:
            length = math.hypot(x, y, z)
        case _:
            return None
    if not 0 < length < math.inf:
        return None
    x, y, z = x / length, y / length, z / length
    if z == 1:
        return size_mm
    wide, deep, high = (
        sum(abs(share) * side for share, side in zip(row, size_mm, strict=True)) + ROUNDING_MM
        for row in _rows(x, y, z)
    )
    return wide, deep, high


def _rows(x: float, y: float, z: float) -> tuple[Sides, Sides, Sides]:
    """Rows of the shortest turn from a unit vector to the vertical (Rodrigues), but for signs."""
    if z == -1:
        return (1, 0, 0), (0, 1, 0), (0, 0, 1)
    k = 1 / (1 + z) if z > 0 else (1 - z) / (x * x + y * y)
    return (1 - x * x * k, x * y * k, x), (x * y * k, 1 - y * y * k, y), (x, y, z)
