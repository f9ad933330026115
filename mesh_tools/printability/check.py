"""Judges a closed part by what its process can build: walls, gaps, overhangs, build volume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mesh_tools.findings import Geometry, Severity, finding
from mesh_tools.gate import fits, judge, sized
from mesh_tools.marked import Marked
from mesh_tools.model import Body
from mesh_tools.policy.policy import Policy
from mesh_tools.printability.build_volume import build_findings
from mesh_tools.printability.measured import Spread
from mesh_tools.printability.opposite import distances
from mesh_tools.printability.overhang import Overhang, overhang
from mesh_tools.printability.placed import Placed, place
from mesh_tools.printability.rays import Rays
from mesh_tools.printability.sampling import sample

UNBUILDABLE_SHARE = 0.1
"""So much of the surface thinner than any wall of the process refuses the part."""

OVERHANG_SHARE_MIN = 0.01

EXTENT_MM_MIN = 1e-3
"""A part smaller than this is no matter of walls."""

_BODIES_MAX = 16


@dataclass(frozen=True, eq=False)
class Printability:
    """The findings, and the geometry with what was measured for them."""

    marked: tuple[Marked, ...]
    geometry: Geometry


def check_printability(
    bodies: Sequence[Body], geometry: Geometry, policy: Policy, *, scale: float
) -> Printability:
    """Measure and judge. `geometry` is of `bodies` and `scale` (mm); rays are cast where it is watertight.

    A wall under a guideline warns, since it is sampled and a guideline. It refuses when the policy itself
    sets the least wall, or when a tenth of the surface is thinner than the process makes at all. Gaps refuse
    only where the policy sets them. A part that is refused for its many shells is not measured.
    """
    if _refused_for_shells(geometry, policy):
        return Printability((), geometry)
    sound = geometry.watertight and geometry.volume_mm3 > 0 and max(geometry.size_mm) >= EXTENT_MM_MIN
    room = policy.build_volume_mm
    if not sound and (room is None or fits(geometry.size_mm, room)):
        return Printability((), geometry)
    placed = place(bodies, scale, geometry)
    marked: list[Marked] = []
    if room is not None:
        found = build_findings(placed, geometry.size_mm, room, policy.rotations)
        marked.extend(Marked(row) for row in found)
    if not sound:
        return Printability(tuple(marked), geometry)
    rays, samples = Rays(placed), sample(placed)
    walls = Spread(samples, distances(placed, rays, samples, "inward"))
    gaps = Spread(samples, distances(placed, rays, samples, "outward"))
    degrees = policy.guideline.overhang_degrees_max
    hanging = None if degrees is None else overhang(placed, degrees)
    marked.extend(_walls(placed, walls, policy))
    marked.extend(_gaps(placed, gaps, policy))
    if hanging is not None and hanging.share >= OVERHANG_SHARE_MIN:
        marked.append(_overhang(placed, hanging, policy))
    measured = replace(
        geometry,
        wall_mm=_rounded(walls.least, walls.first_percentile),
        gap_mm=_rounded(gaps.least, gaps.first_percentile),
        overhang_share=None if hanging is None else round(hanging.share, 6),
    )
    return Printability(tuple(marked), measured)


def _refused_for_shells(geometry: Geometry, policy: Policy) -> bool:
    """Whether there are more shells than the policy lets pass: their rays could cost any amount."""
    found = [row for row in sized(geometry, policy, unit_known=True) if row.code == "mesh.shells"]
    return judge(found, policy) == "refuse"


def _walls(placed: Placed, walls: Spread, policy: Policy) -> Iterator[Marked]:
    limit, floor = policy.guideline.wall_mm_min, policy.guideline.wall_mm_floor
    if limit is None or floor is None:
        return
    short = walls.short(limit)
    unbuildable = walls.share(walls.short(floor)) >= UNBUILDABLE_SHARE
    severity: Severity = "refuse" if policy.wall_mm_min is not None or unbuildable else "warn"
    ending = f"; a tenth and more is below {floor:g} mm, which {policy.process} cannot build" * unbuildable
    what = f"of the surface is wall thinner than {limit:g} mm"
    yield from _short(placed, walls, short, ("wall.thin", severity, what, ending))


def _gaps(placed: Placed, gaps: Spread, policy: Policy) -> Iterator[Marked]:
    limit = policy.guideline.gap_mm_min
    if limit is None:
        return
    severity: Severity = "warn" if policy.gap_mm_min is None else "refuse"
    what = f"of the surface faces a gap narrower than {limit:g} mm"
    yield from _short(placed, gaps, gaps.short(limit), ("gap.thin", severity, what, ""))


def _short(
    placed: Placed, spread: Spread, short: NDArray[np.bool_], words: tuple[str, Severity, str, str]
) -> Iterator[Marked]:
    """A finding for each body that falls short, up to `_BODIES_MAX` of them, the smallest distance first."""
    code, severity, what, ending = words
    numbers, facets = placed.origin_of(spread.samples.facets)
    least = np.full(int(placed.bodies.max()) + 1, np.inf)
    np.minimum.at(least, numbers[short], spread.distances[short])
    for body in np.argsort(least, kind="stable")[: min(_BODIES_MAX, len(np.unique(numbers[short])))]:
        here = short & (numbers == body)
        thinnest = int(np.where(here, spread.distances, np.inf).argmin())
        share = f"{spread.share(here):.2%} {what}" if spread.share(here) else f"Less than 0.01% {what}"
        message = f"{share}, the thinnest sampled {least[body]:.3g} mm{ending} (sampled)."
        found = finding(code, message, count=int(np.count_nonzero(here)),
                        sample=placed.point_mm(spread.samples.points[thinnest]))  # fmt: skip
        yield Marked(replace(found, severity=severity), int(body), np.unique(facets[here]).astype(np.int32))


def _overhang(placed: Placed, hanging: Overhang, policy: Policy) -> Marked:
    """One finding, on the body that hangs over most, at its broadest facet."""
    numbers, within = placed.origin_of(hanging.facets)
    areas = placed.areas[hanging.facets]
    body = int(np.bincount(numbers, areas).argmax())
    here = numbers == body
    broadest = hanging.facets[int(np.where(here, areas, -1).argmax())]
    degrees = policy.guideline.overhang_degrees_max
    message = f"As the part stands, {hanging.share:.1%} of its surface leans more than {degrees:g}° outward."
    found = finding("overhang.share", message, count=len(hanging.facets),
                    sample=placed.point_mm(placed.corners[broadest].mean(axis=0)))  # fmt: skip
    return Marked(found, body, np.unique(within[here]).astype(np.int32))


def _rounded(least: float | None, percentile: float | None) -> tuple[float, float] | None:
    return None if least is None or percentile is None else (round(least, 4), round(percentile, 4))
