from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mesh_tools.examine import examine_file
from mesh_tools.gate import Policy
from mesh_tools.limits import Limits
from mesh_tools.measure import measure
from mesh_tools.model import Body
from mesh_tools.topology import Topology, examine
from mesh_tools.vertex_keys import VertexKeys
from tests.mesh_tools import shapes
from tests.mesh_tools.shapes import Facets, Points, Shape

Random = np.random.Generator


def _hollow() -> Shape:
    return shapes.joined(shapes.box(30, 30, 30), shapes.inverted(shapes.box(10, 10, 10, at=(10, 10, 10))))


_SOUND: dict[str, Callable[[], Shape]] = {
    "box": shapes.box,
    "cylinder": shapes.cylinder,
    "sphere": shapes.sphere,
    "torus": shapes.torus,
    "two boxes": lambda: shapes.joined(shapes.box(), shapes.box(5, 5, 5, at=(40, 0, 0))),
    "hollow": lambda: _hollow(),
}


def _examine(triangles: NDArray[np.floating]) -> Topology:
    return examine(VertexKeys().of_corners(Body(triangles)))


def _codes(triangles: NDArray[np.float32]) -> set[str]:
    data = memoryview(shapes.stl_binary(triangles.astype(np.float32)))
    report = examine_file(data, filename="part.stl", policy=Policy(), pictures=False, limits=Limits())
    return {found.code for found in report.findings if found.severity == "refuse"}


def _turned(shape: Shape, random: Random) -> Shape:
    """The shape turned, scaled and moved at random, its facets shuffled and each rotated in place."""
    points, facets = shape
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    if np.linalg.det(turn) < 0:
        turn[:, 0] *= -1
    points = points @ turn * random.uniform(0.2, 20) + random.uniform(-500, 500, 3)
    order = random.permutation(len(facets))
    rolled = (np.arange(3) + random.integers(0, 3, (len(facets), 1))) % 3
    return points, np.take_along_axis(facets[order], rolled, axis=1)


class TestExamine:
    @pytest.mark.parametrize("name", _SOUND)
    def test_finds_a_sound_surface_sound(self, name: str) -> None:
        shape = _SOUND[name]()
        topology = _examine(shapes.corners(shape))
        assert topology.sound
        assert topology.vertices == len(shape[0])
        assert topology.shells == (2 if name in {"two boxes", "hollow"} else 1)

    @given(st.sampled_from(sorted(_SOUND)), st.integers(0, 2**32))
    @settings(max_examples=60, deadline=None)
    def test_passes_every_sound_shape_however_placed(self, name: str, seed: int) -> None:
        random = np.random.default_rng(seed)
        assert not _codes(shapes.corners(_turned(_SOUND[name](), random)))

    def test_takes_minus_zero_for_zero(self) -> None:
        triangles = shapes.corners(shapes.box())
        triangles[::2][triangles[::2] == 0] = -0.0
        assert _examine(triangles).sound

    def test_ignores_facets_collapsed_to_an_edge(self) -> None:
        triangles = shapes.corners(shapes.box())
        edge = triangles[0][[0, 1, 1]][None]
        topology = _examine(np.concatenate([triangles, edge]))
        assert topology.sound
        assert topology.collapsed.count == 1
        assert topology.collapsed.facets.tolist() == [12]

    def test_survives_collisions_of_the_short_edge_hash(self) -> None:
        """The packed key keeps 64 − index bits of the hash; sound pairs that collide are settled exactly."""
        keys = VertexKeys().of_corners(Body(shapes.corners(shapes.torus(around=40, across=20))))
        assert examine(keys).sound

    def test_of_nothing_is_sound_and_empty(self) -> None:
        topology = _examine(np.empty((0, 3, 3), np.float32))
        assert (topology.shells, topology.vertices) == (0, 0)


Defect = Callable[[Points, Facets, Random], NDArray[np.float64]]


