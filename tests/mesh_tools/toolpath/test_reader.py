from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_tools.errors import Refused
from mesh_tools.toolpath.machine import Dialect, MachineLimits
from mesh_tools.toolpath.reader import read_gcode
from mesh_tools.toolpath_record import Extreme, Toolpath
from tests.mesh_tools.toolpath import oracle

MARLIN = MachineLimits(300, 120, 400, 10_000)
START = "G21\nG90\nM83\nG28\nM109 S210\n"
SQUARE = START + "G1 X10 Y10 Z.2 F3000\nG1 X20 E.4\nG1 Y20 E.4\nG1 X10 E.4\nG1 Y10 E.4\n"


def machine(dialect: Dialect = "marlin", **more: object) -> MachineLimits:
    return MachineLimits.from_json({**MARLIN.to_json(), "dialect": dialect, **more})


def read(text: str | bytes, limits: MachineLimits = MARLIN) -> tuple[Toolpath | None, dict[str, int]]:
    data = text.encode() if isinstance(text, str) else text
    try:
        toolpath, findings = read_gcode([data], limits)
    except Refused as refusal:
        return None, {refusal.code: 1}
    return toolpath, {found.code: found.count for found in findings}


def figures(text: str, limits: MachineLimits = MARLIN) -> Toolpath:
    toolpath, _ = read(text, limits)
    assert toolpath is not None
    return toolpath


_NUMBER = st.one_of(
    st.integers(-200, 200).map(str),
    st.decimals(-200, 200, places=3).map(str),
    st.floats(-50, 50).map(lambda value: f"{value:.5f}"),
    st.integers(1, 99999).map(lambda value: f".{value:05d}"),
    st.integers(0, 99).map(lambda value: f"{value}."),
    st.integers(0, 10**12).map(lambda value: f"1.{value:012d}"),
    st.integers(1, 99).map(lambda value: f"+{value}"),
    st.integers(1, 99).map(lambda value: f"-.{value}"),
)


@st.composite
def _moves(draw: st.DrawFn) -> str:
    words = [draw(st.sampled_from(["G0", "G1", "G1", "G1", "G01"]))]
    letters = draw(st.lists(st.sampled_from("XYZE"), unique=True, max_size=4))
    words += [letter + draw(_NUMBER) for letter in letters]
    if draw(st.booleans()):
        words.append(f"F{draw(st.integers(1, 20000))}")
    return draw(st.sampled_from([" ", "  ", "\t"])).join(words)


@st.composite
def _arcs(draw: st.DrawFn) -> str:
    """An arc from a known place, so that both ends lie on the circle."""
    middle = complex(draw(st.integers(-50, 50)), draw(st.integers(-50, 50)))
    size, begin, turn = draw(st.integers(1, 30)), draw(st.floats(0, 6.28)), draw(st.floats(0.1, 6.1))
    first = middle + size * complex(math.cos(begin), math.sin(begin))
    last = middle + size * complex(math.cos(begin + turn), math.sin(begin + turn))
    code = draw(st.sampled_from(["G2", "G3"]))
    end = f"X{last.real:.4f} Y{last.imag:.4f}"
    if draw(st.booleans()):
        arc = f"{code} {end} I{(middle - first).real:.4f} J{(middle - first).imag:.4f} E1"
    else:
        arc = f"{code} {end} R{draw(st.sampled_from([1, -1])) * size * 1.01:.4f} Z{draw(st.integers(0, 9))}"
    return f"G90\nG21\nG1 X{first.real:.4f} Y{first.imag:.4f}\n{arc}"


_MODES = st.sampled_from([
    "G90", "G91", "M82", "M83", "G20", "G21", "G28", "G28 X", "G28 Y Z", "G92 E0", "G92 E3.5", "G92",
    "G92 X5 Y-5", "G92 Z1 E2", "M220 S150", "M220 S80", "M204 P1000", "M106 S255", "", "; a comment", "M105",
])  # fmt: skip
_COMMENTED = st.tuples(_moves(), st.sampled_from(["", " ", ";x", " ; M500", "\r"])).map("".join)
_PROGRAMS = st.lists(st.one_of(_COMMENTED, _COMMENTED, _COMMENTED, _arcs(), _MODES), max_size=60)


