"""The toolpath of a validated mesh: canonical form, own settings, slicer, and the gate once more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mesh_tools.sandbox import Sandbox
from printer_agent.errors import GateRefused
from printer_agent.machine import Machine
from printer_agent.slicing.orientation import laid
from printer_agent.slicing.profile import profile
from printer_agent.slicing.shape import Shapes

_TOOLPATH_NAME = "out.gcode"


class Slicer(Protocol):
    """What makes G-code of a mesh; two of them: PrusaSlicer, and any other that keeps the promise."""

    def check(self) -> str:
        """Say that it can be used; GateRefused where not."""
        ...

    def slice(self, stl: bytes, profile: str) -> bytes:
        """Give the G-code of a binary STL in mm; GateRefused where it cannot."""
        ...


@dataclass(frozen=True)
class Toolpaths:
    """Makes toolpaths for one machine."""

    slicer: Slicer
    sandbox: Sandbox
    machine: Machine

    def of_mesh(self, content: Iterable[bytes], filename: str, recipe: Mapping[str, Any]) -> bytes:
        """Give the G-code of a mesh that the gate has passed.

        1. The settings are made of the recipe by the allow-list.
        2. The sandbox reads the file and writes its shape anew: nothing else of it reaches the slicer. It is
           turned as the recipe says, and a quarter about the vertical where it fits this machine only so.
        3. The slicer runs, locked down.
        4. The gate judges what came out as any toolpath, under the machine's limits.

        Raises GateRefused where any of it does not hold.
        """
        # (1) settings
        policy = self.machine.policy(recipe)
        settings = profile(recipe, self.machine)
        # (2) the shape alone
        stl = Shapes(self.sandbox, self.machine).standing(content, filename, recipe)
        if recipe.get("rotations") != "none":
            stl = laid(stl, self.machine.build_volume_mm)
        # (3) the slicer
        gcode = self.slicer.slice(stl, settings)
        # (4) the gate once more
        seen = self.sandbox.inspect([gcode], filename=_TOOLPATH_NAME, policy=policy, pictures=False)
        if seen.verdict != "pass":
            reasons = "; ".join(f"{found.code}: {found.message}" for found in seen.reasons)
            raise GateRefused("toolpath", f"the gate refused what the slicer made: {reasons}")
        return gcode
