"""Redemptions at a service that dies at one of their points, and the same retry at its next start."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import httpx2

from tests.e2e.conftest import Market
from tests.e2e.parties import Printer
from tests.e2e.test_restart import audit
from tests.faults.strikes import by_kind, died, spread
from tests.faults.struck_service import StruckService

RECORDINGS = 2
TRIES = 2
KINDS_MET = {"database", "file", "socket", "wait", "await"}
THREADS_MET = {"MainThread", "partvault-relay", "partvault-sync"}
MISSED_PERCENT_MAX = 25
"""Some points are on the way of a thread only when another is slower; where it is not, the service lives."""

Redeem: TypeAlias = Callable[[str], httpx2.Response]
"""Redeems one token under an Idempotency-Key, the same way each time."""


class Tokens(Protocol):
    """What is redeemed: tokens of one kind, for one machine."""

    @property
    def printer(self) -> Printer:
        """The machine."""

    @property
    def print_ids(self) -> list[str]:
        """The prints authorised last."""

    @property
    def counted(self) -> tuple[int, ...]:
        """How many prints of each licence one redemption counts."""

    def new(self) -> Redeem:
        """Authorise one more, and ask for its claim."""

    def recorded(self) -> list[int]:
        """How many prints of each licence the chain has counted."""

    def releases(self, answer: httpx2.Response) -> list[dict[str, Any]]:
        """The releases in an answer."""


@dataclass
class Bench:
    """One service; every round redeems a token of its own."""

    service: StruckService
    market: Market
    tokens: Tokens
    redeemed: int = 0

    def points(self) -> list[str]:
        """Every point that one of some undisturbed redemptions passed, in order."""
        found: dict[str, None] = {}
        for _ in range(RECORDINGS):
            passed, answer = self._redeem(None, self.tokens.new(), secrets.token_hex(16))
            assert passed is not None
            assert answer is not None
            assert answer.status_code == 200, answer.text
            found |= dict.fromkeys(passed)
        assert {point.split("|")[1] for point in found} >= KINDS_MET
        assert {point.split("|")[0] for point in found} >= THREADS_MET
        return list(found)

    def die(self, points: list[str], deaths: int) -> str:
        """Die at so many of the points, once at each; says how it was."""
        chosen = spread(points, deaths)
        missed = [point for point in chosen if not any(self._die_at(point) for _ in range(TRIES))]
        assert 100 * len(missed) <= MISSED_PERCENT_MAX * len(chosen) + 100
        audited = audit(self.service)
        assert audited.returncode == 0, audited.stdout + audited.stderr
        return f"{len(points)} points: {by_kind(points)}; {died(chosen, missed)}"

    def _die_at(self, point: str) -> bool:
        """Have the service die there, and the same retry after; tells whether it met that point."""
        redeem, key = self.tokens.new(), secrets.token_hex(16)
        passed, first = self._redeem(point, redeem, key)
        if passed is None:
            self._restart()
        stored = self._stored()
        assert stored in {0, len(self.tokens.print_ids)}, f"died at {point}: {stored} releases"
        assert not stored or self._counted(), f"died at {point}: a key without its count"
        again = redeem(key)
        assert again.status_code == 200, f"died at {point}: {again.text}"
        released = [each["print_id"] for each in self.tokens.releases(again) if each["sealed_key"]["blob"]]
        assert released == self.tokens.print_ids, f"died at {point}: {again.text}"
        answers = {again.content, redeem(key).content} | ({first.content} if first is not None else set())
        assert len(answers) == 1, f"died at {point}: {len(answers)} answers"
        assert self._counted(), f"died at {point}: {self.tokens.recorded()} after {self.redeemed}"
        return passed is None

    def _counted(self) -> bool:
        return self.tokens.recorded() == [self.redeemed * prints for prints in self.tokens.counted]

    def _stored(self) -> int:
        """How many releases of the prints authorised last are stored."""
        places = ",".join("?" for _ in self.tokens.print_ids)
        query = f"select count(*) from releases where print_id in ({places})"
        with closing(sqlite3.connect(self.service.data_dir / "partvault.sqlite")) as connection:
            return int(connection.execute(query, self.tokens.print_ids).fetchone()[0])

    def _redeem(
        self, due: str | None, redeem: Redeem, key: str
    ) -> tuple[list[str] | None, httpx2.Response | None]:
        """Redeem while points count; gives those passed (None where it died), and the answer."""
        self.redeemed += 1
        self.service.arm(due)
        answer = None
        with suppress(httpx2.TransportError):
            answer = redeem(key)
        return self.service.rest(), answer

    def _restart(self) -> None:
        self.service.start()
        self.market.follow(self.service)
        self.tokens.printer.url = self.service.url