class TestReadGcode:
    @settings(max_examples=150, deadline=None)
    @given(_PROGRAMS, st.sampled_from(["marlin", "klipper"]))
    def test_agrees_with_a_plain_interpreter(self, lines: list[str], dialect: Dialect) -> None:
        if dialect == "klipper":
            lines = [line for line in lines if line != "G20"]
        text = "G28\nG1 F600\nG1 X1 Y1 Z1\n" + "\n".join(lines) + "\nG90\nG28\nM83\nG1 X2 E1\n"
        toolpath = figures(text, machine(dialect))
        expected = oracle.run(text, klipper=dialect == "klipper")
        assert (toolpath.moves, toolpath.arcs) == (expected.moves, expected.arcs)
        assert toolpath.lines == text.count("\n")
        assert toolpath.filament_mm == pytest.approx(expected.filament, abs=1e-6)
        assert toolpath.feed_mm_s.value == pytest.approx(expected.feed_max)
        assert toolpath.layers == len(expected.heights)
        for axis in range(3):
            places = [place[axis] for place in expected.seen]
            assert toolpath.low[axis].value == pytest.approx(min(places), abs=2e-3)
            assert toolpath.high[axis].value == pytest.approx(max(places), abs=2e-3)
            laid = [place[axis] for place in expected.laid]
            assert toolpath.extruded_low[axis].value == pytest.approx(min(laid), abs=2e-3)
            assert toolpath.extruded_high[axis].value == pytest.approx(max(laid), abs=2e-3)
        if not expected.broken_arcs:
            assert toolpath.distance_mm == pytest.approx(expected.distance, rel=1e-4)
            assert toolpath.time_s_min == pytest.approx(expected.seconds, rel=1e-4)

    @settings(max_examples=60, deadline=None)
    @given(_PROGRAMS, st.integers(1, 400))
    def test_says_the_same_however_the_bytes_come(self, lines: list[str], size: int) -> None:
        data = (SQUARE + "\n".join(lines)).encode()
        whole = read_gcode([data], MARLIN)
        assert read_gcode([data[at : at + size] for at in range(0, len(data), size)], MARLIN) == whole

    def test_adds_up_a_square(self) -> None:
        toolpath = figures(SQUARE)
        assert toolpath.extruded_low == (Extreme(10, 7), Extreme(10, 7), Extreme(0.2, 7))
        assert toolpath.extruded_high == (Extreme(20, 7), Extreme(20, 8), Extreme(0.2, 7))
        assert (toolpath.layers, toolpath.moves, toolpath.commands, toolpath.lines) == (1, 5, 10, 10)
        assert toolpath.filament_mm == pytest.approx(1.6)
        assert toolpath.temperature_c == Extreme(210, 5)
        assert toolpath.feed_mm_s == Extreme(50, 6)
        assert Toolpath.from_json(toolpath.to_json()) == toolpath

    def test_finds_nothing_wrong_in_a_square(self) -> None:
        assert read(SQUARE)[1] == {}

    @pytest.mark.parametrize("text", ["", "\n", ";\n", START, START + "G1 X1 Y1\nG1 E5\n"])
    def test_has_no_figures_where_nothing_is_printed(self, text: str) -> None:
        toolpath, codes = read(text)
        assert toolpath is None
        assert "toolpath.empty" in codes


