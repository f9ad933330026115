"""How a version is shown to people, and what an owner may demand of its part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.designs import draw_revision
from tests.app.cli.conftest import Command
from tests.app.cli.test_tour import party
from tests.app.parts import box
from tests.app.toolpaths import MACHINE_LIMITS, square

_REVISION: dict[str, Any] = {
    "id": "rev_1", "number": 1, "state": "ready", "design_id": "dsn_1", "custody": "service",
}  # fmt: skip
_GEOMETRY: dict[str, Any] = {"facets": 12, "volume_mm3": 6000.0}


class TestDrawRevision:
    def test_shows_what_was_sampled(self, capsys: pytest.CaptureFixture[str]) -> None:
        sampled = {"wall_mm": [0.81, 1.25], "gap_mm": [0.3, 0.4], "overhang_share": 0.123}
        draw_revision(_REVISION | {"inspection": {"geometry": _GEOMETRY | sampled}})
        shown = capsys.readouterr().out
        assert "thinnest wall  0.81 mm, a hundredth below 1.25 (sampled)" in shown
        assert "narrowest gap  0.3 mm, a hundredth below 0.4 (sampled)" in shown
        assert "overhanging    12.3% of the surface" in shown

    def test_shows_what_a_toolpath_does(self, capsys: pytest.CaptureFixture[str]) -> None:
        figures = {
            "moves": 1234, "layers": 20, "filament_mm": 2500.0, "time_s_min": 3723.4,
            "extruded_low": [[10, 1], [10, 2], [0.2, 3]], "extruded_high": [[30.5, 4], [40, 5], [4, 6]],
        }  # fmt: skip
        draw_revision(_REVISION | {"inspection": {"geometry": None, "toolpath": figures}})
        shown = " ".join(capsys.readouterr().out.split())
        assert "1,234 moves, 20 layers, 20.5 × 30 × 3.8 mm, 2.5 m of filament, over 1:02:03" in shown

    @pytest.mark.parametrize("sampled", [{}, {"wall_mm": None, "gap_mm": None, "overhang_share": None}])
    def test_leaves_out_what_was_not(
        self, sampled: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        draw_revision(_REVISION | {"inspection": {"geometry": _GEOMETRY | sampled}})
        shown = capsys.readouterr().out
        assert "12 facets" in shown
        assert "sampled" not in shown


class TestUpload:
    def test_takes_a_toolpath_with_its_machine(self, operator: Command, tmp_path: Path) -> None:
        owner, _ = party(operator, "owner")
        part, limits = tmp_path / "part.gcode", tmp_path / "mk4.json"
        part.write_bytes(square())
        limits.write_text(json.dumps(MACHINE_LIMITS))
        words = ("design", "upload", part, "--build-volume", "250x210x210")
        assert "toolpath.no_machine" in json.dumps(owner.refused(*words))
        shown = owner(*words, "--machine", limits)
        assert shown.code == 0, shown.err
        assert "toolpath  " in shown.out
        limits.write_text(json.dumps(MACHINE_LIMITS | {"tools": 0}))
        assert "tools 0" in owner.refused(*words, "--machine", limits)["message"]

    def test_demands_what_is_required(self, operator: Command, tmp_path: Path) -> None:
        owner, _ = party(operator, "owner")
        part = tmp_path / "plate.stl"
        part.write_bytes(box((1, 20, 20)))
        thick = ("--require", "wall_mm_min=1.5", "--require", "rotations=none")
        refused = owner.refused("design", "upload", part, *thick)
        assert "wall.thin" in json.dumps(refused)
        error = owner.refused("design", "upload", part, "--require", "wall_mm_min=-1")
        assert "wall_mm_min" in json.dumps(error)
        assert owner.ok("design", "upload", part, "--require", "wall_mm_min=1")["state"] == "ready"
