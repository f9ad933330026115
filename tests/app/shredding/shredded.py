"""Shreddings as their parties ask for them."""

from __future__ import annotations

import secrets
from typing import Any

import httpx2

from tests.app.parties import Party

NAME = "Leg cap"


def ask(owner: Party, design_id: str, name: str = NAME, key: str | None = None) -> httpx2.Response:
    return owner.call(
        "POST",
        f"/v1/designs/{design_id}/shreddings",
        json={"reason": "end of life", "design_name": name},
        headers={"Idempotency-Key": key or secrets.token_hex(16)},
    )


def requested(owner: Party, design_id: str) -> dict[str, Any]:
    answer = ask(owner, design_id)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def second_key(owner: Party, *roles: str) -> Party:
    """The same organisation with another API key."""
    body = {"name": "second", "roles": list(roles) or ["owner"]}
    made = owner.expect(201, "POST", "/v1/api-keys", json=body)
    return Party(owner.service, owner.id, made["key"], owner.address, owner.account)


def confirm(party: Party, shredding: dict[str, Any]) -> httpx2.Response:
    return party.call("POST", f"/v1/shreddings/{shredding['id']}/confirm")


def operator(owner: Party) -> Party:
    return Party(owner.service, "", owner.service.operator_key, "")


def shred(owner: Party, design_id: str) -> dict[str, Any]:
    """Request and confirm; gives the shredding, which is finished."""
    answer = confirm(second_key(owner), requested(owner, design_id))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
