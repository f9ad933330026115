"""The comparison itself: is the file's surface the master's, as it stands or after a motion?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from mesh_tools.comparison.alignment import FINE_POINTS, ROUNDS_FINE, aligned, refined, sampled
from mesh_tools.comparison.deviation import deviations
from mesh_tools.comparison.distance import nearest
from mesh_tools.comparison.motion import Motion
from mesh_tools.comparison.pieces import Pieces
from mesh_tools.comparison.places import Deviations, Place, places
from mesh_tools.comparison.result import Comparison, measures
from mesh_tools.comparison.sections import SectionDifference, worst_section
from mesh_tools.comparison.solid import Floats, Solid
from mesh_tools.comparison.tolerance import base_tolerance, facet_tolerances
from mesh_tools.comparison.words import Kind

UNITS = (0.001, 0.01, 0.1, 1 / 304.8, 1 / 25.4, 1.0, 25.4, 304.8, 10.0, 100.0, 1000.0)
_UNIT_SLACK = 0.05
_QUICK_POINTS = 1500
_IN_PLACE, _NEARLY_IN_PLACE, _BETTER = 0.5, 0.95, 0.02
_ALL_BUT_SPECKS = 0.998
_AREA_SLACK = 0.03


@dataclass(frozen=True, eq=False)
class _Fit:
    """The file after one motion: what lies off, what its measures contradict."""

    motion: Motion
    solid: Solid
    found: Deviations
    distance: float
    section: SectionDifference
    reasons: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not self.reasons


def compare(master: Solid, file: Solid) -> Comparison:
    """Compare two parts whose bytes differ.

    1. As it stands, unless a few samples tell that most of it lies off: `same` or `remeshed`.
    2. Where volume, area and inertia allow it, after rigid motions (`moved`) and reflections (`mirrored`).
    3. After the change of scale that the volumes suggest: `rescaled`, or `mirrored` with a factor.
    4. Else `altered`, with the places, seen from the motion that brings most of the surface into place.
    """
    test = _Test(master, file)
    # (1) as it stands
    fit = test.fit(Motion.none()) if test.share_in_place >= _IN_PLACE else None
    if fit is not None and fit.whole:
        return test.answer("same" if _same_facets(master, file) else "remeshed", fit)
    # (2) moved or mirrored, (3) rescaled
    for kind, motion in test.motions():
        if test.tried(motion) >= _ALL_BUT_SPECKS:
            other = test.fit(motion)
            if other.whole:
                return test.answer(kind, other)
    # (4) altered
    best = test.best_motion()
    if fit is None or best is not None:
        fit = test.fit(best or Motion.none())
    return test.answer("altered", fit)


class _Test:
    """The two parts, cut into pieces, and the tolerances of the master."""

    def __init__(self, master: Solid, file: Solid) -> None:
        self.master, self.file = master, file
        self.base = base_tolerance(master)
        self.tolerances = facet_tolerances(master)
        self.master_pieces, self.file_pieces = Pieces.of(master), Pieces.of(file)
        self.quick_points = sampled(self.file_pieces, _QUICK_POINTS)
        self.share_in_place = self.share_within(Motion.none())
        self._best: tuple[float, Motion | None] = (self.share_in_place, None)

    def fit(self, motion: Motion) -> _Fit:
        """Test every sample, and the measures, under one motion."""
        pieces = self.file_pieces.moved(motion)
        solid = pieces.solid
        found, distance = deviations(self.master_pieces, pieces, self.tolerances)
        section = worst_section(self.master, solid, float(self.tolerances.max()))
        return _Fit(motion, solid, found, distance, section, tuple(self._reasons(solid, found, section)))

    def _reasons(self, solid: Solid, found: Deviations, section: SectionDifference) -> Iterator[str]:
        if len(found.points):
            yield "surface"
        if abs(solid.volume - self.master.volume) > self.volume_slack:
            yield "volume"
        if abs(solid.area - self.master.area) > _AREA_SLACK * self.master.area:
            yield "area"
        if section.excess > 0:
            yield "section"

    @property
    def volume_slack(self) -> float:
        """The change of volume in mm³ that a surface within its tolerances can make."""
        return float((self.master.areas * self.tolerances).sum())

    def motions(self) -> Iterator[tuple[Kind, Motion]]:
        """Motions that the invariants allow, each with what the file would be.

        A file that is nearly in place has at most slid or grown a little: it is not looked for elsewhere.
        """
        scale = self.scale_by_volume()
        kinds: list[tuple[Kind, float]] = [("moved", 1.0)] if self.alike(1.0) else []
        if abs(scale - 1) * self.master.diagonal > self.base and self.alike(scale):
            kinds.append(("rescaled", scale))
        if kinds and self.share_in_place >= _NEARLY_IN_PLACE:
            points = sampled(self.file_pieces, FINE_POINTS)
            for kind, factor in kinds:
                scaling = factor != 1.0
                still = Motion.none()
                yield kind, refined(self.master_pieces, points, still, ROUNDS_FINE, scaling=scaling)
            return
        for mirror, (kind, factor) in itertools.product((False, True), kinds):
            for motion in self.aligned(factor, mirror=mirror):
                yield ("mirrored" if mirror else kind), motion

    def aligned(self, scale: float, *, mirror: bool) -> Iterator[Motion]:
        """Candidate motions; a scale that is not 1 is refined too."""
        pieces = self.master_pieces, self.file_pieces
        return aligned(*pieces, scale, mirror=mirror, scaling=scale != 1.0)

    def scale_by_volume(self) -> float:
        """Lengths in the master for each length in the file, if the shape is the same."""
        if self.file.volume > 0 and self.master.volume > 0:
            return float((self.master.volume / self.file.volume) ** (1 / 3))
        return float((self.master.area / (self.file.area or 1.0)) ** 0.5)

    def alike(self, scale: float) -> bool:
        """Whether volume, area and inertia agree, lengths of the file multiplied by `scale`."""
        volume = abs(self.file.volume * scale**3 - self.master.volume) <= 1.5 * self.volume_slack
        area = abs(self.file.area * scale**2 - self.master.area) <= _AREA_SLACK * self.master.area
        reach = self.master.diagonal**2 / 4
        slack = 1.5 * reach * self.volume_slack + 1e-3 * self.master.inertia.max()
        inertia = np.abs(self.file.inertia * scale**5 - self.master.inertia).max() <= slack
        return bool(volume and area and inertia)

    def share_within(self, motion: Motion) -> float:
        """Share of a few samples of the file that lie on the master under `motion`."""
        points = motion.of_points(self.quick_points)
        found = nearest(points, self.master_pieces, np.full(len(points), self.base))
        return float((found.distance <= self.tolerances[self.master_pieces.facet[found.piece]]).mean())

    def tried(self, motion: Motion) -> float:
        """The share within under `motion`, and keep the motion in mind if it is the best so far."""
        share = self.share_within(motion)
        if share > self._best[0] + _BETTER:
            self._best = (share, motion)
        return share

    def best_motion(self) -> Motion | None:
        """The motion that brings most into place; None for the file as it stands."""
        if self.share_in_place >= _IN_PLACE:
            return None
        scale = self.scale_by_volume()
        near = min(UNITS, key=lambda unit: abs(np.log(unit / scale)))
        known = near != 1.0 and abs(near / scale - 1) <= _UNIT_SLACK
        for factor, mirror in itertools.product((near, 1.0) if known else (1.0,), (False, True)):
            if self._best[0] >= _IN_PLACE:
                break
            for motion in self.aligned(factor, mirror=mirror):
                self.tried(motion)
        return self._best[1]

    def answer(self, kind: Kind, fit: _Fit) -> Comparison:
        """The answer for people, places in the master's coordinates."""
        altered = kind == "altered"
        found = tuple(places(fit.found, 3 * self.base + 2 * self.master_pieces.edge)) if altered else ()
        if altered and not found:
            found = (_whole(fit.solid),)
        still = kind in ("same", "remeshed") or (altered and np.array_equal(fit.motion.linear, np.eye(3)))
        return Comparison(
            kind,
            self.base,
            fit.distance,
            None if still else fit.motion,
            found,
            fit.reasons,
            fit.section if fit.section.excess > 0 else None,
            {"master": measures(self.master), "file": measures(self.file)},
        )


def _whole(solid: Solid) -> Place:
    low, high = solid.bounds
    x, y, z = ((low + high) / 2).tolist()
    a, b, c = (high - low).tolist()
    return Place((x, y, z), (a, b, c), 0.0, "added")


def _same_facets(master: Solid, file: Solid) -> bool:
    """Whether the file has the master's facets, in any order, its corners nearest to the master's."""
    if len(master.corners) != len(file.corners) or len(master.vertices) != len(file.vertices):
        return False
    tree = cKDTree(master.vertices)
    apart, ours = tree.query(file.corners.reshape(-1, 3))
    _, own = tree.query(master.corners.reshape(-1, 3))
    if apart.max() > base_tolerance(master) / 4:
        return False
    return bool(np.array_equal(_sorted_facets(ours), _sorted_facets(own)))


def _sorted_facets(indices: Floats) -> Floats:
    facets = np.asarray(indices, np.int64).reshape(-1, 3)
    first = facets.argmin(axis=1)
    turned = np.take_along_axis(facets, (first[:, None] + np.arange(3)) % 3, axis=1)
    return np.asarray(turned[np.lexsort(turned.T[::-1])])
