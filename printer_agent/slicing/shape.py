"""The shape of a validated mesh alone, written anew: nothing else of the customer's file goes further."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh_tools.canonical_words import FILE, checked
from mesh_tools.errors import Refused, SandboxUnavailable
from mesh_tools.policy.words import Rotations
from mesh_tools.sandbox import Sandbox
from printer_agent.errors import GateRefused
from printer_agent.machine import Machine
from printer_agent.slicing.orientation import rotation_of, turned

_TURNED_NAME = "turned.stl"


@dataclass(frozen=True)
class Shapes:
    """Writes shapes for one machine."""

    sandbox: Sandbox
    machine: Machine

    def standing(self, content: Iterable[bytes], filename: str, recipe: Mapping[str, Any]) -> bytes:
        """Give the binary STL (mm) of a mesh that the gate has passed, as the recipe stands it.

        Raises GateRefused where it cannot be written anew or the recipe's orientation cannot be read.
        """
        rotation = rotation_of(recipe)
        stl = self._canonical(content, filename, self.machine.policy(recipe).unit_mm)
        return stl if rotation is None else turned(stl, rotation)

    def judged(
        self, content: Iterable[bytes], filename: str, recipe: Mapping[str, Any], rotations: Rotations
    ) -> bytes:
        """Give the shape as the recipe stands it, passed by the gate so; `rotations` are those left to it."""
        stl = self.standing(content, filename, recipe)
        policy = self.machine.policy({**recipe, "units": "mm", "rotations": rotations, "canonical": False})
        seen = self.sandbox.inspect([stl], filename=_TURNED_NAME, policy=policy, pictures=False)
        if seen.verdict != "pass":
            reasons = "; ".join(f"{found.code}: {found.message}" for found in seen.reasons)
            raise GateRefused("turned", f"the gate refused the part as its recipe stands it: {reasons}")
        return stl

    def _canonical(self, content: Iterable[bytes], filename: str, unit_mm: float) -> bytes:
        try:
            answer = self.sandbox.run("canonical", [(filename, content)], {"unit_mm": unit_mm})
            form = checked(answer)
        except (Refused, SandboxUnavailable, ValueError) as error:
            raise GateRefused("canonical", f"the mesh cannot be written anew: {error}") from error
        if not form["sound"]:
            raise GateRefused("canonical", "rounding the mesh to its canonical grid spoiled it")
        return answer.blobs[FILE]
