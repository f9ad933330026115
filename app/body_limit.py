"""The bound on request bodies that are read into memory; uploads are streamed and have one of their own."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import problems

_STREAMED = re.compile(r"/v1/revisions/[^/]+/(?:file|ciphertext)")


class BodyLimit:
    """ASGI middleware: answers 413 to a body that announces or turns out to be longer than `bytes_max`."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or (scope["method"] == "PUT" and _STREAMED.fullmatch(scope["path"])):
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self._bytes_max:
            await problems.too_large(self._bytes_max)(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        received = 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._bytes_max:
                raise HTTPException(413, f"the body has more than {self._bytes_max} bytes")
            return message

        return counting