def _missing_facet(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    return np.delete(points[facets], random.integers(len(facets)), axis=0)


def _flipped_facet(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    chosen = random.integers(len(facets))
    triangles = points[facets]
    triangles[chosen] = triangles[chosen][::-1]
    return triangles


def _doubled_facet(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    chosen = random.integers(len(facets))
    return points[np.concatenate([facets, facets[chosen : chosen + 1]])]


def _moved_corner(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    triangles = points[facets]
    triangles[random.integers(len(facets)), random.integers(3)] += np.ptp(points, axis=0).max() * 1e-3
    return triangles


def _fin(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    triangles = points[facets]
    chosen = triangles[random.integers(len(facets))].copy()
    chosen[2] += np.ptp(points, axis=0) * random.uniform(0.1, 0.4, 3)
    return np.concatenate([triangles, chosen[None]])


def _inside_out(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    return points[facets[:, ::-1]]


def _mirrored(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    mirror = np.ones(3)
    mirror[random.integers(3)] = -1
    return (points * mirror)[facets]


def _not_a_number(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    triangles = points[facets]
    triangles[random.integers(len(facets)), random.integers(3), random.integers(3)] = np.nan
    return triangles


def _infinite(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    triangles = points[facets]
    bad = random.choice([-np.inf, np.inf])
    triangles[random.integers(len(facets)), random.integers(3), random.integers(3)] = bad
    return triangles


def _flattened(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    flat = points.copy()
    flat[:, random.integers(3)] = 7.0
    return flat[facets]


def _twice(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    return np.concatenate([points[facets], points[facets]])


def _loose_facet(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    loose = random.normal(size=(1, 3, 3)) * np.ptp(points, axis=0) + points.mean(axis=0)
    return np.concatenate([points[facets], loose])


def _pillow(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    loose = random.normal(size=(1, 3, 3)) * np.ptp(points, axis=0) + points.mean(axis=0)
    return np.concatenate([points[facets], loose, loose[:, ::-1]])


def _inverted_part(points: Points, facets: Facets, random: Random) -> NDArray[np.float64]:
    beside = points[facets[:, ::-1]] + np.ptp(points, axis=0) * 1.5
    return np.concatenate([points[facets], beside])


_DEFECTS: dict[str, tuple[Defect, set[str]]] = {
    "missing facet": (_missing_facet, {"mesh.open_edges"}),
    "flipped facet": (_flipped_facet, {"mesh.winding"}),
    "doubled facet": (_doubled_facet, {"mesh.non_manifold_edges", "mesh.duplicate_facets"}),
    "moved corner": (_moved_corner, {"mesh.open_edges"}),
    "fin": (_fin, {"mesh.non_manifold_edges", "mesh.open_edges"}),
    "inside out": (_inside_out, {"mesh.inverted"}),
    "mirrored": (_mirrored, {"mesh.inverted"}),
    "not a number": (_not_a_number, {"mesh.not_finite"}),
    "infinite": (_infinite, {"mesh.not_finite"}),
    "flattened": (_flattened, {"mesh.zero_volume"}),
    "everything twice": (_twice, {"mesh.non_manifold_edges", "mesh.duplicate_facets"}),
    "loose facet": (_loose_facet, {"mesh.open_edges"}),
    "pillow": (_pillow, {"mesh.duplicate_facets"}),
    "inverted part": (_inverted_part, {"mesh.inverted"}),
}


class TestPlantedDefects:
    @pytest.mark.parametrize("name", _DEFECTS)
    @given(shape=st.sampled_from(["box", "cylinder", "sphere", "torus"]), seed=st.integers(0, 2**32))
    @settings(max_examples=25, deadline=None)
    def test_is_found_wherever_it_is_planted(self, name: str, shape: str, seed: int) -> None:
        random = np.random.default_rng(seed)
        defect, expected = _DEFECTS[name]
        turned = _turned(_SOUND[shape](), random)
        planted = defect(turned[0].astype(np.float32).astype(float), turned[1], random)
        assert expected <= _codes(planted.astype(np.float32))


class TestAgreementWithTrimesh:
    @given(st.sampled_from(sorted(_SOUND)), st.sampled_from([None, *sorted(_DEFECTS)]), st.integers(0, 2**32))
    @settings(max_examples=80, deadline=None)
    def test_on_closed_and_wound(self, name: str, defect: str | None, seed: int) -> None:
        random = np.random.default_rng(seed)
        points, facets = _turned(_SOUND[name](), random)
        points = points.astype(np.float32).astype(float)
        planted = points[facets] if defect is None else _DEFECTS[defect][0](points, facets, random)
        if not np.isfinite(planted).all():
            return
        soup = planted.astype(np.float32)
        indices = np.arange(soup.size // 3).reshape(-1, 3)
        reference = trimesh.Trimesh(soup.reshape(-1, 3), indices, process=False)
        reference.merge_vertices(digits_vertex=12)
        topology = _examine(soup)
        closed = not topology.open_edges.count and not topology.crowded_edges.count
        if not topology.collapsed.count:
            assert closed == bool(reference.is_watertight)
            assert (closed and not topology.winding.count) == bool(
                reference.is_watertight and reference.is_winding_consistent
            )
        if topology.sound and abs(measure(Body(soup)).volume) > 1e-3:
            assert measure(Body(soup)).volume == pytest.approx(reference.volume, rel=1e-6, abs=1e-6)


class TestMeasure:
    @pytest.mark.parametrize("distance", [0, 1e3, 1e5])
    def test_volume_does_not_suffer_far_from_the_origin(self, distance: float) -> None:
        points, facets = shapes.box(16, 32, 64, at=(distance, distance, -distance))
        measures = measure(Body(points[facets]))
        assert measures.volume == pytest.approx(16 * 32 * 64, rel=1e-9)
        assert measures.area == pytest.approx(2 * (16 * 32 + 32 * 64 + 16 * 64))

    def test_counts_facets_without_area(self) -> None:
        triangles = shapes.corners(shapes.box())
        triangles[3] = triangles[3][[0, 1, 0]]
        assert measure(Body(triangles)).flat.count == 1
