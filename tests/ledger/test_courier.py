"""The courier's order: one delivery after the other, none after one that failed until it is told."""

from __future__ import annotations

import pytest

from ledger.chain import ChainError
from ledger.courier import Courier


class Post:
    """A courier driven by hand, and what it delivered; a nonce in `refused` is not taken."""

    def __init__(self) -> None:
        self.delivered: list[int] = []
        self.refused: set[int] = set()
        self.called: list[str] = []
        self.courier = Courier(lambda: self.called.append("ready"), lambda: self.called.append("delivered"))

    def hand(self, nonce: int) -> None:
        def deliver() -> bool:
            assert self.courier.nonces()[0] == nonce
            self.delivered.append(nonce)
            return nonce not in self.refused

        self.courier.hand(nonce, deliver)


class TestStep:
    def test_delivers_in_the_order_handed_over(self) -> None:
        post = Post()
        post.hand(4)
        post.hand(5)
        assert post.courier.nonces() == [4, 5]
        assert post.courier.step() == 0.0
        assert (post.delivered, post.courier.nonces()) == ([4], [5])
        post.courier.step()
        assert (post.delivered, post.courier.nonces()) == ([4, 5], [])

    def test_sleeps_when_there_is_nothing(self) -> None:
        assert Post().courier.step() > 0

    def test_calls_when_something_is_ready_and_delivered(self) -> None:
        post = Post()
        post.hand(4)
        post.courier.step()
        assert post.called == ["ready", "delivered"]


class TestFailure:
    def test_delivers_nothing_after_a_refusal(self) -> None:
        post = Post()
        post.refused = {4}
        post.hand(4)
        post.hand(5)
        post.courier.step()
        post.hand(6)
        post.courier.step()
        assert (post.delivered, post.courier.nonces(), post.courier.failed) == ([4], [], True)
        assert post.called.count("delivered") == 1

    def test_delivers_nothing_after_an_error(self) -> None:
        post = Post()

        def fail() -> bool:
            raise ChainError("the node is gone")

        post.courier.hand(4, fail)
        post.hand(5)
        with pytest.raises(ChainError, match="the node is gone"):
            post.courier.step()
        post.courier.step()
        assert (post.delivered, post.courier.failed) == ([], True)
        assert post.called[-1] == "delivered"

    def test_delivers_again_when_it_is_told(self) -> None:
        post = Post()
        post.refused = {4}
        post.hand(4)
        post.courier.step()
        post.courier.resume()
        post.hand(5)
        post.courier.step()
        assert post.delivered == [4, 5]
        assert not post.courier.failed
