"""Lines that a machine must never be sent, each put into a sound toolpath."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_tools.toolpath.commands import FORBIDDEN, WHY
from mesh_tools.toolpath.machine import DIALECTS, Dialect
from tests.mesh_tools.toolpath.test_reader import SQUARE, START, machine, read

GRAMMAR = [
    "G1 X1e3", "G1 X1E3", "G1 X0x10", "G1 Xinf", "G1 Xnan", "G1 X", "G1 X-", "G1 X.", "G1 X1,5", "G1 X1.2.3",
    "G1 X--1", "G1 X1-2", "G1X1", "G1 X1Y2", "G1 X 1", "G1 1", "G1 X1 2", "1", "X1 Y2", "g1 x1", "G1 x1",
    "G1 X1 (inner)", "(outer)", "%", "%O1000", "/G1 X1", "G1 X[1+2]", "G1 X{global.far}", "G1 X#100", "#1=5",
    "G1 X$1", "G1 X1 ~", "if true", "while true", "var x = 1", "echo 1", "G1 X\"1\"", "M117 {1+1}",
    "M117 `x`", "M117 $(x)", "M117 a\\b", "M104 S", "M104 S2O0",
]  # fmt: skip


class TestGrammar:
    @pytest.mark.parametrize("line", GRAMMAR)
    def test_refuses_another(self, line: str) -> None:
        codes = read(SQUARE + line + "\n")[1]
        if line == "M104 S":
            assert codes == {}  # a letter alone sets nothing
        else:
            assert set(codes) & {"toolpath.grammar", "toolpath.unknown_command", "toolpath.unknown_word"}

    @pytest.mark.parametrize("line", ["N1 G1 X1*45", "N1 G1 X1", "G1 X1*33", "N5", "M105*37"])
    def test_refuses_a_serial_stream(self, line: str) -> None:
        assert read(SQUARE + line + "\n")[1] == {"toolpath.line_numbers": 1}

    @pytest.mark.parametrize("line", ["G1 X1 X2", "G1 F100 E1 F9", "M104 S20 S300", "G2 X1 I1 J1 I2"])
    def test_refuses_a_word_that_stands_twice(self, line: str) -> None:
        assert read(SQUARE + line + "\n")[1] == {"toolpath.repeated_word": 1}

    @pytest.mark.parametrize("line", ["G1 X1 M104 S300", "G90 G1 X1", "M107 M500", "G1 X1 G1 Y1", "G28 G29"])
    def test_refuses_several_commands(self, line: str) -> None:
        assert read(SQUARE + line + "\n")[1] == {"toolpath.several_commands": 1}

    @pytest.mark.parametrize(
        "line", ["G1 X1 S255", "G1 H1 X5", "G0 R1", "G1 X1 I5", "G28 Q", "G92 A1", "G1 T1", "M104 S1 P3"]
    )
    def test_refuses_a_word_that_the_command_does_not_have(self, line: str) -> None:
        assert read(SQUARE + line + "\n")[1] == {"toolpath.unknown_word": 1}

    @pytest.mark.parametrize(
        "line", ["G1 X10000000", "G1 E-99999999999", "G2 X1 I99999999 J0", "G1 F1000001"]
    )
    def test_refuses_a_number_that_no_machine_has(self, line: str) -> None:
        assert "toolpath.number_range" in read(SQUARE + line + "\n")[1]

    def test_refuses_a_line_that_firmware_would_cut(self) -> None:
        assert read(SQUARE + "G1 X1" + " " * 260 + "Y2\n")[1] == {"toolpath.line_length": 1}
        assert read(SQUARE + "M117 " + "a" * 260 + "\n")[1] == {"toolpath.line_length": 1}
        assert read(SQUARE + "G1 X1 ;" + "a" * 5000 + "\n")[1] == {}

    def test_refuses_a_line_without_end(self) -> None:
        assert read(SQUARE + ";" + "a" * (3 << 20))[1] == {"toolpath.line_length": 1}


class TestCharacters:
    @pytest.mark.parametrize(
        "data",
        [
            b"; note\rM502\n", b"G1 X1\rM502\r\n", b"G1 X1\0\n", b"; a\0M502\n", b"G1 X1\x0bM502\n",
            b"; \xff\xfe\n", b"; a\xc2\x85M502\n", b"; a\xe2\x80\xa8M502\n", b"G1 X\xc2\xb2\n",
            b"G1 X\xef\xbc\x91\n", b"\xef\xbb\xbfG28\n", b"; \x1b[2J\n", b"G1 X1\x7f\n", b"G1\xc2\xa0X1\n",
        ],
    )  # fmt: skip
    def test_refuses_what_readers_take_differently(self, data: bytes) -> None:
        assert read(SQUARE.encode() + data)[1] == {"toolpath.characters": 1}

    @pytest.mark.parametrize("data", ["; Größe 10 µm\n", "G1 X11 ; 速い\n", "\t G1\tX11\r\n", "\r\n", "  \n"])
    def test_takes_comments_in_any_script(self, data: str) -> None:
        assert read(SQUARE + data)[1] == {}

    def test_finds_what_lies_across_chunks(self) -> None:
        filler = "G1 X11 Y12 E.1\n" * 40_000
        assert read(START + filler + "M502\n" + filler)[1] == {"toolpath.settings_write": 1}
        assert read((START + filler).encode() + b";\0\n" + filler.encode())[1] == {"toolpath.characters": 1}


class TestCommands:
    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("name", sorted(FORBIDDEN))
    def test_forbidden_are_refused_by_name(self, name: str, dialect: Dialect) -> None:
        limits = machine(dialect, macros=[name])
        assert read(SQUARE + name + "\n", limits)[1] == {FORBIDDEN[name]: 1}

    def test_say_why_they_are_forbidden(self) -> None:
        assert set(FORBIDDEN.values()) == set(WHY)

    @pytest.mark.parametrize(
        "line", ["@pause", "@restart_host now", "@ M500", "M118 A1 action:cancel", "M876 S1"]
    )
    def test_of_the_host_are_refused(self, line: str) -> None:
        assert set(read(SQUARE + line + "\n")[1]) == {"toolpath.host_command"}

    @pytest.mark.parametrize(
        "line", ["M302", "M302 P1", "M302 S0", "M302 S100", "M211", "M211 S0", "M302 S170 P1"]
    )
    def test_that_switch_protection_off_are_refused(self, line: str) -> None:
        assert read(SQUARE + line + "\n")[1] == {"toolpath.protection_off": 1}

    @pytest.mark.parametrize("line", ["M302 S170", "M211 S1", "M220 S100"])
    def test_that_leave_protection_on_pass(self, line: str) -> None:
        assert read(SQUARE + line + "\n")[1] == {}

    @pytest.mark.parametrize(
        "line", ["M12345", "G999", "M1111", "G53 X5", "G54", "G18", "G19", "G5 X1 Y1", "G1.1 X1", "M48",
                 "FROBNICATE", "G92.1", "START_PRINT", "Tx", "T?", "G-1", "G38.2 Z-10", "G90.1"]
    )  # fmt: skip
    def test_nobody_listed_are_refused(self, line: str) -> None:
        codes = read(SQUARE + line + "\n")[1]
        assert set(codes) <= {"toolpath.unknown_command", "toolpath.grammar"}
        assert codes

    @pytest.mark.parametrize("text", ["M0502", "M00500", "m502", "M502;", " M502", "\tM502", "M502 "])
    def test_are_known_however_they_are_written(self, text: str) -> None:
        codes = read(SQUARE + text + "\n")[1]
        assert set(codes) <= {"toolpath.settings_write", "toolpath.grammar"}
        assert codes

    @pytest.mark.parametrize("line", ["G29 S1", "G29 S1 P1", "G29 P3 S0", "M420 L5", "G29 L1"])
    def test_that_save_or_load_levelling_are_refused(self, line: str) -> None:
        assert read(SQUARE + line + "\n")[1] == {"toolpath.unknown_word": 1}

    @pytest.mark.parametrize("line", ["G29 S3", "G29 S0"])
    def test_that_store_levelling_in_reprapfirmware_are_refused(self, line: str) -> None:
        assert read(f"{SQUARE}{line}\n", machine("reprapfirmware"))[1] == {"toolpath.settings_write": 1}
        assert read(f"{SQUARE}G29 S1\n", machine("reprapfirmware"))[1] == {}

    def test_that_wait_are_warned_of(self) -> None:
        assert read(SQUARE + "M600\nM0\nM600\n")[1] == {"toolpath.pause": 3}

    def test_of_one_dialect_are_unknown_to_another(self) -> None:
        assert read(SQUARE + "M862.1 P0.4\n")[1] == {}
        assert read(SQUARE + "M862.1 P0.4\n", machine("klipper"))[1] == {"toolpath.unknown_command": 1}
        assert read(SQUARE + "SET_PRESSURE_ADVANCE ADVANCE=0.05\n", machine("klipper"))[1] == {}
        assert read(SQUARE + "SET_PRESSURE_ADVANCE ADVANCE=0.05\n")[1] == {"toolpath.unknown_command": 1}

    @pytest.mark.parametrize(
        "rest", ["=1", " ACCEL=1e9", " ACCEL=5 ACCEL=6", " ACCEL={x}", " ACCEL 5", " A=B C"]
    )
    def test_of_klipper_are_held_to_its_grammar(self, rest: str) -> None:
        assert read(f"{SQUARE}SET_VELOCITY_LIMIT{rest}\n", machine("klipper"))[1]

    def test_vouched_for_pass_with_a_warning(self) -> None:
        limits = machine(macros=["M620", "M621.1"])
        assert read(SQUARE + "M620 S1\nM621.1 S2\n", limits)[1] == {"toolpath.macro": 2}


_ALPHABET = 'GMTNXYZEFIJRPS0123456789.+- \t\n;*@%()"=_{}gx\r\0é'
_WORDS = [
    "G1",
    "G2",
    "M104",
    "X1",
    "Y-2.5",
    "E.1",
    "F900",
    " ",
    "\n",
    ";c",
    "S200",
    "M500",
    "G92",
    "I1",
    "1e5",
    "\t",
]


class TestAnyBytes:
    @settings(deadline=None, max_examples=200)
    @given(
        st.one_of(
            st.binary(max_size=200),
            st.text(_ALPHABET, max_size=200).map(str.encode),
            st.lists(st.sampled_from(_WORDS), max_size=60).map(" ".join).map(str.encode),
            st.lists(st.sampled_from(_WORDS), max_size=60).map("".join).map(str.encode),
        ),
        st.sampled_from(DIALECTS),
    )
    def test_are_read_or_refused(self, data: bytes, dialect: Dialect) -> None:
        toolpath, codes = read(data, machine(dialect))
        assert toolpath is not None or codes
        assert all(code.startswith("toolpath.") for code in codes)

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.text(_ALPHABET.replace("\n", ""), max_size=40), max_size=12))
    def test_hide_no_line_that_is_forbidden(self, lines: list[str]) -> None:
        text = "\n".join([*lines, "M502", *lines])
        codes = read(SQUARE + text + "\n")[1]
        assert codes.keys() & {"toolpath.settings_write", "toolpath.characters"}


class TestPlanted:
    @pytest.mark.parametrize("seed", range(25))
    def test_line_is_found_wherever_it_stands(self, seed: int) -> None:
        chance = random.Random(seed)
        lines = [f"G1 X{chance.uniform(0, 100):.3f} Y{chance.uniform(0, 100):.3f} E.02" for _ in range(2000)]
        place = chance.randrange(len(lines))
        evil = chance.choice(
            ["M502", "M997", "G1 X1 X2", "G1 X1e9", "@x", "M28 a.g", "M303 E0 S200", "M587 S1"]
        )
        assert not read(START + "\n".join(lines))[1]
        lines.insert(place, evil)
        codes = read(START + "\n".join(lines))[1]
        assert sum(codes.values()) == 1
