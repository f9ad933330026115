"""Asking several endpoints the same question at once, and counting who said what.

An endpoint that does not answer in time is late: from then on it is still asked, but no longer waited for,
until it answers. What it says after the decision is compared with it all the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from ledger.chain import ChainError, RefusedError, RevertError
from ledger.errors import LedgerError

_T = TypeVar("_T")
_UNDER_WAY_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Reverted:
    """That a call reverted, and with what: an answer as good as any."""

    data: bytes


class Voter(Generic[_T]):
    """One endpoint under the name that people read, with threads of its own.

    `admit` is called before its first answer counts, and again after it could not be reached; it raises a
    LedgerError while the endpoint must not vote.
    """

    def __init__(self, name: str, endpoint: _T) -> None:
        self.name = name
        self.endpoint = endpoint
        self.admit: Callable[[_T], None] = lambda _: None
        self.late = False
        self._admitted = False
        self._failure: LedgerError | None = None
        self._under_way = 0
        self._guard = threading.Lock()
        self._threads = ThreadPoolExecutor(_UNDER_WAY_MAX, thread_name_prefix="partvault-rpc")

    @property
    def trouble(self) -> str | None:
        """Why it has no vote now, None where its last question was answered."""
        if self.late:
            return "it does not answer in time"
        return None if self._failure is None else str(self._failure)

    def put(self, question: Callable[[_T], Any], tell: Callable[[Voter[_T], Any], None]) -> None:
        """Ask in the background and tell the answer, or the LedgerError that stands for it."""
        with self._guard:
            busy = self._under_way >= _UNDER_WAY_MAX
            self._under_way += not busy
        if busy:
            tell(self, ChainError("it has yet to answer earlier questions"))
        else:
            self._threads.submit(self._run, question, tell)

    def _run(self, question: Callable[[_T], Any], tell: Callable[[Voter[_T], Any], None]) -> None:
        try:
            answer = self._answer(question)
        finally:
            with self._guard:
                self._under_way -= 1
        self.late = False
        tell(self, answer)

    def _answer(self, question: Callable[[_T], Any]) -> Any:
        try:
            if not self._admitted:
                self.admit(self.endpoint)
                self._admitted = True
            answer = question(self.endpoint)
        except RevertError as reverted:
            answer = Reverted(reverted.data)
        except RefusedError as refusal:
            answer = refusal
        except LedgerError as problem:
            self._admitted = False
            self._failure = problem
            return problem
        except Exception as problem:  # noqa: BLE001  # whatever an endpoint sends must not silence the vote
            self._failure = ChainError(f"its answer makes no sense: {problem!r}")
            return self._failure
        self._failure = None
        return answer


class Poll(Generic[_T]):
    """One question to some voters. `late` is told the answers that come after `close`."""

    def __init__(
        self,
        voters: Sequence[Voter[_T]],
        question: Callable[[_T], Any],
        late: Callable[[Voter[_T], Any], None],
    ) -> None:
        self._voters = voters
        self._late = late
        self._changed = threading.Condition()
        self._open = True
        self._answers: dict[str, Any] = {}
        for voter in voters:
            voter.put(question, self._take)

    def wait(self, enough: Callable[[dict[str, Any]], bool], timeout_s: float) -> dict[str, Any]:
        """Return the answers by endpoint once `enough` says so, all have answered or the time is over.

        Endpoints that were late before are waited for only where the others alone are not enough.
        """
        until = time.monotonic() + timeout_s
        with self._changed:
            while not (len(self._answers) == len(self._voters) or enough(self._answers)):
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            self._open = False
            if time.monotonic() >= until:
                for voter in self._voters:
                    voter.late = voter.late or voter.name not in self._answers
            return dict(self._answers)

    def prompt(self, answers: dict[str, Any]) -> bool:
        """Return whether everybody has answered who is not known to be late."""
        return all(voter.late or voter.name in answers for voter in self._voters)

    def _take(self, voter: Voter[_T], answer: Any) -> None:
        with self._changed:
            if self._open:
                self._answers[voter.name] = answer
                self._changed.notify_all()
                return
        self._late(voter, answer)
