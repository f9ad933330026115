"""The policy: what a part must satisfy, from its process, material, machine and owner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from mesh_tools.errors import PolicyInvalid
from mesh_tools.policy import fields
from mesh_tools.policy.guidelines import Guideline, guideline_of
from mesh_tools.policy.words import GRADES, PROCESSES, ROTATIONS, UNITS_MM, Grade, Rotations, Unit
from mesh_tools.toolpath.machine import MachineLimits

RECIPE_FIELDS = ("process", "material", "units", "build_volume_mm", "rotations", "wall_mm_min", "gap_mm_min",
                 "overhang_degrees_max", "cavities", "overlaps", "canonical", "machine")  # fmt: skip
"""The fields that an owner's recipe may set; whatever else it holds is not the gate's business."""

_MM_MAX = 1e5


@dataclass(frozen=True, slots=True)
class Policy:
    """What the part must satisfy. `process` is an ISO/ASTM 52900 abbreviation; lengths in mm.

    `units` names the unit of formats that carry none (STL, OBJ, PLY, OFF); None assumes millimetres and
    then holds the size to what is plausible for the process. `rotations` says how the part may be turned to
    fit `build_volume_mm`. `wall_mm_min`, `gap_mm_min`, `overhang_degrees_max`, `cavities`, `extent_mm_min`
    and `extent_mm_max` stand in place of the process's guideline where they are given; what falls short of a
    wall or gap that is given is refused, where a guideline only warns. `crossing_mm_max` is the depth to
    which facets may cut each other and bodies lie in each other before that is found; `overlaps` says what
    becomes of a part whose bodies do. `severities` overrides the severity of single codes; of those that
    refuse by default it lowers only the negotiable ones (see `catalogue`). `canonical` refuses every file but
    one in its canonical form (docs/formats/canonical-form.md). `machine` is what toolpaths are held to;
    without it every toolpath is refused.

    Raises PolicyInvalid naming the field.
    """

    process: str = "MEX"
    material: str | None = None
    build_volume_mm: tuple[float, float, float] | None = None
    rotations: Rotations = "any_axis"
    units: Unit | None = None
    wall_mm_min: float | None = None
    gap_mm_min: float | None = None
    overhang_degrees_max: float | None = None
    cavities: Grade | None = None
    overlaps: Grade = "refuse"
    canonical: bool = False
    crossing_mm_max: float = 1e-3
    shells_max: int = 1000
    extent_mm_min: float | None = None
    extent_mm_max: float | None = None
    severities: Mapping[str, Literal["refuse", "warn", "info"]] = field(default_factory=dict)
    machine: MachineLimits | None = None

    def __post_init__(self) -> None:
        fields.word("process", self.process, PROCESSES)
        fields.word("rotations", self.rotations, ROTATIONS)
        fields.count("shells_max", self.shells_max)
        fields.severities("severities", self.severities)
        if self.material is not None:
            fields.text("material", self.material)
        if self.units is not None:
            fields.word("units", self.units, tuple(UNITS_MM))
        if self.cavities is not None:
            fields.word("cavities", self.cavities, GRADES)
        fields.word("overlaps", self.overlaps, GRADES)
        fields.flag("canonical", self.canonical)
        if self.build_volume_mm is not None:
            fields.room("build_volume_mm", self.build_volume_mm)
        for name in ("wall_mm_min", "gap_mm_min", "extent_mm_min", "extent_mm_max"):
            if getattr(self, name) is not None:
                fields.within(name, getattr(self, name), 0, _MM_MAX, "a length in mm")
        fields.within("crossing_mm_max", self.crossing_mm_max, 0, _MM_MAX, "a length in mm")
        if self.overhang_degrees_max is not None:
            fields.within("overhang_degrees_max", self.overhang_degrees_max, 0, 90, "an angle in degrees")
        if self.guideline.extent_mm_min >= self.guideline.extent_mm_max:
            message = f"extent_mm_min {self.guideline.extent_mm_min:g} is not below extent_mm_max"
            raise PolicyInvalid(message, field="extent_mm_min", remedy="give a smaller length")

    @classmethod
    def of_recipe(cls, recipe: Mapping[str, Any], **own: Any) -> Policy:
        """The policy that an owner's recipe asks for, with `own` fields (a machine's) in place of its."""
        asked = {name: recipe[name] for name in RECIPE_FIELDS if recipe.get(name) is not None}
        return cls.from_json(asked | own)

    @property
    def unit_mm(self) -> float:
        """Length in mm of one unit of a format that carries none."""
        return UNITS_MM[self.units or "mm"]

    @property
    def guideline(self) -> Guideline:
        """The process's figures for the material, with the policy's own in their place."""
        names = ("wall_mm_min", "gap_mm_min", "overhang_degrees_max", "cavities", "extent_mm_min",
                 "extent_mm_max")  # fmt: skip
        own = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(guideline_of(self.process, self.material), **own)

    def to_json(self) -> dict[str, Any]:
        """The policy as plain JSON values."""
        value = asdict(self)
        value["severities"] = dict(self.severities)
        value["machine"] = None if self.machine is None else self.machine.to_json()
        value["build_volume_mm"] = None if self.build_volume_mm is None else list(self.build_volume_mm)
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Policy:
        """Read what `to_json` wrote; absent keys take the defaults, unknown ones are a PolicyInvalid."""
        unknown = sorted(str(name) for name in set(value) - set(cls.__dataclass_fields__))
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            message = f"{unknown[0]!r:.80} is no field of a policy"
            raise PolicyInvalid(message, field=unknown[0], remedy=f"the fields are {known}")
        given = dict(value)
        if given.get("build_volume_mm") is not None:
            given["build_volume_mm"] = fields.room("build_volume_mm", given["build_volume_mm"])
        if given.get("machine") is not None:
            given["machine"] = MachineLimits.from_json(given["machine"])
        return cls(**given)
