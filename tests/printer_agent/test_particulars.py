"""What people add to a report: read from words and files, refused by name before anything starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.print_report import Measurement
from printer_agent.particulars import NOTHING_SAID, Particulars, ParticularsError, read


def words(**said: Any) -> Particulars:
    return read(**{"serials": (), "batch": None, "mass": None, "measures": (), "file": None} | said)


class TestRead:
    @pytest.mark.parametrize(
        ("text", "measured"),
        [
            ("bore=22.04 mm", Measurement("bore", "22.04", "mm")),
            (" outer diameter = 28.0 mm ", Measurement("outer diameter", "28.0", "mm")),
            ("Ra=3.2 µm @profilometer 2", Measurement("Ra", "3.2", "µm", instrument="profilometer 2")),
            ("bore=22.04 mm [22.0..22.1]", Measurement("bore", "22.04", "mm", "22.0", "22.1", "pass")),
            (
                "bore=22.2 mm [22.0..22.1] @pin",
                Measurement("bore", "22.2", "mm", "22.0", "22.1", "fail", "pin"),
            ),
            ("mass loss=-0.5 g/cm³ [..1]", Measurement("mass loss", "-0.5", "g/cm³", None, "1", "pass")),
            ("hardness=61 HRC [58..]", Measurement("hardness", "61", "HRC", "58", None, "pass")),
        ],
    )
    def test_takes_a_measure_as_it_is_said(self, text: str, measured: Measurement) -> None:
        assert words(measures=[text]).measurements == (measured,)

    @pytest.mark.parametrize(
        ("said", "field"),
        [
            ({"measures": ["bore"]}, "measure"),
            ({"measures": ["bore=22"]}, "measure"),
            ({"measures": ["bore=wide mm"]}, "measurements.0.value"),
            ({"measures": ["bore=1e3 mm"]}, "measurements.0.value"),
            ({"measures": ["bore=2 mm [3..1]"]}, "measurements.0.upper"),
            ({"measures": ["a=1 mm", "a=2 mm"]}, "measurements.1"),
            ({"serials": ["SN-1", "SN-1"]}, "serials.1"),
            ({"serials": [""]}, "serials.0"),
            ({"serials": ["Nº 1"]}, "serials.0"),
            ({"batch": " "}, "batch"),
            ({"mass": "0"}, "mass_g"),
            ({"mass": "12 g"}, "mass_g"),
        ],
    )
    def test_names_what_no_report_takes(self, said: dict[str, Any], field: str) -> None:
        with pytest.raises(ParticularsError, match=rf"^{field}: "):
            words(**said)

    def test_takes_from_a_file_what_the_words_leave_out(self, tmp_path: Path) -> None:
        file = tmp_path / "measured.json"
        measured = {"name": "bore", "value": "22.04", "unit": "mm", "upper": "22.1"}
        file.write_text(json.dumps({"serials": ["SN-9"], "batch": "LOT 1", "measurements": [measured]}))
        found = words(serials=["SN-1"], file=file)
        assert (found.serials, found.batch, found.mass_g) == (("SN-1",), "LOT 1", None)
        assert found.measurements == (Measurement("bore", "22.04", "mm", None, "22.1", "pass"),)

    @pytest.mark.parametrize(
        "content", [b"", b"[]", b"\xff", b'{"serial": ["SN-1"]}', b'{"measurements": [1]}', b"[" * 9999]
    )
    def test_refuses_a_file_that_says_something_else(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "measured.json").write_bytes(content)
        with pytest.raises(ParticularsError):
            words(file=tmp_path / "measured.json")


class TestParticulars:
    def test_are_read_as_they_were_kept(self) -> None:
        said = words(serials=["SN-1"], mass="3.5", measures=["bore=22.2 mm [22..22.1] @pin"])
        assert Particulars.from_json(json.loads(json.dumps(said.to_json()))) == said
        assert Particulars.from_json({}) == NOTHING_SAID
