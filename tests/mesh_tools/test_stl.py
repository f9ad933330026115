from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_tools import stl
from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.load import load
from tests.mesh_tools import shapes

_BOX = shapes.corners(shapes.box())
_BINARY = shapes.stl_binary(_BOX)
_ASCII = shapes.stl_ascii(_BOX)


def _refusal(data: bytes, name: str = "part.stl", limits: Limits | None = None) -> str:
    with pytest.raises(Refused) as caught:
        load(memoryview(data), name, limits or Limits())
    return caught.value.code


class TestLoadBinary:
    def test_reads_every_corner(self) -> None:
        model = load(memoryview(_BINARY), "part.stl", Limits())
        assert model.format == "stl-binary"
        assert model.unit_mm is None
        np.testing.assert_array_equal(model.bodies[0].points, _BOX)

    def test_takes_a_header_that_says_solid(self) -> None:
        data = shapes.stl_binary(_BOX, b"solid made by a careless program")
        assert load(memoryview(data), "part.stl", Limits()).format == "stl-binary"

    def test_notes_attribute_bytes(self) -> None:
        model = load(memoryview(shapes.stl_binary(_BOX, attribute=7)), "part.stl", Limits())
        assert [(found.code, found.count) for found in model.findings] == [("stl.attribute_bytes", 12)]

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (_BINARY[:-1], "stl.truncated"),
            (_BINARY[:-50], "stl.truncated"),
            (_BINARY[:83], "stl.truncated"),
            (_BINARY[:84], "stl.truncated"),
            (_BINARY + b"\0", "stl.facet_count"),
            (_BINARY + bytes(50), "stl.facet_count"),
            (_BINARY[:80] + (13).to_bytes(4, "little") + _BINARY[84:], "stl.truncated"),
            (_BINARY[:80] + (0).to_bytes(4, "little") + _BINARY[84:], "stl.facet_count"),
            (_BINARY[:80] + b"\xff\xff\xff\xff" + _BINARY[84:], "stl.truncated"),
            (b"<html>not found</html>", "stl.truncated"),
        ],
    )
    def test_refuses_what_the_length_belies(self, data: bytes, code: str) -> None:
        assert _refusal(data) == code

    def test_refuses_too_many_facets(self) -> None:
        assert _refusal(_BINARY, limits=Limits(facets_max=11)) == "limit.facets"

    def test_refuses_a_file_that_is_both_kinds(self) -> None:
        text = b"solid x\n" + b"endfacet\nendsolid x\n"
        size = (len(text) + 49) // 50 + 2
        data = bytearray(84 + 50 * size)
        data[: len(text)] = text.replace(b"\n", b" ")
        data[80:84] = size.to_bytes(4, "little")
        data[-20:] = b"endfacet endsolid x\n"
        assert _refusal(bytes(data)) == "stl.ambiguous"


class TestLoadAscii:
    def test_reads_every_corner(self) -> None:
        model = load(memoryview(_ASCII), "part.stl", Limits())
        assert model.format == "stl-ascii"
        np.testing.assert_array_equal(model.bodies[0].points, _BOX)

    @pytest.mark.parametrize(
        "text",
        [
            _ASCII.upper(),
            _ASCII.replace(b"\n", b"\r\n"),
            _ASCII.replace(b"  ", b"\t"),
            b"\n\n  " + _ASCII,
            _ASCII.rstrip(b"\n"),
            _ASCII.replace(b"solid part", b"solid a facet named endfacet", 1),
            _ASCII.replace(b"endsolid part", b"endsolid"),
            _ASCII + b"\0\0",
        ],
    )
    def test_takes_what_the_grammar_allows(self, text: bytes) -> None:
        assert load(memoryview(text), "part.stl", Limits()).bodies[0].facet_count == 12

    def test_joins_several_solids(self) -> None:
        assert load(memoryview(_ASCII + _ASCII), "part.stl", Limits()).bodies[0].facet_count == 24

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"10.0 0.0 0.0", b"nan 0.0 0.0"),
            (b"10.0 0.0 0.0", b"inf 0.0 0.0"),
            (b"10.0 0.0 0.0", b"1_0.0 0.0 0.0"),
            (b"10.0 0.0 0.0", b"10,0 0.0 0.0"),
            (b"10.0 0.0 0.0", b"0x10 0.0 0.0"),
            (b"10.0 0.0 0.0", b"10.0 0.0"),
            (b"10.0 0.0 0.0", b"10.0 0.0 0.0 0.0"),
            (b"10.0 0.0 0.0", b"1e 0.0 0.0"),
            (b"outer loop", b"outer hoop"),
            (b"endloop", b"endlop"),
            (b"vertex", b"vertices"),
            (b"facet normal", b"facet"),
            (b"endfacet", b""),
            (b"solid part\n", b"solidpart\n"),
            (b"endsolid part", b"endsolid part\ntrailing words"),
        ],
    )
    def test_refuses_what_the_grammar_does_not_allow(self, old: bytes, new: bytes) -> None:
        assert old in _ASCII
        assert _refusal(_ASCII.replace(old, new, 1)) in {"stl.grammar", "stl.truncated"}

    @pytest.mark.parametrize("cut", [10, 200, len(_ASCII) - 40, len(_ASCII) - 14])
    def test_refuses_a_file_cut_short(self, cut: int) -> None:
        assert _refusal(_ASCII[:cut]) in {"stl.grammar", "stl.truncated"}

    def test_refuses_endless_solids(self) -> None:
        assert _refusal(b"solid " * 100_000) == "stl.grammar"

    def test_refuses_too_many_facets(self) -> None:
        assert _refusal(_ASCII, limits=Limits(facets_max=11)) == "limit.facets"

    @given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=9, max_size=9))
    def test_reads_any_number_exactly(self, values: list[float]) -> None:
        triangle = np.array(values, np.float32).reshape(1, 3, 3)
        model = stl.load_ascii(memoryview(shapes.stl_ascii(triangle)), Limits())
        np.testing.assert_array_equal(model.bodies[0].points, triangle.astype(float))

    @given(st.integers(0, len(_ASCII) - 1), st.binary(min_size=1, max_size=4))
    def test_never_raises_anything_else(self, place: int, noise: bytes) -> None:
        data = _ASCII[:place] + noise + _ASCII[place + 1 :]
        try:
            load(memoryview(data), "part.stl", Limits())
        except Refused:
            return


class TestLoad:
    def test_refuses_unknown_bytes(self) -> None:
        assert _refusal(b"\x7fELF" + bytes(100), "part.bin") == "format.unknown"

    def test_refuses_nothing(self) -> None:
        assert _refusal(b"") == "input.empty"

    def test_warns_of_a_wrong_extension(self) -> None:
        model = load(memoryview(_BINARY), "part.obj", Limits())
        assert [found.code for found in model.findings] == ["format.mismatch"]
