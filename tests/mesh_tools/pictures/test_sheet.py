from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mesh_tools.model import Body, Model
from mesh_tools.pictures.sheet import SHEET_PIXELS, contact_sheet
from tests.mesh_tools import shapes

_CELL = 450
_CELLS = {"top": (0, 0), "front": (1, 0), "right": (1, 1)}


def _silhouette(part: shapes.Shape, view: str) -> tuple[int, int]:
    """Width and height in pixels of what is seen of the part in a view, dimension lines left out."""
    data = contact_sheet(Model("stl-binary", (Body(shapes.corners(part)),)), 1.0, "part")
    row, column = _CELLS[view]
    cell = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    cell = cell[row * _CELL + 4 : (row + 1) * _CELL - 4, column * _CELL + 4 : (column + 1) * _CELL - 4]
    blue = (cell[:, :, 2] - cell[:, :, 0] > 50) & (cell[:, :, 2] > 150)
    rows = np.flatnonzero(blue.sum(axis=1) > 20)
    columns = np.flatnonzero(blue.sum(axis=0) > 20)
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


class TestContactSheet:
    def test_is_a_png_of_one_size(self) -> None:
        data = contact_sheet(Model("stl-binary", (Body(shapes.corners(shapes.torus())),)), 1.0, "× ² 漢字")
        assert Image.open(io.BytesIO(data)).size == SHEET_PIXELS

    @pytest.mark.parametrize(
        ("view", "sides"), [("top", (40, 80)), ("front", (40, 120)), ("right", (80, 120))]
    )
    def test_draws_every_view_to_one_scale(self, view: str, sides: tuple[int, int]) -> None:
        width, height = _silhouette(shapes.box(40, 80, 120), view)
        scale = _silhouette(shapes.box(40, 80, 120), "front")[1] / 120
        assert width == pytest.approx(sides[0] * scale, abs=4)
        assert height == pytest.approx(sides[1] * scale, abs=4)
