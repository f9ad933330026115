"""Facets that cut each other, and shells or bodies that lie in each other's material, as findings.

1. Candidates are facets whose boxes overlap (`box_tree`). Around most vertices a linear test (`stars`) proves
   the facets apart, and no two of them are compared.
2. All other candidates are compared by the depth of their overlap (`meeting`).
3. Shells that cut no other are looked up in the material of the others (`nesting`), and so are the bodies of
   a model where their boxes overlap (`instances`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from mesh_tools.components import Labels
from mesh_tools.errors import Refused
from mesh_tools.findings import Point, finding
from mesh_tools.intersections.box_tree import Places
from mesh_tools.intersections.budget import Budget
from mesh_tools.intersections.instances import overlaps_between
from mesh_tools.intersections.solid import Solid
from mesh_tools.intersections.surface import Tolerance
from mesh_tools.intersections.within import overlaps_within
from mesh_tools.marked import Marked
from mesh_tools.model import Body, Model
from mesh_tools.topology import examine
from mesh_tools.vertex_keys import VertexKeys
from mesh_tools.welding import TOLERANCE_MM

CROSSING: Final = "mesh.self_intersections"
OVERLAPPING: Final = "mesh.overlapping_bodies"

_SMALL_MM: Final = 10.0
_TOLD_MAX: Final = 500
"""Overlaps between instances after which the search stops: the answer is known."""


class _Found:
    """What was found so far: facets by code and body, and whether the search was cut off."""

    def __init__(self) -> None:
        self.facets: dict[tuple[str, int], Places] = {}
        self.complete = True

    def add(self, code: str, body: int, facets: Places) -> None:
        before = self.facets.get((code, body), facets[:0])
        if len(facets):
            self.facets[code, body] = np.union1d(before, facets)


def intersections(
    model: Model,
    unit_mm: float,
    shells: Mapping[int, Labels] | None = None,
    tolerance_mm: float = TOLERANCE_MM,
) -> list[Marked]:
    """Findings `mesh.self_intersections`, `mesh.overlapping_bodies` and `limit.facet_pairs` about `model`.

    `unit_mm` is the length of the model's unit; coordinates are finite. `shells` are the labels of a body's
    facets as `topology.examine` gives them, by the body's number; they are found anew where absent. Facets
    that reach no deeper than `tolerance_mm` into each other touch, and so do those that lie in one plane face
    to face; on a body smaller than 10 mm the tolerance is smaller in proportion.
    """
    bodies, asked = model.bodies, Tolerance(tolerance_mm / unit_mm, _SMALL_MM / unit_mm)
    found, budget = _Found(), Budget(sum(body.facet_count * len(body.placements) for body in bodies))
    stopped = []
    try:
        solids = [_solid(number, body, shells or {}) for number, body in enumerate(bodies)]
        for number, solid in enumerate(solids):
            if solid is not None:
                within = overlaps_within(solid, asked, budget)
                found.add(CROSSING, number, within.crossing)
                found.add(OVERLAPPING, number, within.overlapping)
                found.complete &= within.complete
        for told, (number, facets) in enumerate(overlaps_between(solids, asked, budget)):
            found.add(OVERLAPPING, number, facets)
            if told >= _TOLD_MAX:
                found.complete = False
                break
    except Refused as refusal:
        stopped.append(Marked(finding(refusal.code, refusal.message)))
    if not found.complete:  # a policy may allow what was found, not what was not looked for
        message = "So many facets cut each other that the search was stopped."
        stopped.append(Marked(finding("limit.facet_pairs", message)))
    return [*_marked(bodies, found, unit_mm), *stopped]


def _solid(number: int, body: Body, shells: Mapping[int, Labels]) -> Solid | None:
    labels = shells.get(number)
    if labels is None:
        labels = examine(VertexKeys().of_corners(body)).shell_of
    return Solid.of(body, labels)


def _marked(bodies: Sequence[Body], found: _Found, unit_mm: float) -> list[Marked]:
    words = {
        CROSSING: "facets{} cut through others or are folded onto them",
        OVERLAPPING: "facets{} reach into another shell or body, or lie in its material",
    }
    marked = []
    for (code, number), facets in sorted(found.facets.items()):
        body = bodies[number]
        named = f" in {body.name}" if body.name else ""
        least = "" if found.complete else "At least "
        message = f"{least}{len(facets)} {words[code].format(named)}."
        sample = _where(body, int(facets[0]), unit_mm)
        marked.append(Marked(finding(code, message, count=len(facets), sample=sample), number, facets))
    return marked


def _where(body: Body, facet: int, unit_mm: float) -> Point:
    centre = body.corners(facet, facet + 1)[0].astype(np.float64).mean(axis=0)
    x, y, z = (centre @ body.placements[0][:3] + body.placements[0][3]) * unit_mm
    return (float(x), float(y), float(z))
