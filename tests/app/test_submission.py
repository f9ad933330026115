"""Questions to the chain."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app import submission
from ledger.chain import ChainError, RefusedError


def answering(*answers: Exception | int) -> Callable[[], int]:
    """A node that gives these answers in turn."""
    waiting = list(answers)

    def question() -> int:
        answer = waiting.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return question


def refused() -> RefusedError:
    return RefusedError.__new__(RefusedError)


class TestAsk:
    def test_asks_again_where_the_node_moved_on(self) -> None:
        assert submission.ask(answering(refused(), refused(), 7)) == 7

    def test_gives_up_in_the_end(self) -> None:
        with pytest.raises(RefusedError):
            submission.ask(answering(*[refused() for _ in range(submission.ASKS_MAX)], 7))

    def test_does_not_ask_a_dead_node_again(self) -> None:
        with pytest.raises(ChainError):
            submission.ask(answering(ChainError("gone"), 7))

    @pytest.mark.parametrize(
        ("name", "code"), [("CountExhausted", "count_exhausted"), ("Panic", "panic"), ("A1B", "a1_b")]
    )
    def test_codes_are_the_contracts_names_in_snake_case(self, name: str, code: str) -> None:
        assert submission.contract_reason(name, "why").code == code
