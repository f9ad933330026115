from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from mesh_tools.errors import Refused
from mesh_tools.model import IDENTITY, Body, Model
from mesh_tools.pictures.scene import Scene
from mesh_tools.pictures.section import SECTION_PIXELS, Axis, area_mm2, cut_behind, section
from tests.mesh_tools import shapes


def _scene(*parts: shapes.Shape) -> Scene:
    return Scene.of(_model(*parts), 1.0)


def _model(*parts: shapes.Shape) -> Model:
    return Model("stl-binary", tuple(Body(shapes.corners(part)) for part in parts))


def _area(scene: Scene, axis: int, place: float) -> float:
    depth = np.eye(3)[axis]
    return area_mm2(cut_behind(scene, depth, place).outline, depth)


class TestCutArea:
    @pytest.mark.parametrize(("axis", "area"), [(0, 600), (1, 300), (2, 200)])
    def test_is_that_of_a_box(self, axis: int, area: float) -> None:
        assert _area(_scene(shapes.box(10, 20, 30)), axis, 4.9) == pytest.approx(area, rel=1e-6)

    def test_takes_a_void_off(self) -> None:
        hollow = shapes.joined(shapes.box(20, 20, 20), shapes.inverted(shapes.box(10, 10, 10, at=(5, 5, 5))))
        assert _area(_scene(hollow), 1, 9.7) == pytest.approx(300, rel=1e-6)
        assert _area(_scene(hollow), 1, 2.3) == pytest.approx(400, rel=1e-6)

    def test_follows_a_torus(self) -> None:
        """Across the axis two discs: polygons of nine corners with the circumradius 4."""
        polygon = 9 / 2 * 16 * math.sin(2 * math.pi / 9)
        torus = shapes.torus(12, 4, 64, 9)
        assert _area(_scene(torus), 1, 1e-3) == pytest.approx(2 * polygon, rel=1e-3)

    def test_counts_every_instance_also_mirrored(self) -> None:
        mirrored = IDENTITY.copy()
        mirrored[0, 0], mirrored[3, 0] = -1, -5
        body = Body(shapes.corners(shapes.box(10, 20, 30)), placements=(IDENTITY, mirrored))
        assert _area(Scene.of(Model("3mf", (body,)), 1.0), 2, 15) == pytest.approx(400, rel=1e-6)


class TestCutBehind:
    def test_keeps_only_what_lies_behind(self) -> None:
        cut = cut_behind(_scene(shapes.sphere(10, 12, 24)), np.array([0.0, 1.0, 0.0]), 3.0)
        assert cut.behind[:, :, 1].min() >= 3.0 - 1e-9
        assert len(cut.behind) > 50

    def test_loses_no_surface(self) -> None:
        scene = _scene(shapes.sphere(10, 12, 24))

        def surface(corners: np.ndarray) -> float:
            edges = corners[:, 1:] - corners[:, :1]
            return float(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1).sum() / 2)

        depth = np.array([0.6, 0.8, 0.0])
        halves = surface(cut_behind(scene, depth, 1.5).behind) + surface(
            cut_behind(scene, -depth, -1.5).behind
        )
        assert halves == pytest.approx(surface(scene.placed[0].corners(slice(None))), rel=1e-9)


class TestSection:
    @pytest.mark.parametrize("axis", ["x", "y", "z"])
    def test_shows_the_cut_face_in_another_colour(self, axis: Axis) -> None:
        data = section(_model(shapes.box(20, 20, 20)), 1.0, axis, 10.0)
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        assert picture.size == SECTION_PIXELS
        middle = np.asarray(picture)[330:370, 330:370].reshape(-1, 3).astype(int)
        assert (middle[:, 0] > middle[:, 2] + 40).mean() > 0.9

    def test_leaves_a_void_open(self) -> None:
        hollow = shapes.joined(shapes.box(20, 20, 20), shapes.inverted(shapes.box(10, 10, 10, at=(5, 5, 5))))
        picture = np.asarray(Image.open(io.BytesIO(section(_model(hollow), 1.0, "y", None))).convert("RGB"))
        middle = picture[330:370, 330:370].reshape(-1, 3).astype(int)
        assert (middle[:, 0] > middle[:, 2] + 40).mean() < 0.05

    @pytest.mark.parametrize("place", [-0.5, 0.0, 30.0, 31.0])
    def test_refuses_a_plane_beside_the_part(self, place: float) -> None:
        with pytest.raises(Refused, match="misses the part") as caught:
            section(_model(shapes.box(10, 20, 30)), 1.0, "z", place)
        assert caught.value.code == "render.section"
