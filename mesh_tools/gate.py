"""From findings to a verdict: the policy of a process, a machine and an owner."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from mesh_tools.catalogue import NEGOTIABLE
from mesh_tools.errors import PolicyInvalid
from mesh_tools.findings import Finding, Geometry, Severity, Verdict, finding

PROCESSES: Final = ("MEX", "PBF-LB", "VPP", "BJT", "MJT", "DED", "SHL")
UNITS_MM: Final[Mapping[str, float]] = {
    "micron": 0.001, "mm": 1.0, "cm": 10.0, "inch": 25.4, "foot": 304.8, "m": 1000.0,
}  # fmt: skip
Unit = Literal["micron", "mm", "cm", "inch", "foot", "m"]

_FIT_SLACK_MM = 1e-6
_POWDER_OR_RESIN = frozenset({"PBF-LB", "VPP", "BJT"})


@dataclass(frozen=True, slots=True)
class Policy:
    """What the part must satisfy. `process` is an ISO/ASTM 52900 abbreviation; lengths in mm.

    `units` names the unit of formats that carry none (STL, OBJ, PLY, OFF); None assumes millimetres and
    then holds the size to what is plausible for that. `severities` overrides the severity of single
    codes; of those that refuse by default it lowers only the negotiable ones (see `catalogue`).
    """

    process: str = "MEX"
    material: str | None = None
    build_volume_mm: tuple[float, float, float] | None = None
    units: Unit | None = None
    shells_max: int = 1000
    extent_mm_min: float = 0.5
    extent_mm_max: float = 5000.0
    severities: Mapping[str, Severity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.process not in PROCESSES:
            raise PolicyInvalid(f"process {self.process!r} is not one of {', '.join(PROCESSES)}")
        if self.units is not None and self.units not in UNITS_MM:
            raise PolicyInvalid(f"units {self.units!r} is not one of {', '.join(UNITS_MM)}")
        unknown = set(self.severities.values()) - {"refuse", "warn", "info"}
        if unknown:
            raise PolicyInvalid(f"severities {sorted(unknown)} are not refuse, warn or info")
        volume = self.build_volume_mm
        if volume is not None and not all(math.isfinite(axis) and axis > 0 for axis in volume):
            raise PolicyInvalid(f"build_volume_mm {volume!r} is not three positive lengths")

    @property
    def unit_mm(self) -> float:
        """Length in mm of one unit of a format that carries none."""
        return UNITS_MM[self.units or "mm"]

    def to_json(self) -> dict[str, Any]:
        """The policy as plain JSON values."""
        return {
            "process": self.process,
            "material": self.material,
            "build_volume_mm": None if self.build_volume_mm is None else list(self.build_volume_mm),
            "units": self.units,
            "shells_max": self.shells_max,
            "extent_mm_min": self.extent_mm_min,
            "extent_mm_max": self.extent_mm_max,
            "severities": dict(self.severities),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Policy:
        """Read what `to_json` wrote; absent keys take the defaults, unknown ones are a PolicyInvalid."""
        unknown = set(value) - set(cls.__dataclass_fields__)
        if unknown:
            raise PolicyInvalid(f"unknown policy fields: {', '.join(sorted(unknown))}")
        given = dict(value)
        volume = given.get("build_volume_mm")
        if volume is not None:
            if not isinstance(volume, list | tuple) or len(volume) != 3:
                raise PolicyInvalid(f"build_volume_mm {volume!r} is not three positive lengths")
            given["build_volume_mm"] = tuple(float(axis) for axis in volume)
        return cls(**given)


def judge(findings: Iterable[Finding], policy: Policy) -> Verdict:
    """`pass` when no finding refuses under `policy`, else `refuse`."""
    return "refuse" if any(found.severity == "refuse" for found in graded(findings, policy)) else "pass"


def graded(findings: Iterable[Finding], policy: Policy) -> tuple[Finding, ...]:
    """The findings with the policy's severities."""
    return tuple(_grade(found, policy) for found in findings)


def fit(geometry: Geometry, policy: Policy, *, unit_known: bool) -> tuple[Finding, ...]:
    """What the measures say under `policy`: units, plausible size, build volume, number of shells."""
    found: list[Finding] = []
    extent = max(geometry.size_mm)
    if not unit_known and policy.units is None:
        found.append(finding("units.assumed", "The format has no unit; millimetres were assumed."))
        if not policy.extent_mm_min <= extent <= policy.extent_mm_max:
            limits = f"{policy.extent_mm_min:g} to {policy.extent_mm_max:g} mm"
            found.append(
                finding("units.doubtful", f"The longest side would be {extent:.4g} mm; plausible: {limits}.")
            )
    if geometry.shells > policy.shells_max:
        message = f"{geometry.shells} shells; the policy allows {policy.shells_max}."
        found.append(finding("mesh.shells", message, count=geometry.shells))
    if policy.build_volume_mm is not None:
        found.extend(_build_volume(geometry.size_mm, policy.build_volume_mm))
    return tuple(found)


def _build_volume(size: tuple[float, float, float], room: tuple[float, float, float]) -> Iterable[Finding]:
    text = f"{_lengths(size)} into {_lengths(room)}"
    if _fits(size, room):
        return ()
    if any(_fits(turned, room) for turned in itertools.permutations(size)):
        return (finding("build.turned", f"The part fits only turned: {text}."),)
    return (finding("build.too_large", f"The part does not fit the build volume: {text}."),)


def _fits(size: Iterable[float], room: Iterable[float]) -> bool:
    return all(side <= space + _FIT_SLACK_MM for side, space in zip(size, room, strict=True))


def _lengths(sides: Iterable[float]) -> str:
    return " × ".join(f"{side:.4g}" for side in sides) + " mm"


def _grade(found: Finding, policy: Policy) -> Finding:
    if found.severity == "refuse" and found.code not in NEGOTIABLE:
        return found
    severity = policy.severities.get(found.code)
    if severity is None and found.code == "mesh.cavities" and policy.process not in _POWDER_OR_RESIN:
        severity = "info"
    return found if severity is None else replace(found, severity=severity)
