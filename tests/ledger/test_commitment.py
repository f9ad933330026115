"""Commitments: fixed by salt, label and content, and by nothing else."""

from __future__ import annotations

from hashlib import sha256

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.commitment import canonical_json, report_commitment, revision_commitment, terms_commitment
from ledger.errors import TypedDataError

SALT = bytes(range(32))
KINDS = {"revision": revision_commitment, "terms": terms_commitment, "report": report_commitment}


class TestCommitments:
    @pytest.mark.parametrize("kind", KINDS)
    def test_follow_their_definition(self, kind: str) -> None:
        content = b'{"format":"x"}'
        label = f"partvault/{kind}/v1".encode()
        expected = sha256(label + b"\0" + SALT + sha256(content).digest()).digest()
        assert KINDS[kind](SALT, content) == expected

    def test_stay_what_they_were(self) -> None:
        expected = "f33a2026bf7790a507a53e98815391b5567c01ca57a4609c7d85654ad1b09218"
        assert revision_commitment(bytes(32), b"").hex() == expected

    @given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), st.binary())
    def test_differ_by_salt_kind_and_content(self, salt: bytes, other: bytes, content: bytes) -> None:
        assert len({commit(salt, content) for commit in KINDS.values()}) == 3
        assert revision_commitment(salt, content) != revision_commitment(salt, content + b"\0")
        assert (salt == other) == (revision_commitment(salt, content) == revision_commitment(other, content))

    @pytest.mark.parametrize("length", [0, 31, 33])
    def test_need_a_whole_salt(self, length: int) -> None:
        with pytest.raises(TypedDataError, match="salt: must be 32 bytes"):
            revision_commitment(bytes(length), b"")


class TestCanonicalJson:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ({"b": 1, "a": [True, None, "é"]}, '{"a":[true,null,"é"],"b":1}'),
            ({"n": 1e21, "z": 0.1, "one": 1.0}, '{"n":1e+21,"one":1,"z":0.1}'),
            ({"\u20ac": 1, "\r": 2, "1": 3}, '{"\\r":2,"1":3,"€":1}'),
            ([], "[]"),
        ],
    )
    def test_follows_rfc_8785(self, value: object, expected: str) -> None:
        assert canonical_json(value) == expected.encode()

    @pytest.mark.parametrize(
        "value", [float("nan"), float("inf"), 2**53, {1: 2}, "\ud800", object(), b"bytes"]
    )
    def test_refuses_what_json_cannot_hold(self, value: object) -> None:
        with pytest.raises(TypedDataError, match="RFC 8785"):
            canonical_json({"value": value})

    def test_refuses_bottomless_nesting(self) -> None:
        value: list[object] = []
        value.append(value)
        with pytest.raises(TypedDataError, match="RFC 8785"):
            canonical_json(value)


class TestPlainValues:
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.floats(0, 1) | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        )
    )
    def test_are_written_as_the_reference_writes_them(self, value: object) -> None:
        try:
            expected = rfc8785.dumps(value)
        except (UnicodeEncodeError, rfc8785.CanonicalizationError):
            with pytest.raises(TypedDataError):
                canonical_json(value)
            return
        assert canonical_json(value) == expected
