"""The inspection itself: read, judge, measure and draw one file. Runs inside the sandbox."""

from __future__ import annotations

import hmac
import math
from dataclasses import dataclass, replace

import numpy as np

from mesh_tools.canonical import canonical_form
from mesh_tools.comparison.solid import Solid
from mesh_tools.errors import Refused
from mesh_tools.findings import Geometry, Point, Report, finding
from mesh_tools.gate import Policy, fit, graded
from mesh_tools.intersections import intersections
from mesh_tools.limits import Limits
from mesh_tools.load import format_of, load
from mesh_tools.marked import Marked
from mesh_tools.measure import Lengths, Measures, measure
from mesh_tools.model import Body, Model, Placement
from mesh_tools.pictures.marks import findings_picture
from mesh_tools.pictures.thumbnail import thumbnail
from mesh_tools.printability.check import check_printability
from mesh_tools.shells import shell_findings
from mesh_tools.toolpath.examine import examine_toolpath, toolpath_format
from mesh_tools.topology import Fault, Topology, examine
from mesh_tools.vertex_keys import VertexKeys
from mesh_tools.welding import TOLERANCE_MM, closes_when_welded

_REACH_MM = 1e9


@dataclass(frozen=True, eq=False)
class _BodyFacts:
    number: int
    body: Body
    measures: Measures
    topology: Topology


def examine_file(
    data: memoryview, *, filename: str, policy: Policy, pictures: bool, limits: Limits
) -> Report:
    """Read and judge `data`; a refusal by the reader is a report with one finding and no geometry."""
    form = toolpath_format(data, filename, limits)
    if form is not None:
        room = policy.build_volume_mm
        toolpath, found = examine_toolpath(data, form, filename, limits, policy.machine, room)
        return Report(form, True, found, None, None, toolpath)
    try:
        model = load(data, filename, limits)
    except Refused as refusal:
        reason = finding(refusal.code, refusal.message, sample=refusal.sample)
        return Report(format_of(data, filename), False, (reason,), None, None)
    judged = judge_model(model, policy)
    if policy.canonical and judged.geometry is not None and not _is_canonical(data, model, policy):
        message = "The file is not its own canonical form, as the recipe demands."
        judged = replace(judged, marked=(*judged.marked, Marked(finding("mesh.not_canonical", message))))
    picture = None
    if pictures and judged.geometry is not None:
        picture = _picture(model, judged, policy)
    findings = tuple(marked.finding for marked in judged.marked)
    return Report(model.format, model.unit_mm is not None, findings, judged.geometry, picture)


def _is_canonical(data: memoryview, model: Model, policy: Policy) -> bool:
    """Whether the bytes are those that their own shape is given; low bits and order then say nothing."""
    form = canonical_form(Solid.of_model(model, scale_of(model, policy)))
    return form.sound and hmac.compare_digest(form.data, data)


def _picture(model: Model, judged: Judged, policy: Policy) -> bytes:
    """The part as people know it; where it is refused, with what is wrong painted on it."""
    marked = graded_marks(model, judged, policy)
    if any(row.finding.severity == "refuse" for row in marked):
        return findings_picture(model, scale_of(model, policy), marked)
    return thumbnail(model, scale_of(model, policy))


def graded_marks(model: Model, judged: Judged, policy: Policy) -> list[Marked]:
    """The findings of the bodies and those of the measures, with the policy's severities."""
    marked = list(judged.marked)
    if judged.geometry is not None:
        whole = fit(judged.geometry, policy, unit_known=model.unit_mm is not None)
        marked.extend(Marked(found) for found in whole)
    grades = graded([row.finding for row in marked], policy)
    return [replace(row, finding=grade) for row, grade in zip(marked, grades, strict=True)]


@dataclass(frozen=True, eq=False)
class Judged:
    """All that is found in a model, in order, and its measures where every coordinate is finite."""

    marked: tuple[Marked, ...]
    geometry: Geometry | None


def scale_of(model: Model, policy: Policy) -> float:
    """Length in mm of the model's unit: its own, or the policy's where its format carries none."""
    return policy.unit_mm if model.unit_mm is None else model.unit_mm


@np.errstate(over="ignore", invalid="ignore")  # what overflows is out of reach, and refused as such
def judge_model(model: Model, policy: Policy) -> Judged:
    """Look at every body, then at the whole; findings carry their default severities."""
    scale = scale_of(model, policy)
    marked = [Marked(found) for found in model.findings]
    if not any(body.facet_count for body in model.bodies):
        marked.append(Marked(finding("mesh.empty", "The file holds no facet.")))
        return Judged(tuple(marked), None)
    facts = [_facts(number, body) for number, body in enumerate(model.bodies) if body.facet_count]
    for fact in facts:
        marked.extend(_body_findings(fact, scale))
    if any(fact.measures.not_finite.count for fact in facts):
        return Judged(tuple(marked), None)
    geometry = _geometry(facts, scale)
    if not _within_reach(geometry):
        message = (
            f"The part reaches further than {_REACH_MM:g} mm from the origin, where nothing can be measured."
        )
        return Judged((*marked, Marked(finding("mesh.out_of_range", message))), None)
    shells = {fact.number: fact.topology.shell_of for fact in facts}
    marked.extend(intersections(model, scale, shells, policy.crossing_mm_max))
    built = check_printability(model.bodies, geometry, policy, scale=scale)
    return Judged((*marked, *built.marked), built.geometry)


