"""Rate limits by credential and by address, told by draft-ietf-httpapi-ratelimit-headers.

A request with a credential takes from the credential's bucket, one without from its address'. Where nothing
verified the credential, it gets its token back, so nobody can exhaust another's by using its name, and the
address pays instead. An address that has paid all it has is refused, but for credentials that were good from
there the last time. IPv6 addresses count by their /64. Each process counts for itself.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import problems
from app.auth import authenticated
from app.observability.metrics import Metrics
from app.token_buckets import Buckets, Policy

EXEMPT = frozenset({"/livez", "/readyz", "/metrics"})
_REFUSAL = "TooManyRequests"
_TOLD = {
    "RateLimit-Policy": "the limit that this request counts for: requests `q` within `w` seconds",
    "RateLimit": "what is left of it: requests `r`, and after `t` seconds all of them again",
}


def describe(document: dict[str, Any]) -> None:
    """Write into an OpenAPI document what limited routes answer, and what they tell on every answer."""
    told = {name: {"$ref": f"#/components/headers/{name}"} for name in _TOLD}
    waits = {"Retry-After": _header("seconds until there is room for one request", "integer")}
    (refusal,) = problems.responses(429).values()
    components = document["components"]
    components["headers"] = {name: _header(text, "string") for name, text in _TOLD.items()}
    components["responses"] = {_REFUSAL: refusal | {"headers": told | waits}}
    for path, operations in document["paths"].items():
        for operation in operations.values() if path not in EXEMPT else ():
            for status, answer in operation["responses"].items():
                if status.startswith("2"):
                    answer.setdefault("headers", {}).update(told)
            operation["responses"]["429"] = {"$ref": f"#/components/responses/{_REFUSAL}"}


def _header(description: str, kind: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


class RateLimit:
    """ASGI middleware: refuses with 429 what is beyond the limits, and tells on every answer what is left.

    `credentials` and `addresses` None: no such limit. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        credentials: Policy | None,
        addresses: Policy | None,
        entries_max: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._credentials = Buckets(credentials, entries_max) if credentials else None
        self._addresses = Buckets(addresses, entries_max) if addresses else None
        self._good: OrderedDict[bytes, bytes] = OrderedDict()
        self._entries_max = entries_max
        self._refused = metrics.rate_limited
        self._clock = clock
        self._secret = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in EXEMPT:
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        address, credential = _address(scope), self._credential(scope)
        buckets, key = self._charged(address, credential)
        if buckets is None:
            await self._app(scope, receive, send)
            return
        if not buckets.take(key, self._clock()):
            await self._refuse(buckets, key, scope, receive, send)
            return

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._answered(scope, address, credential)]
            await send(message)

        await self._app(scope, receive, send_counted)

    def _charged(self, address: bytes, credential: bytes | None) -> tuple[Buckets | None, bytes]:
        """Choose who pays: the credential, unless it is new here and its address has paid all it had."""
        if credential is None or self._credentials is None:
            return self._addresses, address
        known = self._good.get(credential) == address
        if self._addresses is not None and not known and self._addresses.left(address, self._clock()) < 1:
            return self._addresses, address
        return self._credentials, credential

    def _answered(self, scope: Scope, address: bytes, credential: bytes | None) -> list[tuple[bytes, bytes]]:
        """Settle who pays, now that it is known whether the credential was one; give the headers."""
        if credential is None or self._credentials is None:
            return self._told(self._addresses, address)
        if authenticated.is_marked(scope):
            self._remember(credential, address)
            return self._told(self._credentials, credential)
        self._credentials.give_back(credential)
        self._good.pop(credential, None)
        if self._addresses is not None:
            self._addresses.take(address, self._clock())
        return self._told(self._addresses, address)

    def _remember(self, credential: bytes, address: bytes) -> None:
        self._good[credential] = address
        self._good.move_to_end(credential)
        if len(self._good) > self._entries_max:
            self._good.popitem(last=False)

    def _told(self, buckets: Buckets | None, key: bytes) -> list[tuple[bytes, bytes]]:
        if buckets is None:
            return []
        left, policy = buckets.left(key, self._clock()), buckets.policy
        full_s = math.ceil((policy.burst - left) / policy.per_s)
        return [
            (b"ratelimit-policy", f'"{policy.name}";q={policy.burst};w={policy.window_s}'.encode()),
            (b"ratelimit", f'"{policy.name}";r={int(left)};t={full_s}'.encode()),
        ]

    async def _refuse(self, buckets: Buckets, key: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        policy = buckets.policy
        wait_s = max(1, math.ceil((1 - buckets.left(key, self._clock())) / policy.per_s))
        self._refused.labels(policy.name).inc()
        answer = problems.too_many(policy.name, wait_s)
        answer.raw_headers += self._told(buckets, key)
        await answer(scope, receive, send)

    def _credential(self, scope: Scope) -> bytes | None:
        """Give a digest of the credential sent, which tells nothing of it without this process' secret."""
        for name, value in scope["headers"]:
            if name == b"authorization":
                return hashlib.blake2b(value, digest_size=16, key=self._secret).digest()
        return None


def _address(scope: Scope) -> bytes:
    client = scope.get("client")
    return _network(client[0]) if client else b""


@lru_cache(maxsize=4096)
def _network(host: str) -> bytes:
    """Give whom an address stands for: an IPv4 address itself, an IPv6 address its /64."""
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return host.encode()[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return parsed.packed[:8] if mapped is None else mapped.packed
    return parsed.packed
