"""Many requests at the same moment, each with a proof of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import httpx2

from ledger.typed_data import PrintClaim
from tests.e2e.parties import Printer

PATIENCE_S = 120.0
PENDING = 202
Request = Callable[[httpx2.AsyncClient], Any]


def fire(requests: Sequence[Request]) -> list[httpx2.Response]:
    """Send all of them at once, each on a connection of its own; gives the answers in that order."""
    return asyncio.run(_all(requests))


def open_client() -> httpx2.AsyncClient:
    """Open a client that makes a connection for each request: a busy one finds idle ones closed meanwhile."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx2.AsyncClient(timeout=PATIENCE_S, limits=limits, verify=False)


async def _all(requests: Sequence[Request]) -> list[httpx2.Response]:
    async with open_client() as client:
        return list(await asyncio.gather(*(request(client) for request in requests)))


def redeeming(printer: Printer, token: str, claim: PrintClaim, key: str) -> Request:
    """One redemption, repeated while the service says that the chain has not spoken."""
    body = {"claim": claim.to_json(), "signature": printer.sign(claim)}

    async def request(client: httpx2.AsyncClient) -> httpx2.Response:
        while True:
            headers = {**printer.proof("POST", "/v1/prints/redeem", token), "Idempotency-Key": key}
            answer = await client.post(f"{printer.url}/v1/prints/redeem", json=body, headers=headers)
            if answer.status_code != PENDING:
                return answer
            await asyncio.sleep(float(answer.headers["Retry-After"]))

    return request


def claim_of(printer: Printer, token: str) -> PrintClaim:
    """What the printer is to sign for a token."""
    shown = printer.call("GET", "/v1/prints/claim", token)
    assert shown.status_code == 200, shown.text
    return PrintClaim.from_json(shown.json()["claim"])
