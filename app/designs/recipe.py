"""A recipe as the gate's policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import Invalid
from mesh_tools.errors import PolicyInvalid
from mesh_tools.gate import Policy

_REMEDY = "give the limits as docs/formats/policy.md describes them, or leave the machine out"


def gate_policy(recipe: Mapping[str, Any]) -> Policy:
    """Give the policy that a recipe asks for; Invalid names the field that the gate cannot follow."""
    try:
        return Policy.of_recipe(recipe)
    except PolicyInvalid as error:
        field = error.field or "machine"  # whose limits alone are named within the message
        raise Invalid(error.message, field=f"recipe.{field}", remedy=error.remedy or _REMEDY) from None
