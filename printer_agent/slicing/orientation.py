"""The signed recipe's orientation, applied to a part's shape (`mesh_tools.orientation`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mesh_tools.errors import PolicyInvalid
from mesh_tools.orientation import Rotation, rotation_to
from printer_agent.errors import GateRefused

_HEADER_BYTES = 84


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

    facet = np.dtype([("vectors", "<f4", (4, 3)), ("attribute", "<u2")])
    facets = np.frombuffer(stl, facet, offset=_HEADER_BYTES).copy()
    vectors = facets["vectors"].astype(np.float64) @ np.array(rotation).T
    if len(vectors):
        vectors[:, 1:, 2] -= vectors[:, 1:, 2].min()
    facets["vectors"] = vectors + 0.0  # no negative zeros
    return stl[:_HEADER_BYTES] + facets.tobytes()
