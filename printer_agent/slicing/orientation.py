"""The signed recipe's orientation, applied to a part's shape (`mesh_tools.orientation`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mesh_tools.errors import PolicyInvalid
from mesh_tools.gate import fits
from mesh_tools.orientation import Rotation, Sides, rotation_to
from printer_agent.errors import GateRefused

_HEADER_BYTES = 84
_QUARTER: Final[Rotation] = ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))


def rotation_of(recipe: Mapping[str, Any]) -> Rotation | None:
    """Give the turn a recipe asks for; None where the part stands as its file has it.

    Raises GateRefused ("recipe_orientation") for what is no direction.
    """
    try:
        return rotation_to(recipe.get("orientation"))
    except PolicyInvalid as error:
        remedy = "have the owner publish a revision that says it so"
        raise GateRefused(
            "recipe_orientation", f"the recipe cannot be followed: {error.message}", remedy
        ) from error


def turned(stl: bytes, rotation: Rotation) -> bytes:
    """Turn a binary STL of this program's own making, and set it down on z = 0."""
    import numpy as np

    facets = _facets(stl)
    vectors = facets["vectors"].astype(np.float64) @ np.array(rotation).T
    if len(vectors):
        vectors[:, 1:, 2] -= vectors[:, 1:, 2].min()
    facets["vectors"] = vectors + 0.0  # no negative zeros
    made: bytes = facets.tobytes()
    return stl[:_HEADER_BYTES] + made


def laid(stl: bytes, room: Sides) -> bytes:
    """Turn a binary STL a quarter about the vertical where that alone gets it into a room (mm)."""
    x, y, z = _sides(stl)
    if fits((x, y, z), room) or not fits((y, x, z), room):
        return stl
    return turned(stl, _QUARTER)


def _sides(stl: bytes) -> Sides:
    corners = _facets(stl)["vectors"][:, 1:].reshape(-1, 3)
    if not len(corners):
        return 0.0, 0.0, 0.0
    x, y, z = (corners.max(axis=0) - corners.min(axis=0)).tolist()
    return x, y, z


def _facets(stl: bytes) -> Any:
    """The facets: their normal and three corners, and the attribute."""
    import numpy as np

    facet = np.dtype([("vectors", "<f4", (4, 3)), ("attribute", "<u2")])
    return np.frombuffer(stl, facet, offset=_HEADER_BYTES).copy()
