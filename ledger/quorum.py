"""Several endpoints as one chain: what decides counts only if enough of them say the same.

How a question is answered:

1. every endpoint tells its newest block; the newest that enough of them have reached is the block agreed on,
   if enough of them show it under the same hash. An endpoint that has not got there is behind, not a liar: it
   has no vote until it is, and is waited for a while where those ahead of it contradict each other;
2. questions that are open because the endpoints disagreed are asked again; nothing else is answered while one
   is;
3. the question is put to those that have the agreed block, as of that block, and answered if enough say the
   same. Who said otherwise is remembered and named.

So a minority can lie, fork, lag or stay silent and only be found out; where no majority agrees, everything
that reads the chain fails with what each endpoint said, until they agree again. Transactions go to all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from eth_hash.auto import keccak

from ledger.chain import (
    Chain,
    ChainError,
    Fees,
    Header,
    Log,
    NoOutputError,
    Receipt,
    RevertError,
    SendError,
    Transaction,
)
from ledger.endpoint_health import EndpointHealth, Outvotings
from ledger.polling import Poll, Reverted, Voter

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
TIMEOUT_S: Final = 5.0
"""How long an answer is waited for, and an endpoint that is behind and would decide."""
_AGAIN_S: Final = 0.05


class DisagreementError(ChainError):
    """The endpoints contradict each other, and too few say the same; the text says who said what."""

    kind = "chain_disagreement"


class _UndecidedError(DisagreementError):
    """Those ahead contradict each other, and who is behind could still decide."""


class Endpoint(Chain, Protocol):
    """A node that answers as of a block it is given, not only of its newest."""

    def nonce(self, address: str, *, block: int | None = None) -> int:
        """Return how many transactions of an account are in blocks up to `block` (None: the newest)."""
        ...

    def query(self, to: str, calls: Sequence[bytes], *, block: int | None = None) -> list[bytes]:
        """Run views at a block and return their outputs in order; `RevertError` if one reverts."""
        ...

    def storage(self, address: str, slots: Sequence[bytes], *, block: int | None = None) -> list[int]:
        """Return words of a contract's storage at a block (None: the newest)."""
        ...

    def simulate(
        self, to: str, calls: Sequence[bytes], *, time: int | None = None, block: int | None = None
    ) -> list[bytes | None]:
        """Run each call by itself at a block; None where it runs through, else the revert data."""
        ...


@dataclass(frozen=True)
class _Agreed:
    """The block agreed on, who has it, and how many answer but are behind it."""

    header: Header
    voters: tuple[Voter[Endpoint], ...]
    behind: int


def usual_agreement(endpoints: int) -> int:
    """Return how many of so many endpoints must agree unless it is set: all of one or two, all but one of
    more.
    """
    return endpoints if endpoints < 3 else endpoints - 1


