"""What this machine can build, as the people beside it described it: the gate's policy on site."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ledger.errors import TypedDataError
from ledger.json_members import label, maybe
from mesh_tools.errors import PolicyInvalid
from mesh_tools.gate import Policy
from mesh_tools.toolpath.machine import MachineLimits
from printer_agent.errors import GateRefused, IdentityError
from printer_agent.private_files import read_private, write_private

_NAME = "machine.json"
_GCODE_LINE = re.compile(r"[GMT][0-9A-Z .+-]{0,78}|[A-Z_]+( [A-Z_]+=[0-9.+-]+)*")


@dataclass(frozen=True)
class Machine:
    """A machine's build volume (mm) and the processes and materials it is set up for.

    Processes are ISO/ASTM 52900 abbreviations (MEX, VPP, PBF-LB, …). An empty `materials` accepts every
    material. `limits` are what toolpaths are held to, None refuses them all; `nozzle_mm`, `filament_mm`,
    `start_gcode` and `end_gcode` (one command a line) are for slicing. `serial` (the maker's number) and
    `batches` (the batch or lot that is loaded of each material) go into reports.
    """

    model: str
    build_volume_mm: tuple[float, float, float]
    processes: tuple[str, ...]
    materials: tuple[str, ...] = ()
    limits: MachineLimits | None = None
    nozzle_mm: float = 0.4
    filament_mm: float = 1.75
    start_gcode: tuple[str, ...] = ("G28",)
    end_gcode: tuple[str, ...] = ("M104 S0", "M140 S0", "M107")
    serial: str | None = None
    batches: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(0 < side < math.inf for side in self.build_volume_mm):
            raise IdentityError(
                "invalid_machine",
                f"build volume {self.build_volume_mm} is not three positive lengths in mm",
                "write it as 250x210x220",
            )
        if not self.processes:
            raise IdentityError("invalid_machine", "the machine has no process", "name one, such as MEX")
        if not (0 < self.nozzle_mm < math.inf and 0 < self.filament_mm < math.inf):
            raise IdentityError("invalid_machine", "nozzle_mm and filament_mm are lengths above 0")
        unsafe = [line for line in (*self.start_gcode, *self.end_gcode) if not _GCODE_LINE.fullmatch(line)]
        if unsafe:
            raise IdentityError("invalid_machine", f"{unsafe} are no G-code lines", "one command a line")

    def to_json(self) -> dict[str, Any]:
        """Give the description as JSON; of a bare one the form the service takes."""
        return {
            "model": self.model,
            "build_volume_mm": list(self.build_volume_mm),
            "processes": list(self.processes),
            "materials": list(self.materials),
            **self._toolpath_json(),
            **({} if self.serial is None else {"serial": self.serial}),
            **({"batches": dict(self.batches)} if self.batches else {}),
        }

    def _toolpath_json(self) -> dict[str, Any]:
        """What only machines with limits have."""
        if self.limits is None:
            return {}
        return {
            "limits": self.limits.to_json(),
            "nozzle_mm": self.nozzle_mm,
            "filament_mm": self.filament_mm,
            "start_gcode": list(self.start_gcode),
            "end_gcode": list(self.end_gcode),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a description; IdentityError ("invalid_machine") where a field is missing or wrong."""
        try:
            x, y, z = (float(side) for side in value["build_volume_mm"])
            return cls(
                model=str(value.get("model", "printer")),
                build_volume_mm=(x, y, z),
                processes=tuple(str(name) for name in value["processes"]),
                materials=tuple(str(name) for name in value.get("materials") or ()),
                limits=MachineLimits.from_json(value["limits"]) if value.get("limits") is not None else None,
                nozzle_mm=float(value.get("nozzle_mm", cls.nozzle_mm)),
                filament_mm=float(value.get("filament_mm", cls.filament_mm)),
                start_gcode=tuple(str(line) for line in value.get("start_gcode", cls.start_gcode)),
                end_gcode=tuple(str(line) for line in value.get("end_gcode", cls.end_gcode)),
                serial=maybe(label, value.get("serial"), "serial"),
                batches={
                    str(name): label(lot, f"batches.{name}")
                    for name, lot in dict(value.get("batches") or {}).items()
                },
            )
        except (KeyError, TypeError, ValueError, PolicyInvalid, TypedDataError) as error:
            raise IdentityError(
                "invalid_machine", f"the machine's description is wrong: {error!r}"
            ) from error

    def policy(self, recipe: Mapping[str, Any]) -> Policy:
        """Make the gate's policy for a part with this recipe on this machine: its room, the recipe's demands.

        Raises GateRefused where the recipe asks for a process or a material the machine is not set up for.
        """
        process = str(recipe.get("process") or self.processes[0])
        material = str(recipe["material"]) if recipe.get("material") else None
        if process not in self.processes:
            raise GateRefused(
                "process_not_available",
                f"the part needs {process}, this machine does {', '.join(self.processes)}",
                "authorise the print on another printer",
            )
        if self.materials and material is not None and material not in self.materials:
            raise GateRefused(
                "material_not_available",
                f"the part needs {material}, this machine is set up for {', '.join(self.materials)}",
                "load the material and add it to machine.json, or print on another printer",
            )
        limits = None if self.limits is None else self.limits.to_json()
        own = {"process": process, "build_volume_mm": self.build_volume_mm, "machine": limits}
        try:
            return Policy.of_recipe(recipe, **own)
        except PolicyInvalid as error:
            raise GateRefused("recipe", f"the recipe cannot be judged: {error}") from error


def save_machine(home: Path, machine: Machine) -> None:
    """Keep the description in the agent's home."""
    write_private(home / _NAME, json.dumps(machine.to_json(), indent=2).encode() + b"\n")


def load_machine(home: Path) -> Machine:
    """Read the description; IdentityError where it is missing or wrong."""
    path = home / _NAME
    if not path.exists():
        raise IdentityError("no_machine", f"{path} is missing", "run `partvault-printer enrol` first")
    try:
        value = json.loads(read_private(path))
    except ValueError as error:
        raise IdentityError("invalid_machine", f"{path} is not JSON: {error}") from error
    return Machine.from_json(value)
