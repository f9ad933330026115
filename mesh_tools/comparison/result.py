"""The answer of a comparison, and its JSON form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mesh_tools.comparison.motion import Motion
from mesh_tools.comparison.places import Place
from mesh_tools.comparison.sections import SectionDifference
from mesh_tools.comparison.solid import Solid
from mesh_tools.comparison.words import ACCEPTED, Kind


@dataclass(frozen=True, eq=False)
class Comparison:
    """`kind`: what the file is to the master.

    - `identical`: the same bytes.
    - `same`: the same facets, in any order, within the tolerance.
    - `remeshed`: other facets, the same surface within the tolerance.
    - `moved`: the same surface after a rigid motion.
    - `rescaled`: the same surface after a motion and a change of scale, as a wrong unit makes.
    - `mirrored`: the same surface after a reflection, and not without one.
    - `altered`: none of these; `places` says where, as seen from the best motion found.

    `tolerance_mm` is the tolerance on flat faces, `distance_mm` the largest distance between the surfaces.
    """

    kind: Kind
    tolerance_mm: float = 0.0
    distance_mm: float = 0.0
    motion: Motion | None = None
    places: tuple[Place, ...] = ()
    reasons: tuple[str, ...] = ()
    section: SectionDifference | None = None
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether the file may stand for the master."""
        return self.kind in ACCEPTED

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "kind": self.kind,
            "accepted": self.accepted,
            "tolerance_mm": self.tolerance_mm,
            "distance_mm": self.distance_mm,
            "motion": None if self.motion is None else self.motion.to_json(),
            "places": [place.to_json() for place in self.places],
            "reasons": list(self.reasons),
            "measures": self.measures,
        }


def measures(solid: Solid) -> dict[str, Any]:
    """What a solid measures, in mm, for people and for the record."""
    return {
        "facets": len(solid.corners),
        "vertices": len(solid.vertices),
        "shells": solid.shells,
        "euler_number": solid.euler_number,
        "volume_mm3": solid.volume,
        "area_mm2": solid.area,
        "inertia_mm5": solid.inertia.tolist(),
        "bounds_mm": solid.bounds.tolist(),
    }
