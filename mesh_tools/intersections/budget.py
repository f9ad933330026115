"""How much comparing a model may cost: beyond it the answer is a refusal, never a guess."""

from __future__ import annotations

from typing import Final

from mesh_tools.errors import Refused

_BASE: Final = 50_000_000
_PER_FACET: Final = 300


class Budget:
    """How many pairs of facets may still be compared, for the whole model."""

    def __init__(self, facets: int) -> None:
        self.allowed = self.left = _BASE + _PER_FACET * facets

    def spend(self, pairs: int) -> None:
        """Count `pairs`; Refused (limit.facet_pairs) when there were too many."""
        self.left -= pairs
        if self.left < 0:
            message = f"More than {self.allowed} pairs of facets lie so that they may cut each other."
            raise Refused("limit.facet_pairs", message)
