from __future__ import annotations

import numpy as np
import pytest

from mesh_tools.comparison.solid import Solid
from mesh_tools.errors import Refused
from mesh_tools.fingerprint.asked import ask_fingerprint
from mesh_tools.fingerprint.measure import fingerprint
from mesh_tools.fingerprint.vector import BYTES, LENGTH, RESEMBLES, SAME, Fingerprint, distances
from mesh_tools.sandbox import Sandbox
from tests.mesh_tools.comparison.parts import PARTS, Design, facets_of
from tests.mesh_tools.fingerprint.population import part, separation
from tests.mesh_tools.shapes import box, corners, sphere, stl_binary

NOT_TUNED_ON = 1000


def of(corners: np.ndarray) -> Fingerprint:
    return fingerprint(Solid(corners))


class TestFingerprint:
    def test_the_same_file_has_the_same_fingerprint(self) -> None:
        assert of(part(0)).to_bytes() == of(part(0)).to_bytes()

    def test_size_is_told_beside_the_shape(self) -> None:
        small, large = of(part(3)), of(part(3) * 2.5)
        assert small.distance(large) < 1e-3
        assert small.factor(large) == pytest.approx(2.5, rel=1e-4)
        assert large.factor(small) == pytest.approx(0.4, rel=1e-4)

    def test_the_mirror_image_resembles(self) -> None:
        assert of(part(1)).distance(of((part(1) * (-1, 1, 1))[:, ::-1])) < SAME

    @pytest.mark.parametrize("name", ["bracket", "gear", "ribbed_box", "lever"])
    def test_a_part_with_a_moved_hole_and_a_thinner_wall_resembles_it(self, name: str) -> None:
        approved, altered = Design(), Design(90, hole_shift=1.0, thin=0.4)
        assert of(facets_of(PARTS[name](approved))).distance(of(facets_of(PARTS[name](altered)))) < RESEMBLES

    def test_a_box_is_no_ball(self) -> None:
        ball, cube = sphere(), box(10, 10, 10)
        assert of(ball[0][ball[1]]).distance(of(cube[0][cube[1]])) > RESEMBLES

    @pytest.mark.parametrize("corners", [np.zeros((2, 3, 3)), np.full((1, 3, 3), 7.0)])
    def test_a_surface_without_extent_is_refused(self, corners: np.ndarray) -> None:
        with pytest.raises(Refused, match=r"mesh\.zero_volume"):
            of(corners)

    def test_comes_from_the_sandbox_as_it_is_made_here(self, sandbox: Sandbox) -> None:
        ball = corners(sphere())
        asked = ask_fingerprint(sandbox, [stl_binary(ball)], "ball.stl", 1.0)
        assert asked.to_bytes() == of(ball.astype(float)).to_bytes()

    def test_a_broken_file_is_refused(self, sandbox: Sandbox) -> None:
        with pytest.raises(Refused, match=r"stl\.truncated"):
            ask_fingerprint(sandbox, [bytes(90)[:80] + b"\1\0\0\0"], "ball.stl", 1.0)


class TestBytes:
    def test_round_trip(self) -> None:
        found = of(part(2))
        assert len(found.to_bytes()) == BYTES
        assert np.array_equal(Fingerprint.from_bytes(found.to_bytes()).values, found.values)

    @pytest.mark.parametrize("data", [b"", bytes(BYTES - 1), bytes(BYTES + 4), b"\xff" * BYTES])
    def test_other_lengths_and_values_are_refused(self, data: bytes) -> None:
        with pytest.raises(ValueError, match="finite"):
            Fingerprint.from_bytes(data)


class TestDistances:
    def test_agree_with_one_by_one_and_ignore_the_size(self) -> None:
        rows = np.random.default_rng(1).normal(size=(50, LENGTH)).astype(np.float32)
        found = distances(Fingerprint(rows[0]), rows)
        assert found[0] == 0
        assert np.allclose(
            found, [Fingerprint(rows[0]).distance(Fingerprint(row)) for row in rows], rtol=1e-5
        )
        rows[:, -1] += 3
        assert np.allclose(found, distances(Fingerprint(rows[0]), rows))


class TestSeparation:
    def test_tells_parts_apart_and_finds_their_copies(self) -> None:
        found = separation(12)
        assert (found.same <= SAME).mean() > 0.95
        assert found.same.max() <= RESEMBLES
        assert found.others.min() > RESEMBLES

    @pytest.mark.slow
    def test_recall_and_precision_over_many_parts(self) -> None:
        found = separation(150, first=NOT_TUNED_ON)
        assert (found.same <= SAME).mean() >= 0.99
        assert (found.others > SAME).mean() >= 0.99
