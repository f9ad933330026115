"""Puts the nonce for a printer's next proof on the answer (RFC 9449, section 8.2)."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "DPoP-Nonce"
_STATE = "dpop_nonce"


def offer(request: Request, nonce: str) -> None:
    """Have the answer to this request carry a nonce, whatever the answer is."""
    setattr(request.state, _STATE, nonce)


class NonceOffer:
    """ASGI middleware: adds the header where `offer` was called; to nobody else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def send_with_nonce(message: Message) -> None:
            if message["type"] == "http.response.start" and _STATE in state:
                MutableHeaders(scope=message)[HEADER] = state[_STATE]
            await send(message)

        await self._app(scope, receive, send_with_nonce)
