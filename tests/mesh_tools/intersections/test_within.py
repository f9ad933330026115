from __future__ import annotations

import numpy as np
import pytest

from mesh_tools.intersections.meeting import FOLDED, TOUCHING
from mesh_tools.model import Body
from mesh_tools.topology import examine
from mesh_tools.vertex_keys import VertexKeys
from tests.mesh_tools.intersections import exact
from tests.mesh_tools.intersections.surfaces import CROSSING, GOOD, OVERLAPPING, marks, soup, turned
from tests.mesh_tools.intersections.test_meeting import kind_by_oracle
from tests.mesh_tools.shapes import Shape, box, cylinder, inverted, joined, sphere, torus


def by_brute_force(body: Body) -> tuple[set[int], set[int]]:
    """Facets that cut their own shell and those that cut another one, from all pairs in exact arithmetic."""
    corners = body.corners(0, body.facet_count).astype(np.float64)
    shell = examine(VertexKeys().of_corners(body)).shell_of
    triangles = corners.tolist()
    solid = [any(exact.normal(exact.exact(triangle))) for triangle in triangles]
    low, high = corners.min(axis=1), corners.max(axis=1)
    own: set[int] = set()
    others: set[int] = set()
    for i, j in np.argwhere(
        np.triu((low[:, None] <= high).all(2) & (high[:, None] >= low).all(2), 1)
    ).tolist():
        kind = kind_by_oracle(triangles[i], triangles[j]) if solid[i] and solid[j] else TOUCHING
        common = {tuple(corner) for corner in triangles[i]} & {tuple(corner) for corner in triangles[j]}
        if shell[i] == shell[j] and (kind not in {TOUCHING, FOLDED} or (kind == FOLDED and common)):
            own |= {i, j}
        elif shell[i] != shell[j] and kind not in {TOUCHING, FOLDED}:
            others |= {i, j}
    return own, others


class TestAgainstBruteForce:
    @pytest.mark.parametrize("seed", range(4))
    def test_marks_the_same_facets_of_a_soup(self, seed: int) -> None:
        body = Body(np.random.default_rng(seed).integers(0, 5, (60, 3, 3)).astype(np.float32))
        found = marks(body, tolerance_mm=1e-9)
        own, others = by_brute_force(body)
        assert own | others
        assert found.get(CROSSING, set()) == own
        assert found.get(OVERLAPPING, set()) >= others

    @pytest.mark.parametrize("amplitude", [0.5, 2.0, 8.0])
    @pytest.mark.parametrize(
        "shape", [sphere(rings=5, segments=9), torus(12, 5, 9, 7)], ids=["sphere", "torus"]
    )
    def test_marks_the_same_facets_of_a_crumpled_surface(self, shape: Shape, amplitude: float) -> None:
        rng = np.random.default_rng(int(10 * amplitude))
        points = np.round(shape[0] * 2 + rng.normal(0, amplitude, shape[0].shape))
        body = soup((points, shape[1]))
        own, others = by_brute_force(body)
        found = marks(body, tolerance_mm=1e-9)
        assert found.get(CROSSING, set()) == own
        assert found.get(OVERLAPPING, set()) >= others


class TestGood:
    @pytest.mark.parametrize("name", GOOD)
    def test_finds_nothing_as_it_stands(self, name: str) -> None:
        assert marks(soup(GOOD[name])) == {}

    @pytest.mark.parametrize("name", GOOD)
    @pytest.mark.parametrize("seed", range(3))
    def test_finds_nothing_however_it_is_turned_and_rounded(self, name: str, seed: int) -> None:
        points, facets = GOOD[name]
        body = soup((turned(points, np.random.default_rng(seed)), facets))
        assert marks(body) == {}


