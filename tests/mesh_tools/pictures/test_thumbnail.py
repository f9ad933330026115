from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mesh_tools.model import IDENTITY, Body, Model
from mesh_tools.pictures.camera import aim, box_corners, view_axes
from mesh_tools.pictures.raster import Visibility, draws
from mesh_tools.pictures.thumbnail import thumbnail
from tests.mesh_tools import shapes


def _model(*parts: shapes.Shape) -> Model:
    return Model("stl-binary", tuple(Body(shapes.corners(part)) for part in parts))


def _picture(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


class TestThumbnail:
    def test_is_a_png_of_the_size_asked_for(self) -> None:
        assert Image.open(io.BytesIO(thumbnail(_model(shapes.torus()), 1.0))).size == (512, 512)
        assert Image.open(io.BytesIO(thumbnail(_model(shapes.torus()), 1.0, size=128))).size == (128, 128)

    def test_is_the_same_whatever_the_order_of_facets(self) -> None:
        points, facets = shapes.sphere()
        first = _picture(thumbnail(_model((points, facets)), 1.0))
        second = _picture(thumbnail(_model((points, facets[::-1])), 1.0))
        assert np.abs(first - second).mean() < 0.5

    def test_shows_the_part_darker_than_the_paper(self) -> None:
        picture = _picture(thumbnail(_model(shapes.box(20, 20, 20)), 1.0))
        assert picture[256, 256].max() < 200
        assert picture[5, 5].min() > 225

    @pytest.mark.parametrize(
        "part",
        [shapes.box(1e-4, 1e-4, 1e-4), shapes.box(1e5, 1, 1), shapes.box(1, 1, 1e5), shapes.box(1, 1e5, 1)],
    )
    def test_draws_what_is_tiny_or_thin(self, part: shapes.Shape) -> None:
        assert thumbnail(_model(part), 1.0, size=64).startswith(b"\x89PNG")

    def test_draws_facets_seen_edge_on_and_flat_ones(self) -> None:
        triangles = np.concatenate([shapes.corners(shapes.box()), np.zeros((1, 3, 3), np.float32)])
        assert thumbnail(Model("stl-binary", (Body(triangles),)), 1.0, size=64).startswith(b"\x89PNG")

    def test_draws_every_instance(self) -> None:
        beside = IDENTITY.copy()
        beside[3, 0] = 60
        body = Body(shapes.corners(shapes.box(20, 20, 20)), placements=(IDENTITY, beside))
        one = _picture(thumbnail(Model("3mf", (Body(body.points),)), 1.0))
        two = _picture(thumbnail(Model("3mf", (body,)), 1.0))
        assert np.abs(one - two).mean() > 5


class TestVisibility:
    def test_covers_every_pixel_of_a_surface_once_closed(self) -> None:
        """No hole shows the background through a closed ball: the disc it covers is full."""
        model = _model(shapes.sphere(10, 20, 40))
        axes = view_axes(20, 30)
        camera = aim(np.full(3, -10.0), np.full(3, 10.0), axes, 200, 200, (0.05,) * 4)
        visibility = Visibility(200, 200, 1000)
        for draw in draws(model):
            visibility.draw(draw, camera, 1.0)
        seen = visibility.facets >= 0
        rows, columns = np.nonzero(seen)
        assert all(np.ptp(columns[rows == row]) + 1 == np.count_nonzero(seen[row]) for row in np.unique(rows))

    def test_shows_the_nearer_facet(self) -> None:
        near = shapes.box(10, 10, 10, at=(0, -50, 0))
        model = _model(shapes.box(10, 10, 10), near)
        camera = aim(np.array([0, -50, 0.0]), np.array([10, 10, 10.0]), view_axes(0, 0), 64, 64, (0.1,) * 4)
        visibility = Visibility(64, 64, 10_000)
        for draw in draws(model):
            visibility.draw(draw, camera, 1.0)
        assert visibility.facets[32, 32] >= 12


class TestCamera:
    def test_keeps_the_box_inside_the_margin(self) -> None:
        low, high = np.array([-5.0, 0, 10]), np.array([50.0, 3, 12])
        camera = aim(low, high, view_axes(32, 26), 300, 200, (0.2, 0.1, 0.1, 0.15))
        projected = camera.project(box_corners(low, high))
        assert (projected[:, :2].min(axis=0) >= np.array([60, 20]) - 1e-9).all()
        assert (projected[:, :2].max(axis=0) <= np.array([270, 170]) + 1e-9).all()
        assert projected[:, 2].min() >= -1e-9
