"""Where this process's requests redeem: none holds a thread while the chain counts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeAlias, TypeVar

from app.auth.principals import PrinterPrincipal
from app.database import Database
from app.lane import Lane
from app.prints import redemption
from app.prints.redemption import Begun, Redeemed, Redemption
from app.together import Together
from app.wiring import Services

RECHECK_S = 1.0
"""How often a redemption is looked after that another process may have concluded."""


class OnItsWay(Protocol):
    """A redemption that has begun."""

    @property
    def operation(self) -> str | None:
        """What the chain is to count; None where it has."""

    @property
    def fresh(self) -> bool:
        """Whether it went to the chain just now."""


class Standing(Protocol):
    """How far a redemption came."""

    @property
    def body(self) -> bytes | None:
        """The answer's exact bytes; None while the chain has not counted it."""


Watch: TypeAlias = Callable[[str, Callable[[], None]], Callable[[], None]]
"""Has something called when an operation is final; gives what takes that back (`ledger.runtime`)."""
Wanted = TypeVar("Wanted")
OnWay = TypeVar("OnWay", bound=OnItsWay)
Done = TypeVar("Done", bound=Standing)


class Desk(Generic[Wanted, OnWay, Done]):
    """Begins redemptions, watches the chain, and finishes each when the chain has spoken."""

    def __init__(
        self,
        begin: Together[tuple[PrinterPrincipal, Wanted], OnWay],
        watch: Watch,
        finish: Together[OnWay, Done],
        timeout_s: float,
    ) -> None:
        """`timeout_s` is how long a request may wait for the chain."""
        self._begin = begin
        self._watch = watch
        self._finish = finish
        self._timeout_s = timeout_s

    async def redeem(self, principal: PrinterPrincipal, wanted: Wanted) -> Done:
        """Begin, wait for the chain `timeout_s` at the most, finish; raises what these two raise."""
        loop = asyncio.get_running_loop()
        begun = await self._begin((principal, wanted))
        until = loop.time() + self._timeout_s
        patience_s = RECHECK_S if begun.fresh else 0.0
        while True:
            done = await self._finished(begun, min(patience_s, until - loop.time()))
            if done.body is not None or loop.time() >= until:
                return done
            patience_s = RECHECK_S

    async def _finished(self, begun: OnWay, patience_s: float) -> Done:
        """Finish as soon as the chain has spoken, or see how far it came after so many seconds."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Done] = loop.create_future()
        handed = threading.Lock()

        def finish() -> None:
            if handed.acquire(
                blocking=False
            ):  # once: nothing is under way any more when the request is answered
                self._finish.hand(begun, answer)

        if begun.operation is None or patience_s <= 0:
            finish()
            return await answer
        take_back = self._watch(begun.operation, finish)
        timer = loop.call_later(patience_s, finish)
        try:
            return await answer
        finally:
            timer.cancel()
            take_back()


PrintDesk: TypeAlias = Desk[Redemption, Begun, Redeemed]


def desk_of_prints(services: Services, lane: Lane) -> PrintDesk:
    """Give the desk of prints: what many of them need at once is done once for all."""
    database = services.database
    return Desk(
        Together(lane, lambda asks: begun_by(database, lambda: redemption.begin(services, asks))),
        services.ledger.watch,
        Together(
            lane,
            lambda begun: finished_by(
                database, lambda: redemption.finish(services, [each.print_id for each in begun])
            ),
        ),
        services.settings.redeem_timeout_s,
    )


def begun_by(database: Database, begin: Callable[[], list[OnWay | Exception]]) -> list[OnWay | Exception]:
    """Begin redemptions without waiting for the disk: the relay syncs it before it sends what it found there,
    `finished_by` before anything is answered. Only for a refusal, which is an answer, the disk is waited for.
    """
    refused = True
    try:
        with database.postponing():
            outcomes = begin()
        refused = any(isinstance(each, Exception) for each in outcomes)
    finally:
        if refused:
            database.settle()
    return outcomes


def finished_by(database: Database, finish: Callable[[], list[Done | Exception]]) -> list[Done | Exception]:
    """Finish redemptions, and wait for the disk once, for all that they read and wrote."""
    try:
        with database.postponing():
            return finish()
    finally:
        database.settle()
