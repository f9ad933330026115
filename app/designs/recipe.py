"""A recipe as the gate's policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mesh_tools.gate import Policy


def gate_policy(recipe: Mapping[str, Any]) -> Policy:
    """Give the policy that a recipe asks for; PolicyInvalid where it names a process or unit nobody knows."""
    volume = recipe.get("build_volume_mm")
    return Policy(
        process=recipe["process"],
        material=recipe.get("material"),
        build_volume_mm=(volume[0], volume[1], volume[2]) if volume else None,
        units=recipe.get("units"),
    )
