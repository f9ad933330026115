from __future__ import annotations

import io

import numpy as np
import pytest
import trimesh

from mesh_tools.model import IDENTITY, Body, Model
from mesh_tools.pictures.preview import CELLS, preview_glb
from tests.mesh_tools import shapes


def _preview(part: shapes.Shape) -> trimesh.Trimesh:
    data = preview_glb(Model("stl-binary", (Body(shapes.corners(part)),)), 1.0)
    scene = trimesh.load_scene(io.BytesIO(data), file_type="glb")
    (mesh,) = scene.geometry.values()
    return mesh


class TestPreview:
    def test_is_read_by_another_program_in_metres_y_up(self) -> None:
        mesh = _preview(shapes.box(10, 20, 30))
        assert mesh.extents == pytest.approx([0.010, 0.030, 0.020], abs=30e-3 / CELLS)
        assert mesh.volume > 0

    def test_looks_like_the_part(self) -> None:
        mesh = _preview(shapes.torus(12, 4, 60, 30))
        assert mesh.volume * 1e9 == pytest.approx(2 * np.pi**2 * 12 * 16, rel=0.15)

    @pytest.mark.parametrize("part", [shapes.box(20, 20, 20), shapes.cylinder(10, 30), shapes.torus(30, 9)])
    def test_has_no_corner_where_the_part_has_one(self, part: shapes.Shape) -> None:
        """Not one corner of the preview lies on the part's box, let alone within a fit of its own place."""
        points = part[0]
        found = np.asarray(_preview(part).vertices)[:, [0, 2, 1]] * (1000, -1000, 1000)
        cell = float(np.ptp(points, axis=0).max()) / CELLS
        apart = np.minimum(np.abs(found - points.min(axis=0)), np.abs(found - points.max(axis=0)))
        assert apart.min() > cell / 8

    def test_loses_what_is_finer_than_a_cell(self) -> None:
        plate = shapes.box(100, 100, 10)
        pin = shapes.box(1, 1, 1, at=(50, 50, 10))
        lone = _preview(shapes.joined(plate, pin))
        assert len(lone.faces) == len(_preview(plate).faces)

    def test_stays_small(self) -> None:
        part = shapes.sphere(20, 300, 600)
        data = preview_glb(Model("stl-binary", (Body(shapes.corners(part)),)), 1.0)
        assert len(data) < 200_000

    def test_turns_mirrored_instances_outside_out(self) -> None:
        mirrored = IDENTITY.copy()
        mirrored[0, 0] = -1
        body = Body(shapes.corners(shapes.box(10, 20, 30)), placements=(mirrored,))
        data = preview_glb(Model("3mf", (body,)), 1.0)
        (mesh,) = trimesh.load_scene(io.BytesIO(data), file_type="glb").geometry.values()
        assert mesh.volume > 0

    def test_of_what_vanishes_is_an_empty_scene(self) -> None:
        data = preview_glb(Model("stl-binary", (Body(np.zeros((1, 3, 3), np.float32)),)), 1.0)
        assert data.startswith(b"glTF")
        assert len(data) == int.from_bytes(data[8:12], "little")
