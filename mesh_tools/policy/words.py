"""The words of a policy: processes, units, rotations, what becomes of cavities, overlaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Process = Literal["MEX", "PBF-LB", "VPP", "BJT", "MJT", "DED", "SHL"]
Unit = Literal["micron", "mm", "cm", "inch", "foot", "m"]
Rotations = Literal["none", "about_z", "any_axis", "any"]
Grade = Literal["allow", "warn", "refuse"]

PROCESSES: Final = ("MEX", "PBF-LB", "VPP", "BJT", "MJT", "DED", "SHL")
"""Abbreviations of ISO/ASTM 52900: material extrusion, laser powder bed fusion, vat photopolymerization,
binder jetting, material jetting, directed energy deposition, sheet lamination."""

UNITS_MM: Final[Mapping[str, float]] = {
    "micron": 0.001, "mm": 1.0, "cm": 10.0, "inch": 25.4, "foot": 304.8, "m": 1000.0,
}  # fmt: skip
"""Length in mm of each unit."""

ROTATIONS: Final = ("none", "about_z", "any_axis", "any")
"""How a part may be turned to fit: as it stands; by any angle about the vertical; with any of its axes up and
then about the vertical; any way at all."""

GRADES: Final = ("allow", "warn", "refuse")
SEVERITIES: Final = ("refuse", "warn", "info")
