from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from mesh_tools.findings import Finding, finding
from mesh_tools.marked import Marked
from mesh_tools.model import Body, Model
from mesh_tools.pictures.marks import findings_picture
from tests.mesh_tools import shapes

_BOX = Model("stl-binary", (Body(shapes.corners(shapes.box(20, 20, 20))),))


def _row(severity: str, facets: list[int], sample: tuple[float, float, float] | None = None) -> Marked:
    found: Finding = finding("mesh.winding", "Something is wrong here.", sample=sample)
    return Marked(replace(found, severity=severity), 0, np.array(facets, np.int32))  # type: ignore[arg-type]


def _part(marked: list[Marked]) -> np.ndarray:
    """The left of the picture, where the part is."""
    picture = Image.open(io.BytesIO(findings_picture(_BOX, 1.0, marked))).convert("RGB")
    return np.asarray(picture)[:, :700].astype(int)


def _red(pixels: np.ndarray) -> int:
    return int(((pixels[:, :, 0] > 110) & (pixels[:, :, 0] > 1.8 * pixels[:, :, 1])).sum())


class TestFindingsPicture:
    def test_paints_nothing_where_nothing_was_found(self) -> None:
        assert _red(_part([])) == 0

    def test_paints_what_refuses_red(self) -> None:
        assert _red(_part([_row("refuse", [0, 1, 2, 3])])) > 5000

    def test_turns_the_part_until_the_mark_is_seen(self) -> None:
        """Every facet of the box is seen when it alone is marked: also the bottom and the back."""
        assert all(_red(_part([_row("refuse", [facet])])) > 2000 for facet in range(12))

    def test_paints_the_worst_over_the_rest(self) -> None:
        rows = [_row("refuse", list(range(12))), _row("info", list(range(12)))]
        assert _red(_part(rows)) > 50_000

    def test_numbers_places_also_hidden_ones_and_many(self) -> None:
        rows = [_row("refuse", [], (10, 10, 10)), *[_row("warn", [], (0, 0, 0)) for _ in range(40)]]
        assert _red(_part(rows)) > 20

    def test_bears_a_body_that_is_not_there(self) -> None:
        assert _red(_part([replace(_row("refuse", [0]), body=7)])) < 300
