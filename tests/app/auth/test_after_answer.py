"""Work deferred by a request: after the answer, and without a word to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.auth.after_answer import AfterAnswer, defer
from app.errors import Conflict


def events_of(work: Callable[[list[str]], None]) -> list[str]:
    """What happens, in order, when a request defers `work`."""
    events: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        defer(Request(scope), lambda: work(events))
        await PlainTextResponse("said")(scope, receive, send)

    async def send(message: Any) -> None:
        if not message.get("more_body") and message["type"] == "http.response.body":
            events.append("answered")

    async def receive() -> Any:
        return {"type": "http.request"}

    asyncio.run(AfterAnswer(app)({"type": "http", "method": "GET", "headers": []}, receive, send))
    return events


class TestDefer:
    def test_has_work_done_after_the_answer(self) -> None:
        assert events_of(lambda events: events.append("worked")) == ["answered", "worked"]

    def test_lets_its_failure_change_nothing(self) -> None:
        def fail(events: list[str]) -> None:
            events.append("tried")
            raise Conflict("another request was first")

        assert events_of(fail) == ["answered", "tried"]
