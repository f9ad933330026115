"""A provider and a printer, as they ask for plates and redeem them."""

from __future__ import annotations

import secrets
from typing import Any

import httpx2

from ledger.typed_data import Plate, PrintClaim
from tests.app.parties import Party, Printer


def parts(*licences: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    return [{"licence_id": licence["id"]} | changes for licence in licences]


def ask(
    provider: Party, printer: Printer, wanted: list[dict[str, Any]], key: str | None = None
) -> httpx2.Response:
    return provider.call(
        "POST",
        "/v1/plates",
        json={"printer_id": printer.id, "parts": wanted},
        headers={"Idempotency-Key": key or secrets.token_hex(16)},
    )


def authorise(provider: Party, printer: Printer, *licences: dict[str, Any]) -> dict[str, Any]:
    answer = ask(provider, printer, parts(*licences))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def check(provider: Party, printer: Printer, wanted: list[dict[str, Any]]) -> dict[str, Any]:
    return provider.expect(200, "POST", "/v1/plates/check", json={"printer_id": printer.id, "parts": wanted})


def codes(seen: dict[str, Any]) -> list[list[str]]:
    return [[reason["code"] for reason in part["reasons"]] for part in seen["parts"]]


def shown(printer: Printer, token: str) -> httpx2.Response:
    return printer.call("GET", "/v1/plates/claim", token)


def claims_of(printer: Printer, token: str) -> list[PrintClaim]:
    answer = shown(printer, token)
    assert answer.status_code == 200, answer.text
    return [PrintClaim.from_json(part["claim"]) for part in answer.json()["parts"]]


def redeem_claims(
    printer: Printer, token: str, claims: list[PrintClaim], key: str | None = None, **changes: Any
) -> httpx2.Response:
    body = {"claims": [claim.to_json() for claim in claims], "signature": printer.sign(Plate.of(claims))}
    headers = {"Idempotency-Key": key or secrets.token_hex(16)}
    return printer.call("POST", "/v1/plates/redeem", token, json=body | changes, headers=headers)


def redeem(printer: Printer, token: str, key: str | None = None) -> httpx2.Response:
    answer = shown(printer, token)
    if answer.status_code != 200:
        return answer
    claims = [PrintClaim.from_json(part["claim"]) for part in answer.json()["parts"]]
    return redeem_claims(printer, token, claims, key)
