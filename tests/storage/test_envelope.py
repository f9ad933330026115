from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.envelope import VERSION_MAX, ObjectContext
from storage.errors import InvalidName

fields = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)
contexts = st.builds(ObjectContext, fields, fields, st.integers(0, VERSION_MAX), fields)


class TestEncode:
    def test_has_the_documented_bytes(self) -> None:
        encoded = ObjectContext("org_a", "rev_1", 258, "print-file").encode()
        assert encoded == (
            b"partvault/object/v1\x00"
            b"\x00\x05org_a"
            b"\x00\x05rev_1"
            b"\x00\x0aprint-file"
            b"\x00\x00\x00\x00\x00\x00\x01\x02"
        )

    def test_is_what_the_format_page_shows(self) -> None:
        page = (Path(__file__).parents[2] / "docs" / "formats" / "stream.md").read_text(encoding="utf-8")
        shown = page.split("The example in hex:")[1].split("```")[1]
        assert bytes.fromhex(shown) == ObjectContext("org_a", "rev_1", 258, "print-file").encode()

    @given(contexts, contexts)
    def test_is_injective(self, one: ObjectContext, other: ObjectContext) -> None:
        assert (one.encode() == other.encode()) == (one == other)

    def test_keeps_moved_borders_apart(self) -> None:
        assert ObjectContext("ab", "c", 1, "d").encode() != ObjectContext("a", "bc", 1, "d").encode()


class TestFields:
    @pytest.mark.parametrize("name", ["tenant", "object_id", "kind"])
    @pytest.mark.parametrize("value", ["", "a b", "é", "a\n", "\x7f", "x" * 129, None, 7, b"bytes"])
    def test_refuses_a_bad_name(self, name: str, value: object) -> None:
        with pytest.raises(InvalidName, match=name):
            dataclasses.replace(ObjectContext("t", "o", 1, "k"), **{name: value})

    @pytest.mark.parametrize("version", [-1, VERSION_MAX + 1, True, "1", 1.0, None])
    def test_refuses_a_bad_version(self, version: object) -> None:
        with pytest.raises(InvalidName, match="version"):
            ObjectContext("t", "o", version, "k")  # type: ignore[arg-type]


class TestJson:
    @given(contexts)
    def test_survives_a_round_trip(self, context: ObjectContext) -> None:
        assert ObjectContext.from_json(context.to_json()) == context

    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"tenant": "t", "object_id": "o", "version": 1},
            {"tenant": "t", "object_id": "o", "version": 1, "kind": "k", "more": 1},
            {"tenant": "t", "object_id": "o", "version": "1", "kind": "k"},
        ],
    )
    def test_refuses_other_fields(self, value: dict[str, object]) -> None:
        with pytest.raises(InvalidName):
            ObjectContext.from_json(value)
