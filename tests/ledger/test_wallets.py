"""What a contract must answer to have signed, from a node that answers as it is told."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ledger.chain import Chain, ChainError, NoOutputError, RefusedError, RevertError
from ledger.wallets import accepted, accepts

YES = bytes.fromhex("1626ba7e")
ACCOUNT = "0x" + "11" * 20


class Node:
    """Answers one call, or raises."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, bytes, int | None]] = []

    def call(self, to: str, data: bytes, *, block: int | None = None) -> bytes:
        self.asked.append((to, data, block))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def said(answer: bytes | Exception) -> bool:
    return accepts(cast("Chain", Node(answer)), ACCOUNT, b"\x01" * 32, b"\x02" * 70, block=7)


class TestAccepts:
    def test_asks_as_erc_1271_says(self) -> None:
        node: Any = Node(YES + bytes(28))
        assert accepts(node, ACCOUNT, b"\x01" * 32, b"\x02" * 70, block=7)
        ((to, data, block),) = node.asked
        assert (to, data[:4], data[4:36], block) == (ACCOUNT, YES, b"\x01" * 32, 7)
        assert data[36:100] == (64).to_bytes(32, "big") + (70).to_bytes(32, "big")
        assert data[100:170] == b"\x02" * 70

    @pytest.mark.parametrize(
        "answer",
        [
            bytes(32),
            b"\xff" * 4 + bytes(28),
            YES,
            YES + bytes(27) + b"\x01",
            bytes(28) + YES,
            RevertError(b""),
            NoOutputError("no contract"),
        ],
    )
    def test_takes_nothing_else_for_a_yes(self, answer: bytes | Exception) -> None:
        assert said(answer) is False

    @pytest.mark.parametrize("error", [ChainError("gone"), RefusedError("out of gas")])
    def test_says_nothing_where_the_node_fails(self, error: Exception) -> None:
        with pytest.raises(ChainError):
            said(error)


class Archive:
    """Answers one thing for the old block, another for the newest."""

    def __init__(self, then: bytes | Exception, now: bytes | Exception) -> None:
        self.answers = {7: then, None: now}

    def call(self, _to: str, _data: bytes, *, block: int | None = None) -> bytes:
        answer = self.answers[block]
        if isinstance(answer, Exception):
            raise answer
        return answer


class TestAccepted:
    @pytest.mark.parametrize(
        ("then", "now", "taken"),
        [
            (YES + bytes(28), bytes(32), True),
            (YES + bytes(28), ChainError("not asked"), True),
            (bytes(32), YES + bytes(28), True),
            (RefusedError("no such state"), YES + bytes(28), True),
            (NoOutputError("no such state"), YES + bytes(28), True),
            (bytes(32), bytes(32), False),
            (RefusedError("no such state"), RevertError(b""), False),
        ],
    )
    def test_is_by_the_block_of_the_record_or_by_now(
        self, then: bytes | Exception, now: bytes | Exception, taken: bool
    ) -> None:
        node: Any = Archive(then, now)
        assert accepted(node, ACCOUNT, b"\x01" * 32, b"\x02" * 70, block=7) is taken

    @pytest.mark.parametrize(("then", "now"), [(ChainError("gone"), b""), (bytes(32), ChainError("gone"))])
    def test_says_nothing_where_the_node_fails(self, then: bytes | Exception, now: bytes | Exception) -> None:
        node: Any = Archive(then, now)
        with pytest.raises(ChainError):
            accepted(node, ACCOUNT, b"\x01" * 32, b"\x02" * 70, block=7)
