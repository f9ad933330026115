"""The report's format: one spelling, every member named that is not in it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ledger.commitment import canonical_json
from ledger.errors import TypedDataError
from ledger.print_report import CLOCK_SKEW_S_MAX, REPORT_BYTES_MAX, Measurement, PrintReport, plain_text
from ledger.typed_data import Result

REPORT: dict[str, Any] = {
    "format": "partvault/report/v1",
    "print": "0x" + "1a" * 32,
    "printer": "0x" + "2b" * 32,
    "revision": "0x" + "3c" * 32,
    "part": {"design": "dsn_1", "revision": 2, "file": "leg_cap.stl"},
    "agent": "partvault-printer 0.1.0",
    "driver": "octoprint",
    "machine": {"model": "MK4", "serial": "M-7"},
    "material": {"name": "PETG", "batch": "LOT 7"},
    "serials": ["SN-1", "SN-2"],
    "started_at": "2026-07-01T08:00:00Z",
    "ended_at": "2026-07-01T09:30:00Z",
    "measurements": [
        {
            "name": "bore",
            "value": "22.04",
            "unit": "mm",
            "lower": "22.0",
            "upper": "22.1",
            "verdict": "pass",
            "instrument": "pin gauge 4",
        }
    ],
    "mass_g": "12.41",
    "result": "completed",
    "detail": "printed without incident",
}
START = 1_782_892_800


def changed(path: str, value: Any) -> dict[str, Any]:
    report = copy.deepcopy(REPORT)
    *parents, name = [int(step) if step.isdigit() else step for step in path.split(".")]
    target: Any = report
    for step in parents:
        target = target[step]
    target[name] = value
    return report


class TestFromJson:
    def test_gives_back_what_it_read(self) -> None:
        read = PrintReport.from_json(json.loads(json.dumps(REPORT)))
        assert read.to_json() == REPORT
        assert (read.result, read.started_at, read.ended_at) == (Result.COMPLETED, START, START + 5400)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("part.file", "Bügelkappe \N{GREEK SMALL LETTER MU}.3mf"),
            ("machine.serial", None),
            ("material.name", None),
            ("material.batch", None),
            ("serials", []),
            ("mass_g", None),
            ("measurements", []),
            ("measurements.0.lower", None),
            ("measurements.0.verdict", None),
            ("measurements.0.instrument", None),
            ("detail", ""),
        ],
    )
    def test_takes_what_may_be_so(self, path: str, value: Any) -> None:
        report = changed(path, value)
        assert PrintReport.from_json(report).to_json() == report

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("format", "partvault/report/v2"),
            ("print", "0x" + "1A" * 32),
            ("print", "0x1a"),
            ("printer", None),
            ("revision", 1),
            ("part", []),
            ("part.design", ""),
            ("part.revision", True),
            ("part.revision", 0),
            ("part.file", "a\nb"),
            ("part.extra", 1),
            ("agent", "x" * 65),
            ("driver", "völlig"),
            ("machine.model", ""),
            ("machine.serial", " M-7"),
            ("material.batch", ""),
            ("material.name", 7),
            ("serials", "SN-1"),
            ("serials.1", "SN-1"),
            ("serials", [f"SN-{number}" for number in range(65)]),
            ("started_at", "2026-07-01T08:00:00+00:00"),
            ("started_at", "2026-07-01T08:00:00.5Z"),
            ("started_at", "2026-13-01T08:00:00Z"),
            ("started_at", None),
            ("ended_at", "2026-07-01T07:59:59Z"),
            ("ended_at", 5),
            ("measurements", {}),
            ("measurements.0.value", 22.04),
            ("measurements.0.value", "22,04"),
            ("measurements.0.value", "022.04"),
            ("measurements.0.value", "NaN"),
            ("measurements.0.unit", ""),
            ("measurements.0.upper", "21"),
            ("measurements.0.verdict", "fail"),
            ("measurements.0.verdict", "good"),
            ("measurements.0.instrument", "x" * 65),
            ("mass_g", "-1"),
            ("mass_g", 12.41),
            ("result", "1"),
            ("result", 1),
            ("detail", "x" * 1001),
            ("detail", "\ud800"),
            ("extra", 1),
        ],
    )
    def test_names_what_may_not(self, path: str, value: Any) -> None:
        with pytest.raises(TypedDataError) as caught:
            PrintReport.from_json(changed(path, value))
        assert caught.value.field.startswith(f"report.{path.removesuffix('.extra')}")

    def test_wants_every_member(self) -> None:
        for name in REPORT:
            short = {key: value for key, value in REPORT.items() if key != name}
            with pytest.raises(TypedDataError, match=f"^report.{name}: is missing"):
                PrintReport.from_json(short)

    def test_bounds_its_size(self) -> None:
        row = {**REPORT["measurements"][0], "unit": "\N{GREEK SMALL LETTER MU}" * 32}
        rows = [{**row, "name": "\N{GREEK SMALL LETTER MU}" * 62 + f"{n:02}"} for n in range(64)]
        most = changed("measurements", [{**each, "instrument": each["name"]} for each in rows])
        most["serials"] = [f"{n:064}" for n in range(64)]
        most["detail"] = "\N{GRINNING FACE}" * 1000
        assert PrintReport.from_json(most)
        assert len(canonical_json(most)) < REPORT_BYTES_MAX


class TestImplausible:
    @pytest.mark.parametrize(
        ("counted_at", "latest", "field"),
        [
            (START, START + 5400, None),
            (START + CLOCK_SKEW_S_MAX, START + 5400 - CLOCK_SKEW_S_MAX, None),
            (START + CLOCK_SKEW_S_MAX + 1, START + 9999, "started_at"),
            (START, START + 5400 - CLOCK_SKEW_S_MAX - 1, "ended_at"),
        ],
    )
    def test_holds_times_against_the_chains(self, counted_at: int, latest: int, field: str | None) -> None:
        found = PrintReport.from_json(REPORT).implausible(counted_at, latest)
        assert (found and found[0]) == field

    def test_judges_the_end_of_what_never_started(self) -> None:
        report = changed("result", "failed") | {"started_at": None}
        found = PrintReport.from_json(report).implausible(START + 99_999, START + 99_999)
        assert found is not None
        assert found[0] == "ended_at"


class TestMeasurement:
    @pytest.mark.parametrize(
        ("value", "lower", "upper", "verdict"),
        [
            ("1.0", "1", "1.00", "pass"),
            ("0.9999", "1", None, "fail"),
            ("-2", None, "-2", "pass"),
            ("3", None, None, None),
        ],
    )
    def test_counts_the_limits_in(
        self, value: str, lower: str | None, upper: str | None, verdict: str | None
    ) -> None:
        assert Measurement("x", value, "mm", lower, upper).within_limits() == verdict


class TestPlainText:
    @pytest.mark.parametrize("value", ["  a\tb\n", "\u202egp.exe", "x" * 500, "", None, "\ud800"])
    def test_is_what_a_report_takes(self, value: object) -> None:
        shown = plain_text(value, 20) or "?"
        assert PrintReport.from_json(changed("part.file", shown)).part.file == shown
