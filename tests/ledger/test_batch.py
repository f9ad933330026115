"""Batches: packed and unpacked without loss, prints small, and nothing malformed read as something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.abi import encode_call
from ledger.batch import pack, unpack
from ledger.errors import TypedDataError
from ledger.operations import RecordPrint
from ledger.typed_data import PrintClaim

WORDS = st.sampled_from([bytes([value]) * 32 for value in range(3)])
claims = st.builds(PrintClaim, WORDS, st.integers(0, 2**32 - 1), WORDS, st.integers(0, 2**64 - 1))
prints = st.builds(
    RecordPrint,
    claims,
    WORDS,
    WORDS,
    st.binary(min_size=64, max_size=64),
    st.lists(WORDS, max_size=2).map(tuple),
).map(encode_call)
PRINT = encode_call(
    RecordPrint(PrintClaim(b"\1" * 32, 1, b"\2" * 32, 3), b"\4" * 32, b"\5" * 32, b"\6" * 64, ())
)


class TestPack:
    @given(st.lists(prints | st.binary(max_size=400), max_size=6))
    def test_unpacks_to_the_same_calls(self, calls: list[bytes]) -> None:
        assert unpack(*pack(calls)) == calls

    def test_prints_share_their_licence_and_key(self) -> None:
        words, items = pack([PRINT] * 5)
        assert words == [b"\1" * 32, b"\4" * 32, b"\5" * 32]
        assert len(items) == 5 * 113

    @pytest.mark.parametrize("place", [4 + 32, 4 + 3 * 32])
    def test_a_number_out_of_range_stays_as_it_is(self, place: int) -> None:
        odd = PRINT[:place] + b"\1" + PRINT[place + 1 :]
        words, items = pack([odd])
        assert (words, items[3:]) == ([], odd)

    def test_refuses_a_call_it_cannot_number(self) -> None:
        assert unpack(*pack([bytes(65535)])) == [bytes(65535)]
        with pytest.raises(TypedDataError, match="send it singly"):
            pack([bytes(65536)])

    def test_refuses_more_words_than_it_can_name(self) -> None:
        calls = [PRINT[:4] + number.to_bytes(32, "big") + PRINT[36:] for number in range(1 << 16)]
        with pytest.raises(TypedDataError, match="make it smaller"):
            pack(calls)


class TestUnpack:
    def test_an_item_cut_off_anywhere_is_malformed(self) -> None:
        words, items = pack([PRINT, b"call"])
        whole = (113, len(items))
        for length in range(1, len(items)):
            if length in whole:
                continue
            with pytest.raises(TypedDataError, match="malformed"):
                unpack(words, items[:length])

    def test_an_unknown_kind_is_malformed(self) -> None:
        with pytest.raises(TypedDataError, match="2 is no kind"):
            unpack([], b"\2")

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_a_word_that_is_not_there_is_malformed(self, count: int) -> None:
        words, items = pack([PRINT])
        with pytest.raises(TypedDataError, match="item 0"):
            unpack(words[:count], items)
