"""Where this process's requests redeem: what many of them need at the same time is done once for all."""

from __future__ import annotations

import asyncio

from app.auth.principals import PrinterPrincipal
from app.prints import redemption
from app.prints.redemption import Ask, Begun, Redeemed, Redemption
from app.together import Together
from app.wiring import Services

RECHECK_S = 1.0
"""How often a redemption is looked after that another process may have concluded."""


class Desk:
    """Redeems without holding a thread while the chain counts."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._begin: Together[Ask, Begun] = Together("redeem", lambda asks: redemption.begin(services, asks))
        self._finish: Together[str, Redeemed] = Together(
            "release", lambda print_ids: redemption.finish(services, print_ids)
        )

    async def redeem(self, principal: PrinterPrincipal, wanted: Redemption) -> Redeemed:
        """Do as `redemption.redeem` does, whose steps and errors are the same."""
        loop = asyncio.get_running_loop()
        begun = await self._begin((principal, wanted))
        until = loop.time() + self._services.settings.redeem_timeout_s
        patience_s = RECHECK_S if begun.fresh else 0.0
        while True:
            done = await self._finished(begun, min(patience_s, until - loop.time()))
            if done.body is not None or loop.time() >= until:
                return done
            patience_s = RECHECK_S

    def close(self) -> None:
        """End the threads, once what they have begun is done."""
        self._begin.close()
        self._finish.close()

    async def _finished(self, begun: Begun, patience_s: float) -> Redeemed:
        """Finish as soon as the chain has spoken, or see how far it came after so many seconds."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Redeemed] = loop.create_future()

        def finish() -> None:
            self._finish.hand(begun.print_id, answer)

        if begun.operation is None or patience_s <= 0:
            finish()
            return await answer
        take_back = self._services.ledger.watch(begun.operation, finish)
        timer = loop.call_later(patience_s, finish)
        try:
            return await answer
        finally:
            timer.cancel()
            take_back()