class TestArcs:
    @pytest.mark.parametrize(
        ("arc", "low", "high"),
        [
            ("G3 X10 Y10 I0 J10 P1", (0, 0), (20, 20)),
            ("G2 I0 J10", (0, 0), (20, 20)),
            ("G3 X20 Y10 I0 J10", (10, 0), (20, 10)),
            ("G2 X20 Y10 I0 J10", (0, 0), (20, 20)),
            ("G3 X20 Y10 R10", (10, 0), (20, 10)),
            ("G3 X20 Y10 R-10", (10, -10), (30, 10)),
            ("G2 X20 Y10 R10", (10, 0), (20, 10)),
        ],
    )
    def test_reach_as_far_as_their_circle(
        self, arc: str, low: tuple[float, float], high: tuple[float, float]
    ) -> None:
        toolpath = figures(START + f"G1 X10 Y0 Z1\n{arc} E1\n")
        found = [(extreme.value) for extreme in (*toolpath.extruded_low[:2], *toolpath.extruded_high[:2])]
        assert found == pytest.approx([*low, *high], abs=1e-9)

    @pytest.mark.parametrize(
        "arc",
        ["G2 X5 Y5", "G2 X5 R5 I1", "G2 X50 Y0 R1", "G2 R5", "G2 X30 Y40 I1 J0", "G3 I0 J0", "G2 X9 I5 P-1"],
    )
    def test_without_a_circle_are_refused(self, arc: str) -> None:
        assert read(SQUARE + arc + "\n")[1] == {"toolpath.arc": 1}


class TestHoming:
    def test_comes_before_the_first_extrusion(self) -> None:
        codes = read(SQUARE.replace("G28\n", ""))[1]
        assert set(codes) == {"toolpath.not_homed", "toolpath.moved_before_homing"}

    def test_of_two_axes_is_not_enough(self) -> None:
        assert "toolpath.not_homed" in read(SQUARE.replace("G28\n", "G28 X Y\n"))[1]

    def test_of_each_axis_alone_is_enough(self) -> None:
        assert read(SQUARE.replace("G28\n", "G28 X\nG28 Y\nG28 Z\n"))[1] == {}

    def test_after_a_lift_is_a_warning(self) -> None:
        assert read(SQUARE.replace("G28\n", "G1 Z5\nG28\n"))[1] == {"toolpath.moved_before_homing": 1}

    def test_by_renaming_the_place_does_not_count(self) -> None:
        assert "toolpath.not_homed" in read(SQUARE.replace("G28\n", "G92 X0 Y0 Z0\n"))[1]

    @pytest.mark.parametrize("line", ["M84", "M18", "M84 X", "M18 Z E", "M84 X Y Z E"])
    def test_is_lost_when_motors_are_released(self, line: str) -> None:
        codes = read(f"{SQUARE}{line}\nG1 X12 E1\n")[1]
        assert "toolpath.not_homed" in codes
        assert read(f"{SQUARE}{line}\nG28\nG1 X12 E1\n")[1] == {}

    @pytest.mark.parametrize("line", ["M84 E", "M84 S60", "M18 E"])
    def test_is_kept_when_only_the_extruder_rests(self, line: str) -> None:
        assert read(f"{SQUARE}{line}\nG1 X12 E1\n")[1] == {}

    def test_by_a_vouched_macro_counts(self) -> None:
        limits = machine("klipper", homing_macros=["START_PRINT"])
        codes = read(SQUARE.replace("G28\n", "START_PRINT BED=60 EXTRUDER_TEMP=215\n"), limits)[1]
        assert codes == {"toolpath.macro": 1}


class TestUnits:
    def test_unsaid_are_doubted(self) -> None:
        assert read(SQUARE.replace("G21\n", ""))[1] == {"toolpath.units_assumed": 1}

    def test_in_inches_are_measured(self) -> None:
        toolpath = figures(SQUARE.replace("G21", "G20"))
        assert toolpath.extruded_high[0].value == pytest.approx(20 * 25.4)
        assert toolpath.feed_mm_s.value == pytest.approx(50 * 25.4)

    def test_in_inches_are_unknown_to_klipper(self) -> None:
        assert "toolpath.unknown_command" in read(SQUARE.replace("G21", "G20"), machine("klipper"))[1]