class QuorumChain:
    """A `Chain` over several endpoints of which `needed` must agree; see `ledger.chain.Chain` for each
    method. `clock` gives Unix seconds.

    `endpoints` are named in errors, so a name must not hold a secret; see `endpoint_names`. Raises ValueError
    unless `needed` is a majority: two halves must never both be right.
    """

    def __init__(
        self,
        endpoints: dict[str, Endpoint],
        needed: int | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.needed = usual_agreement(len(endpoints)) if needed is None else needed
        if not len(endpoints) < 2 * self.needed <= 2 * len(endpoints):
            raise ValueError(f"{self.needed} of {len(endpoints)} endpoints is no majority of them")
        self._voters = tuple(Voter(name, endpoint) for name, endpoint in endpoints.items())
        self._timeout_s = timeout_s
        self._outvotings = Outvotings(clock)
        self._guard = threading.Lock()
        self._open: dict[str, Callable[[Endpoint, int], Any]] = {}

    def hold_to(self, check: Callable[[Chain], None]) -> None:
        """Have each endpoint checked now, and again whenever it was away; `check` raises what speaks against
        it.

        Raises that for an endpoint that answers; one that does not is checked before it next votes.
        """
        for voter in self._voters:
            voter.admit = check
            try:
                check(voter.endpoint)
            except ChainError as problem:
                _log.warning("endpoint %s could not be checked yet: %s", voter.name, problem)

    def endpoints(self) -> tuple[EndpointHealth, ...]:
        """Return how each endpoint does, in the order they were given."""
        return tuple(
            EndpointHealth(each.name, each.trouble, self._outvotings.of(each.name)) for each in self._voters
        )

    def chain_id(self) -> int:
        """Return the chain id."""
        return self._vote("the chain id", lambda node: node.chain_id(), self._voters)

    def code(self, address: str) -> bytes:
        """Return the code at an address now."""
        return self._vote(f"the code of {address}", lambda node: node.code(address), self._voters)

    def nonce(self, address: str) -> int:
        """Return how many transactions of an account are in blocks up to the one agreed on."""
        return self._decide("the account's nonce", lambda node, block: node.nonce(address, block=block))

    def head(self) -> Header:
        """Return the newest block agreed on."""
        return self._patiently(self._agreed).header

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """Return blocks, None for one beyond the block agreed on."""
        asked = list(numbers)
        what = f"blocks {min(asked)} to {max(asked)}" if asked else "no blocks"

        def ask(node: Endpoint, block: int) -> list[Header | None]:
            found = iter(node.headers([number for number in asked if number <= block]))
            return [next(found) if number <= block else None for number in asked]

        return self._decide(what, ask) if asked else []

    def logs(self, contract: str, first: int, last: int) -> list[Log]:
        """Return the contract's logs of the blocks first…last up to the one agreed on."""

        def ask(node: Endpoint, block: int) -> list[Log]:
            return node.logs(contract, first, min(last, block)) if first <= block else []

        return self._decide(f"the events of blocks {first} to {last}", ask)

    def receipts(self, transactions: Sequence[bytes]) -> list[Receipt | None]:
        """Return receipts, None where a transaction is in no block up to the one agreed on."""
        asked = list(transactions)

        def ask(node: Endpoint, block: int) -> list[Receipt | None]:
            found = node.receipts(asked)
            return [each if each is not None and each.block_number <= block else None for each in found]

        return self._decide(_receipts_of(asked), ask) if asked else []

    def transactions(self, transactions: Sequence[bytes]) -> list[Transaction | None]:
        """Return transactions, None where enough endpoints know none."""
        asked = list(transactions)
        return self._decide("transactions", lambda node, _: node.transactions(asked)) if asked else []

    def call(self, to: str, data: bytes, *, block: int | None = None) -> bytes:
        """Run a view at a block, by default the one agreed on; `RevertError` if it reverts."""
        what = f"a call of {to} with 0x{data[:36].hex()}"

        def ask(node: Endpoint, agreed: int) -> bytes:
            return node.call(to, data, block=agreed if block is None else block)

        return self._decide(what, ask)

    def query(self, to: str, calls: Sequence[bytes]) -> list[bytes]:
        """Run views at the block agreed on; `RevertError` if one reverts."""
        return self._decide(f"calls of {to}", lambda node, block: node.query(to, calls, block=block))

    def storage(self, address: str, slots: Sequence[bytes]) -> list[int]:
        """Return words of a contract's storage at the block agreed on."""
        what = f"the storage of {address}"
        return self._decide(what, lambda node, block: node.storage(address, slots, block=block))

    def simulate(self, to: str, calls: Sequence[bytes], *, time: int | None = None) -> list[bytes | None]:
        """Run each call by itself at the block agreed on; None where it runs through, else the revert
        data.
        """
        what = f"what {to} would take"
        return self._decide(what, lambda node, block: node.simulate(to, calls, time=time, block=block))

    def fees(self) -> Fees:
        """Return the highest that enough endpoints ask for at least, so no single one sets the price."""
        answers = self._gather(lambda node: node.fees())
        bases, tips = ([getattr(each, name) for each in answers.values()] for name in ("base", "tip"))
        return Fees(base=self._reached(bases), tip=self._reached(tips))

    def send(self, raw: bytes, *, time: int) -> None:
        """Hand a signed transaction to every endpoint; good if one takes it.

        Raises SendError if none does: `maybe_sent` if one of them says so, or did not answer.
        """
        poll = Poll(self._voters, lambda node: node.send(raw, time=time), lambda *_: None)
        answers = poll.wait(lambda seen: None in seen.values(), self._timeout_s)
        if None in answers.values():
            return
        if not any(isinstance(answer, SendError) for answer in answers.values()):
            raise ChainError(f"no endpoint could be sent a transaction: {_said(answers)}")
        refused = [answer for answer in answers.values() if isinstance(answer, SendError)]
        doubtful = len(refused) < len(self._voters) or any(answer.maybe_sent for answer in refused)
        raise SendError(f"no endpoint took the transaction: {_said(answers)}", maybe_sent=doubtful)

    def _agreed(self) -> _Agreed:
        """Agree on the newest block that enough endpoints have, then settle what is open."""
        heads = self._gather(lambda node: node.head())
        number = self._reached([header.number for header in heads.values()])
        voters = tuple(v for v in self._voters if v.name in heads and heads[v.name].number >= number)
        # an endpoint's head is its vote where it is the very block; only those ahead are asked again
        at = {name: header for name, header in heads.items() if header.number == number}
        shown = next((each for each in at.values() if _count(at, each) >= self.needed), None)
        behind = len(heads) - len(voters)
        if shown is None or any(header != shown for header in at.values()):
            shown = self._vote(f"block {number}", lambda node: node.headers([number])[0], voters, behind)
        if shown is None:
            raise ChainError(f"the endpoints took block {number} back while it was read")
        agreed = _Agreed(shown, voters, behind)
        self._settle(agreed)
        return agreed

    def _settle(self, agreed: _Agreed) -> None:
        with self._guard:
            still_open = dict(self._open)
        for what, ask in still_open.items():
            try:
                self._ask(what, ask, agreed)
            except DisagreementError:
                raise
            except ChainError as problem:
                _log.info("%s: not asked again: %s", what, problem)
            with self._guard:
                self._open.pop(what, None)
            _log.warning("the endpoints agree again about %s", what)

    def _decide(self, what: str, ask: Callable[[Endpoint, int], _T]) -> _T:
        """Ask as of the agreed block; a question they disagree about stays open."""

        def asked() -> _T:
            agreed = self._agreed()
            try:
                return self._ask(what, ask, agreed)
            except DisagreementError:
                with self._guard:
                    self._open[what] = ask
                raise

        return self._patiently(asked)

    def _ask(self, what: str, ask: Callable[[Endpoint, int], _T], agreed: _Agreed) -> _T:
        number = agreed.header.number
        return self._vote(what, lambda node: ask(node, number), agreed.voters, agreed.behind)

    def _patiently(self, asked: Callable[[], _T]) -> _T:
        """Ask again while those behind could still decide, until the time is over."""
        until = time.monotonic() + self._timeout_s
        while True:
            try:
                return asked()
            except _UndecidedError:
                if time.monotonic() >= until:
                    raise
            time.sleep(_AGAIN_S)

    def _vote(
        self,
        what: str,
        question: Callable[[Endpoint], _T],
        voters: Sequence[Voter[Endpoint]],
        behind: int = 0,
    ) -> _T:
        """Return what enough voters say; RevertError if that is that a call reverts."""
        decision: list[Any] = []

        def enough(answers: dict[str, Any]) -> bool:
            decision[:] = [a for a in answers.values() if _count(answers, a) >= self.needed][:1]
            return bool(decision)

        def late(voter: Voter[Endpoint], answer: Any) -> None:
            if decision:
                self._compare(what, voter.name, answer, decision[0])

        answers = Poll(voters, question, late).wait(enough, self._timeout_s)
        if not enough(answers):
            raise self._undecided(what, answers, len(voters), behind)
        for name, answer in answers.items():
            self._compare(what, name, answer, decision[0])
        if isinstance(decision[0], Reverted):
            raise RevertError(decision[0].data)
        return decision[0]  # type: ignore[no-any-return]

    def _undecided(self, what: str, answers: dict[str, Any], asked: int, behind: int) -> ChainError:
        given = [answer for answer in answers.values() if not isinstance(answer, Exception)]
        said = f"{what}: {_said(answers)}; {self.needed} of {len(self._voters)} must say the same"
        if any(answer != given[0] for answer in given[1:]):
            most = max(_count(answers, answer) for answer in given)
            kind = _UndecidedError if most + behind >= self.needed else DisagreementError
            return kind(f"the endpoints disagree about {said}")
        return ChainError(f"{len(given)} of {asked} endpoints asked answered about {said}")

    def _compare(self, what: str, name: str, answer: Any, decision: Any) -> None:
        """Remember who says something else than the majority; a failure says nothing, no contract does."""
        failed = isinstance(answer, Exception) and not isinstance(answer, NoOutputError)
        if answer != decision and not failed:
            self._outvotings.note(
                name, f"said about {what}: {_brief(answer)}; the others: {_brief(decision)}"
            )

    def _gather(self, question: Callable[[Endpoint], _T]) -> dict[str, _T]:
        """Return what all endpoints say that answer promptly; ChainError if those are too few."""
        poll = Poll(self._voters, question, lambda *_: None)

        def enough(answers: dict[str, Any]) -> bool:
            return poll.prompt(answers) and len(_given(answers)) >= self.needed

        answers = poll.wait(enough, self._timeout_s)
        for name, answer in answers.items():
            if isinstance(answer, Exception) and not isinstance(answer, ChainError):
                self._outvotings.note(name, f"must not vote: {answer}")
        if len(_given(answers)) < self.needed:
            silent = [voter.name for voter in self._voters if voter.name not in answers]
            told = "; ".join(filter(None, (_said(answers), ", ".join(silent) and f"silent: {silent}")))
            raise ChainError(f"{self.needed} of {len(self._voters)} endpoints must answer: {told}")
        return _given(answers)

    def _reached(self, values: Sequence[int]) -> int:
        """Return the highest value that enough endpoints have reached."""
        return sorted(values, reverse=True)[self.needed - 1]


def endpoint_names(urls: Sequence[str]) -> list[str]:
    """Return names for endpoints by which people know them: host and port, never path or query, where
    providers put their keys.
    """
    hosts = [urlsplit(url).netloc.rpartition("@")[2] or "endpoint" for url in urls]
    return [f"{host} ({at})" if hosts.count(host) > 1 else host for at, host in enumerate(hosts, start=1)]


def _receipts_of(transactions: Sequence[bytes]) -> str:
    return f"the receipts of {', '.join('0x' + each.hex() for each in transactions[:3])}" + (
        f" and {len(transactions) - 3} more" if len(transactions) > 3 else ""
    )


def _given(answers: dict[str, _T]) -> dict[str, _T]:
    return {name: answer for name, answer in answers.items() if not isinstance(answer, Exception)}


def _count(answers: dict[str, Any], answer: Any) -> int:
    """Return how many gave this answer; a failure is none."""
    return 0 if isinstance(answer, Exception) else sum(answer == other for other in answers.values())


def _said(answers: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {_brief(answer)}" for name, answer in sorted(answers.items()))


def _brief(answer: Any) -> str:
    """Return an answer in a few words, long ones by count and digest so that two that differ look so."""
    match answer:
        case Header(number, hash_):
            return f"block {number} 0x{hash_.hex()}"
        case Receipt(transaction, number, _, succeeded):
            return f"0x{transaction.hex()[:8]}… {'done' if succeeded else 'reverted'} in block {number}"
        case Log():
            return f"event {answer.index} of block {answer.block_number}"
        case Transaction(hash_):
            return f"0x{hash_.hex()}"
        case bytes():
            return "0x" + (answer.hex() if len(answer) <= 32 else keccak(answer).hex() + " (digest)")
        case list():
            listed = ", ".join(_brief(each) for each in answer[:2])
            return f"{len(answer)} ({listed}; digest 0x{keccak(repr(answer).encode()).hex()[:8]})"
        case _:
            return str(answer) if answer is not None else "nothing"
