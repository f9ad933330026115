"""Rotation of a printer's keys, as a provider and a machine go through it."""

from __future__ import annotations

import secrets
from typing import Any

import httpx2

from ledger.succession import Succession
from ledger.typed_data import Enrolment
from tests.app.parties import Party, Printer


def opened(provider: Party, printer: Printer, **options: Any) -> dict[str, Any]:
    """Open a rotation; the new row with its code."""
    return provider.expect(201, "POST", f"/v1/printers/{printer.id}/rotate", **options)


def hash_of(printer: Printer, provider: Party) -> bytes:
    return Enrolment(provider.address, *printer.coordinates()).struct_hash()


def succession_of(provider: Party, old: Printer, new: Printer) -> Succession:
    return Succession(hash_of(old, provider), hash_of(new, provider))


def succession_body(provider: Party, old: Printer, new: Printer, code: str) -> dict[str, Any]:
    """What a machine with both keys sends."""
    signed = {"succession_signature": old.sign(succession_of(provider, old, new))}
    return new.enrolment_body(code) | new.signatures(provider.address) | signed


def send(provider: Party, body: dict[str, Any]) -> httpx2.Response:
    return provider.service.client.post("/v1/printers/enrol", json=body)


def successor_of(provider: Party, old: Printer, *, approve: bool = True) -> Printer:
    """Rotate a printer's keys."""
    made = opened(provider, old, headers={"Idempotency-Key": secrets.token_hex(16)})
    new = Printer(provider.service, made["id"])
    answer = send(provider, succession_body(provider, old, new, made["enrolment_code"]))
    assert answer.status_code == 200, answer.text
    if approve:
        approved = provider.call("POST", f"/v1/printers/{new.id}/approve", json={})
        assert approved.status_code in (200, 202), approved.text
        until_state(provider, new, "enrolled")
    return new


def until_state(provider: Party, printer: Printer, state: str) -> dict[str, Any]:
    """Wait until the chain has spoken."""
    from tests.app.service import until

    path = f"/v1/printers/{printer.id}"

    def seen() -> dict[str, Any] | None:
        shown = provider.expect(200, "GET", path)
        return shown if shown["state"] == state else None

    return dict(until(seen))