class TestPlanted:
    @pytest.mark.parametrize("seed", range(6))
    def test_finds_a_corner_pushed_through_the_wall(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        points, facets = sphere(10, 20, 40)
        vertex = rng.integers(len(points))
        pushed = points.copy()
        pushed[vertex] *= -1.2
        found = marks(soup((turned(pushed, rng), facets)))
        assert found.keys() == {CROSSING}
        assert found[CROSSING] & set(np.flatnonzero((facets == vertex).any(axis=1)).tolist())

    @pytest.mark.parametrize("depth", [0.005, 1.0, 9.0])
    @pytest.mark.parametrize("seed", range(3))
    def test_finds_overlapping_shells(self, seed: int, depth: float) -> None:
        rng = np.random.default_rng(seed)
        points, facets = joined(box(10, 10, 10), box(4, 5, 6, (10 - depth, *rng.uniform(1, 4, 2))))
        assert marks(soup((points, facets))).keys() == {OVERLAPPING}
        assert marks(soup((turned(points, rng), facets))).keys() == {OVERLAPPING}

    def test_finds_overlapping_caps(self) -> None:
        found = marks(soup(joined(box(10, 10, 5), box(10, 10, 5, (4, 3, 0)))))
        assert found.keys() == {OVERLAPPING}
        low = {0, 1, 12, 13}
        assert found[OVERLAPPING] >= low

    def test_finds_a_shell_twice_with_other_diagonals(self) -> None:
        points, facets = box(10, 10, 10)
        mirrored = points * (-1, 1, 1) + (10, 0, 0)
        found = marks(soup(joined((points, facets), inverted((mirrored, facets)))))
        assert found == {CROSSING: set(range(24))}

    @pytest.mark.parametrize("seed", range(6))
    def test_finds_a_fold(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        points, facets = cylinder(8, 12, 12)
        ring = np.flatnonzero(np.isclose(points[:, 2], 12) & (np.hypot(points[:, 0], points[:, 1]) > 1))
        folded = points.copy()
        folded[-1] = 2.5 * points[rng.choice(ring)] - 1.5 * points[-1]
        found = marks(soup((turned(folded, rng), facets)))
        assert found.keys() == {CROSSING}

    def test_finds_a_facet_folded_onto_its_neighbour(self) -> None:
        points = np.array([(0, 0, 0), (10, 0, 0), (0, 10, 0), (3, 3, 0), (3, 3, -8)], float)
        facets = np.array([(0, 1, 2), (1, 0, 3), (2, 3, 0), (2, 1, 4), (1, 3, 4), (3, 2, 4)])
        assert marks(soup((points, facets)))[CROSSING] >= {0, 1, 2}

    def test_finds_a_solid_in_material(self) -> None:
        found = marks(soup(joined(box(30, 30, 30), box(5, 5, 5, (10, 10, 10)))))
        assert found == {OVERLAPPING: set(range(12, 24))}

    def test_finds_a_solid_between_a_wall_and_its_cavity(self) -> None:
        shell = joined(box(30, 30, 30), inverted(box(10, 10, 10, (15, 15, 15))), box(5, 5, 5, (2, 2, 2)))
        assert marks(soup(shell)) == {OVERLAPPING: set(range(24, 36))}

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("rings", [5, 25])
    def test_finds_a_ball_half_sunk_into_a_face_that_its_equator_lies_in(self, rings: int, seed: int) -> None:
        """No facet cuts another: the surfaces pass through each other along the equator's edges."""
        points, facets = joined(box(40, 40, 10, (-20, -20, -10)), sphere(5, rings, 9))
        rng = np.random.default_rng(seed)
        shape = (points if seed == 0 else turned(points, rng), facets)
        assert marks(soup(shape)).keys() == {OVERLAPPING}


class TestTolerance:
    @pytest.mark.parametrize(("depth", "codes"), [(5e-4, set()), (2e-3, {OVERLAPPING})])
    def test_is_a_thousandth_of_a_millimetre(self, depth: float, codes: set[str]) -> None:
        assert marks(soup(joined(box(10, 10, 10), box(5, 5, 5, (10 - depth, 2, 2))))).keys() == codes

    def test_holds_in_millimetres_whatever_the_unit(self) -> None:
        body = soup(joined(box(200, 200, 200), box(50, 50, 50, (200 - 5e-3, 2, 2))))
        assert marks(body, unit_mm=0.1) == {}
        assert marks(body, unit_mm=25.4).keys() == {OVERLAPPING}

    def test_is_finer_on_a_small_part(self) -> None:
        body = soup(joined(box(0.1, 0.1, 0.1), box(0.05, 0.05, 0.05, (0.0998, 0.02, 0.02))))
        assert marks(body).keys() == {OVERLAPPING}

    def test_is_the_callers(self) -> None:
        body = soup(joined(box(10, 10, 10), box(5, 5, 5, (9.9, 2, 2))))
        assert marks(body, tolerance_mm=0.2) == {}


class TestNumbers:
    def test_are_those_of_the_file_also_when_facets_have_no_area(self) -> None:
        flat = np.zeros((3, 3, 3), np.float32)
        flat[1] = [(0, 0, 0), (1, 1, 1), (2, 2, 2)]
        solid = soup(joined(box(30, 30, 30), box(5, 5, 5, (10, 10, 10)))).points
        assert marks(Body(np.concatenate([flat, solid]))) == {OVERLAPPING: set(range(15, 27))}

    def test_are_the_same_for_indexed_bodies(self) -> None:
        points, facets = joined(box(10, 10, 10), box(10, 10, 10, (4, 3, 2)))
        indexed = Body(points, facets.astype(np.int32))
        assert marks(indexed) == marks(soup((points, facets)))

    def test_are_none_without_area(self) -> None:
        assert marks(Body(np.zeros((4, 3, 3), np.float32))) == {}
