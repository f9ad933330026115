from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.toolpath.bgcode import gcode_pieces
from mesh_tools.toolpath.heatshrink import expand
from mesh_tools.toolpath.machine import MachineLimits
from mesh_tools.toolpath.meatpack import unpack
from mesh_tools.toolpath.reader import read_gcode
from tests.mesh_tools.toolpath import packers
from tests.mesh_tools.toolpath.test_examine import METADATA, bgcode, block
from tests.mesh_tools.toolpath.test_reader import SQUARE

_TEXTS = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"G1 X10", b" Y2.5", b" E.02\n", b"aaaa"]), max_size=60).map(b"".join),
)
_LINES = st.lists(
    st.one_of(
        st.sampled_from([";TYPE:Wall\n", "; é µm\n", "M104 S200\n", "G92 E0\n", "G28\n", 'M862.3 P "MK4"\n']),
        st.tuples(st.integers(-999, 999), st.integers(0, 999), st.integers(0, 99999)).map(
            lambda row: f"G1 X{row[0]} Y{row[1]}.5 E.{row[2]:05d}\n"
        ),
    ),
    max_size=40,
).map("".join)


def _refused(call: Callable[[], object]) -> str | None:
    """The code that `call` was refused with, None when it was not."""
    try:
        call()
    except Refused as refusal:
        return refusal.code
    return None


class TestExpand:
    @settings(deadline=None)
    @given(_TEXTS, st.sampled_from([11, 12]))
    @example(b"a" * 300, 11)
    @example(b"ab" * 200, 12)
    def test_gives_what_was_packed(self, data: bytes, window: int) -> None:
        assert expand(packers.heatshrink(data, window), len(data), window) == data

    def test_reads_a_stream_written_by_hand(self) -> None:
        bits = "1" + f"{ord('a'):08b}" + "1" + f"{ord('b'):08b}" + "0" + f"{1:011b}" + f"{4:04b}"
        bits += "0" * (-len(bits) % 8)
        packed = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
        assert expand(packed, 7, 11) == b"abababa"

    @settings(deadline=None)
    @given(st.binary(max_size=200), st.integers(0, 400), st.sampled_from([11, 12]))
    def test_refuses_or_gives_the_declared_size(self, packed: bytes, size: int, window: int) -> None:
        code = _refused(lambda: expand(packed, size, window))
        assert code == "toolpath.container" or len(expand(packed, size, window)) == size

    @pytest.mark.parametrize(
        ("packed", "size"),
        [
            (packers.heatshrink(b"hello", 11), 4), (packers.heatshrink(b"hello", 11), 6),
            (packers.heatshrink(b"hello", 11) + b"\0", 5), (b"", 1), (b"\0\0\0", 1), (b"\xb0\xff", 1),
        ],
    )  # fmt: skip
    def test_refuses_other_lengths_and_far_sources(self, packed: bytes, size: int) -> None:
        with pytest.raises(Refused):
            expand(packed, size, 11)


class TestUnpack:
    @settings(deadline=None)
    @given(_LINES)
    def test_gives_the_text_with_its_blanks(self, text: str) -> None:
        assert unpack(packers.meatpack(text, blanks=True)).decode() == text

    @settings(deadline=None)
    @given(_LINES)
    def test_puts_blanks_back_before_words_of_moves(self, text: str) -> None:
        assert unpack(packers.meatpack(text, blanks=False)).decode() == text

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_refuses_or_gives_text(self, packed: bytes) -> None:
        data = b"\xff\xff\xfb" + packed
        code = _refused(lambda: unpack(data))
        assert code == "toolpath.container" or len(unpack(data)) <= 4 * len(packed)


class TestGcodePieces:
    @pytest.mark.parametrize("compression", [0, 2, 3])
    @pytest.mark.parametrize("encoding", [0, 1, 2])
    def test_reads_as_the_plain_text_does(self, compression: int, encoding: int) -> None:
        text = "".join(line + "\n" for line in (SQUARE * 6).splitlines())
        blocks = list(METADATA)
        for part in (text[: len(SQUARE)], text[len(SQUARE) :]):
            body = packers.meatpack(part, blanks=False) if encoding else part.encode()
            window = {2: 11, 3: 12}.get(compression, 0)
            packed = packers.heatshrink(body, window) if window else body
            parameters = struct.pack("<H", encoding)
            blocks.append(block(1, packed, parameters=parameters, compression=compression, size=len(body)))
        pieces = list(gcode_pieces(memoryview(bgcode(*blocks)), Limits()))
        machine = MachineLimits(300, 120, 400, 10_000)
        assert read_gcode(pieces, machine) == read_gcode([text.encode()], machine)

    @settings(deadline=None)
    @given(st.binary(max_size=120))
    def test_refuses_or_reads_any_bytes(self, body: bytes) -> None:
        data = memoryview(bgcode(*METADATA, body))
        code = _refused(lambda: list(gcode_pieces(data, Limits())))
        assert code in {None, "toolpath.container", "toolpath.checksum", "package.limit"}
