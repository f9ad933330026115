"""How a part stands on the build plate: the signed recipe's orientation, applied to its shape.

`orientation` is `[x, y, z]`: the direction in the file's own axes that points up in the machine. The part is
turned the shortest way there and set down on z = 0; turns about the vertical stay the machine's. `[0, 0, 1]`,
or no orientation, is the part as its file has it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from printer_agent.errors import GateRefused

Rotation: TypeAlias = tuple[
    tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]
]
"""Rows of a proper rotation."""
_UPSIDE_DOWN: Final[Rotation] = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))
_HEADER_BYTES = 84


def rotation_of(recipe: Mapping[str, Any]) -> Rotation | None:
    """Give the turn a recipe asks for; None where the part stands as its file has it.

    Raises GateRefused ("recipe_orientation") for anything but three finite numbers that are not all zero.
    """
    wish = recipe.get("orientation")
    if wish is None:
        return None
    numbers = wish if isinstance(wish, list | tuple) and len(wish) == 3 else ()
    plain = [float(n) for n in numbers if isinstance(n, int | float) and not isinstance(n, bool)]
    length = math.hypot(*plain) if len(plain) == 3 else 0.0
    if not 0 < length < math.inf:
        raise GateRefused(
            "recipe_orientation",
            f"the recipe's orientation is {wish!r}, not the direction [x, y, z] that points up",
            "have the owner publish a revision that says it so",
        )
    x, y, z = (n / length for n in plain)
    if z == 1:
        return None
    return _UPSIDE_DOWN if z == -1 else _shortest(x, y, z)


def turned(stl: bytes, rotation: Rotation) -> bytes:
    """Turn a binary STL of this program's own making, and set it down on z = 0."""
    import numpy as np

    facet = np.dtype([("vectors", "<f4", (4, 3)), ("attribute", "<u2")])
    facets = np.frombuffer(stl, facet, offset=_HEADER_BYTES).copy()
    vectors = facets["vectors"].astype(np.float64) @ np.array(rotation).T
    if len(vectors):
        vectors[:, 1:, 2] -= vectors[:, 1:, 2].min()
    facets["vectors"] = vectors + 0.0  # no negative zeros
    return stl[:_HEADER_BYTES] + facets.tobytes()


def _shortest(x: float, y: float, z: float) -> Rotation:
    """The shortest turn from a unit vector to the vertical (Rodrigues); exact also close to straight down."""
    k = 1 / (1 + z) if z > 0 else (1 - z) / (x * x + y * y)
    return ((1 - x * x * k, -x * y * k, -x), (-x * y * k, 1 - y * y * k, -y), (x, y, z))
