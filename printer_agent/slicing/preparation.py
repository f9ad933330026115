"""What a driver gets of a file: the file, its shape turned as the recipe says, or a toolpath of it.

| file | driver takes meshes | driver takes G-code |
|---|---|---|
| mesh, as it stands | the file | sliced |
| mesh, recipe turns it | its shape, turned, as STL | turned, then sliced |
| G-code | the file | the file |
| G-code in a package | the file | refused |

A toolpath stands as it was made: its recipe's orientation says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mesh_tools.policy.words import Rotations
from mesh_tools.sandbox import Sandbox
from printer_agent.drivers.base import Driver
from printer_agent.errors import GateRefused, NotReady
from printer_agent.machine import Machine
from printer_agent.release import PrintFile
from printer_agent.slicing.orientation import rotation_of
from printer_agent.slicing.profile import profile
from printer_agent.slicing.shape import Shapes
from printer_agent.slicing.toolpath import Slicer, Toolpaths


def delivered_format(file: PrintFile, driver: Driver) -> str:
    """Give the format of what the driver gets."""
    if not driver.takes_meshes:
        return "gcode"
    return "stl" if turns(file) else file.format


@dataclass(frozen=True)
class Preparation:
    """Prepares files for one driver of one machine."""

    driver: Driver
    machine: Machine
    sandbox: Sandbox
    slicer: Slicer

    def require(self, file: PrintFile) -> None:
        """Refuse, while nothing is consumed, what would be refused for certain.

        Raises GateRefused for what can never be printed here, NotReady where the slicer is missing now.
        """
        turns(file)
        if not self._slices(file):
            return
        if "gcode" in file.format:
            raise GateRefused("format", f"{self.driver.name} hosts take plain G-code, not {file.format}")
        profile(file.recipe, self.machine)
        try:
            self.slicer.check()
        except GateRefused as error:
            raise NotReady(error.kind, error.message, error.remedy) from error

    def standing(self, file: PrintFile, content: Iterable[bytes]) -> bytes | None:
        """Give the shape (binary STL, mm) of a part for a plate, where its recipe turns it; else None.

        On the plate it may turn about the vertical. Raises GateRefused where it cannot be made, or the gate
        refuses it as it stands.
        """
        if not turns(file):
            return None
        return Shapes(self.sandbox, self.machine).judged(content, file.filename, file.recipe, "about_z")

    def prepared(self, file: PrintFile, content: Iterable[bytes]) -> bytes | None:
        """Give what the driver gets of a file that the gate has passed; None where it is the file itself.

        Raises GateRefused where it cannot be made, or the gate refuses what was made.
        """
        if self._slices(file):
            toolpaths = Toolpaths(self.slicer, self.sandbox, self.machine)
            return toolpaths.of_mesh(content, file.filename, file.recipe)
        if turns(file):
            left: Rotations = "none" if file.recipe.get("rotations") == "none" else "about_z"
            return Shapes(self.sandbox, self.machine).judged(content, file.filename, file.recipe, left)
        return None

    def _slices(self, file: PrintFile) -> bool:
        return not self.driver.takes_meshes and file.format != "gcode"


def turns(file: PrintFile) -> bool:
    """Whether a file's recipe turns it; GateRefused where its orientation is no direction."""
    return "gcode" not in file.format and rotation_of(file.recipe) is not None
