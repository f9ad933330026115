"""Entity tags (RFC 9110, section 8.8.3) of what is read by its id, and 304 to who has it already.

A tag is strong: it is made of the digest of the very bytes that are answered.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANY = "*"
_TAG = re.compile(r'\s*(W/)?("[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')


def tag_of(representation: bytes) -> str:
    """Give the entity tag of a representation, quotes included."""
    return f'"{hashlib.sha256(representation).hexdigest()[:32]}"'


def read_tags(field: str, *, weak: bool) -> frozenset[str] | None:
    """Read a list of entity tags, `*` as itself; None where it is none.

    Weak tags count where `weak` says so (If-None-Match), and match nothing otherwise (If-Match).
    """
    if field.strip() == ANY:
        return frozenset({ANY})
    found, at = set(), 0
    while at < len(field):
        part = _TAG.match(field, at)
        if part is None:
            return None
        if weak or not part[1]:
            found.add(part[2])
        at = part.end()
    return frozenset(found) if field.strip() else None


def is_tagged(method: str, path: str) -> bool:
    """Tell whether a route of the API reads one resource by its id: these are the ones with tags."""
    return method == "GET" and path.startswith("/v1/") and path.endswith("}")


def describe(document: dict[str, Any]) -> None:
    """Write into an OpenAPI document what tagged routes take and answer."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if is_tagged(method.upper(), path):
                known = {"name": "If-None-Match", "in": "header", "required": False}
                known |= {"description": "tags the client has", "schema": {"type": "string"}}
                operation.setdefault("parameters", []).append(known)
                header = {"description": "strong entity tag", "schema": {"type": "string"}}
                operation["responses"]["200"]["headers"] = {"ETag": header}
                operation["responses"]["304"] = {"description": "the client has it already"}


class EntityTags:
    """ASGI middleware: tags what is read by its id, and answers 304 where If-None-Match names the tag."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def send_tagged(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_resource(scope, message):
                held.append(message)
            elif not held:
                await send(message)
            elif message.get("more_body"):
                held.append(message)
            else:
                await _answer(scope, [*held, message], send)

        await self._app(scope, receive, send_tagged)


def _is_resource(scope: Scope, start: Message) -> bool:
    path = getattr(scope.get("route"), "path_format", "")
    return (
        start["status"] == 200
        and is_tagged(scope["method"], path)
        and Headers(raw=start["headers"]).get("content-type") == "application/json"
    )


async def _answer(scope: Scope, messages: list[Message], send: Send) -> None:
    start, body = messages[0], b"".join(message.get("body", b"") for message in messages[1:])
    tag, headers = tag_of(body), MutableHeaders(scope=start)
    headers["ETag"] = tag
    given = ",".join(Headers(scope=scope).getlist("if-none-match"))
    known = read_tags(given, weak=True) or frozenset()
    if known & {tag, ANY}:
        start["status"], body = 304, b""
        del headers["content-length"], headers["content-type"]
    await send(start)
    await send({"type": "http.response.body", "body": body})