def _within_reach(geometry: Geometry) -> bool:
    extremes = [abs(axis) for corner in geometry.bounds_mm for axis in corner]
    return (
        max(extremes) <= _REACH_MM and math.isfinite(geometry.volume_mm3) and math.isfinite(geometry.area_mm2)
    )


def _facts(number: int, body: Body) -> _BodyFacts:
    measures = measure(body)
    return _BodyFacts(number, body, measures, examine(VertexKeys().of_corners(body)))


def _body_findings(fact: _BodyFacts, scale: float) -> list[Marked]:
    body, topology, measures = fact.body, fact.topology, fact.measures
    named = f" in {body.name}" if body.name else ""
    rows = (
        ("mesh.not_finite", measures.not_finite, "facets with a coordinate that is not finite"),
        ("mesh.open_edges", topology.open_edges, "open edges"),
        ("mesh.non_manifold_edges", topology.crowded_edges, "edges with more than two facets"),
        ("mesh.winding", topology.winding, "edges whose two facets disagree about the outside"),
        ("mesh.duplicate_facets", topology.duplicates, "facets that stand twice"),
        ("mesh.degenerate_facets", measures.flat, "facets without area"),
    )
    found = [
        _marked(fact, fault, code, f"{fault.count} {words}{named}.", scale)
        for code, fault, words in rows
        if fault.count
    ]
    if not measures.not_finite.count:
        if topology.open_edges.count and closes_when_welded(body, scale):
            message = f"The holes{named} close when corners within {TOLERANCE_MM} mm are welded."
            found.append(Marked(finding("mesh.open_edges_welded", message), fact.number))
        mirrored = sum(float(np.linalg.det(placement[:3])) < 0 for placement in body.placements)
        if mirrored:
            message = f"{mirrored} transforms mirror the part{named}."
            found.append(Marked(finding("mesh.mirrored", message, count=mirrored), fact.number))
        shells = shell_findings(body, topology, measures, scale)
        found.extend(Marked(row, fact.number) for row in shells)
    return found


def _marked(fact: _BodyFacts, fault: Fault, code: str, message: str, scale: float) -> Marked:
    found = finding(code, message, count=fault.count, sample=_where(fact.body, fault, scale))
    return Marked(found, fact.number, fault.facets)


def _where(body: Body, fault: Fault, scale: float) -> Point | None:
    first = int(fault.facets[0])
    centre = body.corners(first, first + 1)[0].astype(np.float64).mean(axis=0)
    if not np.isfinite(centre).all():
        return None
    placed = (centre @ body.placements[0][:3] + body.placements[0][3]) * scale
    return (float(placed[0]), float(placed[1]), float(placed[2]))


def _geometry(facts: list[_BodyFacts], scale: float) -> Geometry:
    lows, highs, volume, area = [], [], 0.0, 0.0
    for fact in facts:
        for placement in fact.body.placements:
            low, high = _placed_bounds(fact, placement)
            lows.append(low * scale)
            highs.append(high * scale)
            volume += fact.measures.volume * abs(float(np.linalg.det(placement[:3]))) * scale**3
            area += _placed_area(fact, placement) * scale**2
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)

    def total(counts: list[int]) -> int:
        return sum(count * len(fact.body.placements) for count, fact in zip(counts, facts, strict=True))

    return Geometry(
        facets=total([fact.body.facet_count for fact in facts]),
        vertices=total([fact.topology.vertices for fact in facts]),
        bodies=sum(len(fact.body.placements) for fact in facts),
        shells=total([fact.topology.shells for fact in facts]),
        volume_mm3=volume,
        area_mm2=area,
        bounds_mm=(
            (float(low[0]), float(low[1]), float(low[2])),
            (float(high[0]), float(high[1]), float(high[2])),
        ),
        watertight=all(fact.topology.sound for fact in facts),
    )


def _placed_bounds(fact: _BodyFacts, placement: Placement) -> tuple[Lengths, Lengths]:
    linear = placement[:3]
    if np.count_nonzero(linear) == 3 and np.count_nonzero(np.diag(linear)) == 3:
        ends = (
            np.stack([fact.measures.low * np.diag(linear), fact.measures.high * np.diag(linear)])
            + placement[3]
        )
        return ends.min(axis=0), ends.max(axis=0)
    lows, highs = [], []
    for _, corners in fact.body.chunks():
        placed = corners.reshape(-1, 3).astype(np.float64) @ linear + placement[3]
        lows.append(placed.min(axis=0))
        highs.append(placed.max(axis=0))
    return np.min(lows, axis=0), np.max(highs, axis=0)


def _placed_area(fact: _BodyFacts, placement: Placement) -> float:
    linear = placement[:3]
    gram = linear @ linear.T
    factor = gram[0, 0]
    if np.allclose(gram, factor * np.eye(3), rtol=1e-9, atol=0):
        return fact.measures.area * float(factor)
    return sum(
        float(np.linalg.norm(np.cross(edges[:, 1], edges[:, 2]), axis=1).sum()) / 2
        for _, corners in fact.body.chunks()
        for edges in [(corners.astype(np.float64) - corners[:, :1]) @ linear]
    )
