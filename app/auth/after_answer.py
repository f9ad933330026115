"""Work that a request leaves behind, done after its answer is sent: its time tells the caller nothing."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import AppError

_STATE = "after_answer"
_log = structlog.get_logger("app.requests")


def defer(request: Request, work: Callable[[], None]) -> None:
    """Have `work` done once the answer to this request is sent; it is lost where the process ends first."""
    request.scope["state"].setdefault(_STATE, []).append(work)


class AfterAnswer:
    """ASGI middleware: does what was deferred; a failure is logged and changes no answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, then do its deferred work."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        try:
            await self._app(scope, receive, send)
        finally:
            for work in state.get(_STATE, ()):
                await run_in_threadpool(_do, work)


def _do(work: Callable[[], None]) -> None:
    try:
        work()
    except (AppError, SQLAlchemyError) as error:  # the answer is sent; there is nobody left to tell
        _log.error("deferred work failed", error=type(error).__name__, exc_info=error)
