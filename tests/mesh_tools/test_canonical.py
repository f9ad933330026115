from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mesh_tools import stl
from mesh_tools.canonical import GRID_MM, CanonicalForm, canonical_form, grid_for
from mesh_tools.comparison.solid import Solid
from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.load import load
from mesh_tools.model import IDENTITY, Body, Model
from tests.mesh_tools.shapes import Shape, box, cylinder, joined, sphere, stl_ascii, torus

Corners = NDArray[np.float64]
SHAPES = {"box": box(), "cylinder": cylinder(), "sphere": sphere(), "torus": torus()}


def corners_of(shape: Shape) -> Corners:
    return shape[0][shape[1]]


def canonical(corners: Corners) -> CanonicalForm:
    return canonical_form(Solid(corners))


def read(data: bytes, name: str = "part.stl") -> CanonicalForm:
    return canonical_form(Solid.of_model(load(memoryview(data), name, Limits())))


def shuffled(corners: Corners, seed: int) -> Corners:
    random = np.random.default_rng(seed)
    turned = (random.integers(0, 3, len(corners))[:, None] + np.arange(3)) % 3
    return corners[np.arange(len(corners))[:, None], turned][random.permutation(len(corners))]


shapes = st.sampled_from(sorted(SHAPES))
seeds = st.integers(0, 2**32 - 1)


class TestCanonicalForm:
    @given(shapes, seeds)
    def test_order_of_facets_and_corners_says_nothing(self, name: str, seed: int) -> None:
        corners = corners_of(SHAPES[name])
        assert canonical(shuffled(corners, seed)).data == canonical(corners).data

    @given(shapes, seeds)
    def test_low_bits_say_nothing(self, name: str, seed: int) -> None:
        form = canonical(corners_of(SHAPES[name]))
        on_grid = stl_corners(form.data)
        keys = np.unique(on_grid.reshape(-1, 3), axis=0, return_inverse=True)[1].reshape(-1)
        random = np.random.default_rng(seed)
        noise = random.uniform(-0.49, 0.49, (keys.max() + 1, 3)) * form.grid_mm
        noisy = on_grid + noise[keys].reshape(-1, 3, 3)
        assert canonical(noisy).data == form.data

    @given(shapes, seeds)
    def test_is_its_own_canonical_form(self, name: str, seed: int) -> None:
        turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
        form = canonical(corners_of(SHAPES[name]) @ turn)
        again = read(form.data)
        assert again.data == form.data
        assert (again.moved_mm, again.collapsed) == (0.0, 0)

    @given(shapes, seeds)
    def test_moves_nothing_by_a_tenth_of_a_micrometre_and_keeps_it_sound(self, name: str, seed: int) -> None:
        turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
        corners = corners_of(SHAPES[name]) @ (turn * np.sign(np.linalg.det(turn)))
        form = canonical(corners)
        assert form.sound
        assert form.moved_mm < 1e-4
        assert Solid(stl_corners(form.data)).volume == pytest.approx(Solid(corners).volume, rel=1e-4)

    def test_format_and_names_say_nothing(self) -> None:
        corners = corners_of(SHAPES["torus"]).astype(np.float32)
        binary = np.zeros(len(corners), stl.RECORD)
        binary["corners"], binary["attribute"], binary["normal"] = corners, 7, 0.25
        head = b"made by someone".ljust(80) + len(corners).to_bytes(4, "little")
        assert read(head + binary.tobytes()).data == read(stl_ascii(corners, "secret")).data

    def test_negative_zero_is_zero(self) -> None:
        corners = corners_of(box())
        negative = np.where(corners == 0, -0.0, corners)
        assert canonical(negative).data == canonical(corners).data
        assert canonical(corners - 1e-9).data == canonical(corners).data

    def test_header_normals_and_attributes_are_zero(self) -> None:
        form = canonical(corners_of(sphere()))
        records = np.frombuffer(form.data, stl.RECORD, offset=84)
        assert form.data[:80] == bytes(80)
        assert not records["normal"].any()
        assert not records["attribute"].any()
        assert form.sha256 == hashlib.sha256(form.data).hexdigest()

    def test_instances_are_expanded_and_mirrored_ones_rewound(self) -> None:
        mirror = np.vstack([np.diag([-1.0, 1.0, 1.0]), [-40.0, 0.0, 0.0]])
        points, facets = torus()
        body = Body(points, facets.astype(np.int32), (IDENTITY, mirror))
        form = canonical_form(Solid.of_model(Model("3mf", (body,), 1.0)))
        other = points * (-1, 1, 1) - (40, 0, 0), facets[:, ::-1]
        assert form.data == canonical(corners_of(joined((points, facets), other))).data
        assert form.sound

    def test_facets_thinner_than_the_grid_collapse_and_are_counted(self) -> None:
        points, facets = box()
        corners = corners_of((points, facets))
        middle, tiny = (corners[0, 0] + corners[0, 1]) / 2, GRID_MM / 8
        edge = (corners[0, 1] - corners[0, 0]) / np.linalg.norm(corners[0, 1] - corners[0, 0])
        first, second, tip = corners[0]
        here, there = middle - edge * tiny, middle + edge * tiny
        split = np.array([(first, here, tip), (here, there, tip), (there, second, tip)])
        form = canonical(np.concatenate([split, corners[1:]]))
        assert form.collapsed == 1

    def test_unsound_parts_are_told(self) -> None:
        assert not canonical(corners_of(box())[1:]).sound
        assert not canonical(corners_of(joined(box(), box(at=(3, 3, 3))))).sound

    def test_a_part_smaller_than_the_grid_is_refused(self) -> None:
        with pytest.raises(Refused, match=r"mesh\.empty"):
            canonical(corners_of(box()) * 1e-9)


class TestGrid:
    @pytest.mark.parametrize(("reach", "grid"), [(1.0, 2.0**-14), (1000.0, 2.0**-14), (5000.0, 2.0**-11)])
    def test_is_exact_in_single_precision(self, reach: float, grid: float) -> None:
        corners = corners_of(box()) * (reach / 30)
        assert grid_for(Solid(corners)) == grid
        form = canonical(corners)
        cells = stl_corners(form.data) / grid
        assert np.array_equal(cells, np.rint(cells))


def stl_corners(data: bytes) -> Corners:
    return np.frombuffer(data, stl.RECORD, offset=84)["corners"].astype(np.float64)