class TestTemperatures:
    @pytest.mark.parametrize(
        ("line", "figure", "value"),
        [
            ("M104 S250", "temperature_c", 250), ("M109 R251", "temperature_c", 251),
            ("M104 T0 S252", "temperature_c", 252), ("M140 S70", "bed_c", 70), ("M190 R71", "bed_c", 71),
            ("M141 S40", "chamber_c", 40), ("M191 S41", "chamber_c", 41),
        ],
    )  # fmt: skip
    def test_are_taken_from_every_command_that_sets_them(self, line: str, figure: str, value: float) -> None:
        assert getattr(figures(SQUARE + line + "\n"), figure) == Extreme(value, 11)

    @pytest.mark.parametrize("line", ["G10 P0 S260 R150", "M568 P0 S260"])
    def test_are_taken_from_tool_settings_of_reprapfirmware(self, line: str) -> None:
        assert figures(SQUARE + line + "\n", machine("reprapfirmware")).temperature_c.value == 260

    @pytest.mark.parametrize(
        ("rest", "figure"),
        [
            ("HEATER=extruder TARGET=290", "temperature_c"), ("HEATER=heater_bed TARGET=290", "bed_c"),
            ("HEATER=chamber TARGET=290", "chamber_c"), ("TARGET=290", "temperature_c"),
        ],
    )  # fmt: skip
    def test_are_taken_from_heaters_of_klipper(self, rest: str, figure: str) -> None:
        toolpath = figures(f"{SQUARE}SET_HEATER_TEMPERATURE {rest}\n", machine("klipper"))
        assert getattr(toolpath, figure).value == 290

    def test_are_taken_from_macros(self) -> None:
        limits = machine("klipper", macros=["PREPARE"])
        toolpath = figures(SQUARE + "PREPARE BED_TEMP=111 EXTRUDER=299 CHAMBER=55\n", limits)
        assert (toolpath.bed_c.value, toolpath.temperature_c.value, toolpath.chamber_c.value) == (
            111,
            299,
            55,
        )

    def test_of_a_tool_that_is_not_there(self) -> None:
        assert read(SQUARE + "M104 T1 S200\n")[1] == {"toolpath.tool": 1}
        assert read(SQUARE + "T1\n")[1] == {"toolpath.tool": 1}
        assert read(SQUARE + "T1\n", machine(tools=2))[1] == {}


class TestRates:
    @pytest.mark.parametrize(
        ("line", "value"),
        [("G1 F30000", 500), ("M203 X501", 501), ("M220 S2000", 1000), ("G1 X11 F60000 E.1", 1000)],
    )
    def test_of_feed_are_kept(self, line: str, value: float) -> None:
        assert figures(SQUARE + line + "\n").feed_mm_s.value == pytest.approx(value)

    @pytest.mark.parametrize("line", ["M204 P20000", "M204 S20000", "M201 X20000", "M204 T20000"])
    def test_of_acceleration_are_kept(self, line: str) -> None:
        assert figures(SQUARE + line + "\n").acceleration_mm_s2 == Extreme(20_000, 11)

    def test_of_klipper_are_kept(self) -> None:
        toolpath = figures(SQUARE + "SET_VELOCITY_LIMIT ACCEL=30000 VELOCITY=600\n", machine("klipper"))
        assert (toolpath.acceleration_mm_s2.value, toolpath.feed_mm_s.value) == (30_000, 600)

    def test_of_retraction_are_kept(self) -> None:
        assert figures(SQUARE + "M207 S1 F36000\n").feed_mm_s.value == 600

    def test_of_reprapfirmware_count_minutes(self) -> None:
        assert figures(SQUARE + "M203 X6000\n", machine("reprapfirmware")).feed_mm_s.value == 100

    @pytest.mark.parametrize("line", ["G1 X5 F0", "G1 F-100", "M220 S0", "M220"])
    def test_without_motion_are_refused(self, line: str) -> None:
        assert read(SQUARE + line + "\n")[1] == {"toolpath.feed": 1}
