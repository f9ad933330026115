from __future__ import annotations

import copy
import json

import pytest

from mesh_tools.findings import Report
from mesh_tools.toolpath_record import Toolpath
from tests.mesh_tools.toolpath.test_reader import SQUARE, figures


class TestToolpath:
    def test_comes_back_from_json(self) -> None:
        toolpath = figures(SQUARE)
        assert Toolpath.from_json(json.loads(json.dumps(toolpath.to_json()))) == toolpath

    def test_travels_in_a_report(self) -> None:
        report = Report("gcode", True, (), None, None, figures(SQUARE))
        assert Report.from_json(json.loads(json.dumps(report.to_json())), None) == report

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("lines", -1), ("lines", 1.5), ("lines", True), ("lines", 2**53), ("filament_mm", "1"),
            ("filament_mm", float("nan")), ("distance_mm", float("inf")), ("low", [[0, 1], [0, 1]]),
            ("low", [[0, 1], [0, 1], [0]]), ("high", None), ("feed_mm_s", 5), ("feed_mm_s", [1, -1]),
            ("bed_c", [float("inf"), 1]), ("surprise", 1),
        ],
    )  # fmt: skip
    def test_refuses_other_values(self, name: str, value: object) -> None:
        row = copy.deepcopy(figures(SQUARE).to_json()) | {name: value}
        with pytest.raises(ValueError, match="expected"):
            Toolpath.from_json(row)

    def test_refuses_a_missing_figure(self) -> None:
        row = figures(SQUARE).to_json()
        del row["moves"]
        with pytest.raises(ValueError, match="moves"):
            Toolpath.from_json(row)
