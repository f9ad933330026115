"""A recipe as the gate's policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import Invalid
from mesh_tools.errors import PolicyInvalid
from mesh_tools.gate import Policy


def gate_policy(recipe: Mapping[str, Any]) -> Policy:
    """Give the policy that a recipe asks for; Invalid names the field that the gate cannot follow."""
    try:
        return Policy.of_recipe(recipe)
    except PolicyInvalid as error:
        raise Invalid(error.message, field=f"recipe.{error.field}", remedy=error.remedy) from None
