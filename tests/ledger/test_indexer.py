"""The pure index: only runs that fit together are taken, and a rewind goes no further than it must."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.chain import Header, Log
from ledger.indexer import PageMismatch, common_ancestor, finalised, read_page


def block(number: int, fork: str = "") -> Header:
    return Header(number, _hash(number, fork), _hash(number - 1, fork), 1000 + number)


def _hash(number: int, fork: str) -> bytes:
    return hashlib.sha256(f"{fork}{number}".encode()).digest()


def run(first: int, last: int, fork: str = "") -> list[Header]:
    return [block(number, fork) for number in range(first, last + 1)]


def log(of: Header) -> Log:
    return Log("0x" + "11" * 20, (bytes(32),), b"", of.number, of.hash, bytes(32), 0, 0)


class TestReadPage:
    def test_takes_blocks_that_follow(self) -> None:
        assert read_page(block(4), run(5, 9), []).blocks == tuple(run(5, 9))

    @pytest.mark.parametrize(
        ("below", "headers"),
        [
            (block(4, "other"), run(5, 6)),
            (block(4), [block(5), block(6, "other")]),
            (block(4), [block(5), None]),
        ],
    )
    def test_refuses_what_does_not_follow(self, below: Header, headers: list[Header | None]) -> None:
        with pytest.raises(PageMismatch):
            read_page(below, headers, [])

    @pytest.mark.parametrize("stray", [block(5, "other"), block(7)])
    def test_refuses_a_log_of_another_block(self, stray: Header) -> None:
        with pytest.raises(PageMismatch):
            read_page(block(4), run(5, 6), [log(stray)])

    def test_may_leave_out_empty_blocks(self) -> None:
        assert len(read_page(block(4), [block(9), block(20)], []).blocks) == 2


class TestCommonAncestor:
    @given(shared=st.integers(0, 40), longer=st.integers(0, 40))
    def test_is_the_youngest_shared_block(self, shared: int, longer: int) -> None:
        indexed = [*run(0, shared), *run(shared + 1, shared + longer, "lost")]
        seen = {b.number: b for b in [*run(0, shared), *run(shared + 1, shared + 60, "kept")]}
        assert common_ancestor(indexed, dict(seen)) == block(shared)

    def test_there_may_be_none(self) -> None:
        assert common_ancestor(run(0, 3), dict.fromkeys(range(4))) is None


class TestFinalised:
    @pytest.mark.parametrize(("head", "confirmations", "final"), [(7, 1, 7), (7, 3, 5), (0, 3, -1)])
    def test_counts_the_block_itself(self, head: int, confirmations: int, final: int) -> None:
        assert finalised(head, confirmations) == final
