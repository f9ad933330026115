"""Shreddings as their parties ask for them."""

from __future__ import annotations

import secrets
from typing import Any

import httpx2

from tests.app.parties import Party
from tests.app.service import until

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


def key_by(owner: Party) -> Party:
    """The same organisation with an API key that this one makes; it is a second old when this returns."""
    made = owner.expect(201, "POST", "/v1/api-keys", json={"name": "further", "roles": ["owner"]})
    owner.service.clock.forward(1)
    return Party(owner.service, owner.id, made["key"], owner.address, owner.account)


def key_id(party: Party) -> str:
    return str(party.expect(200, "GET", "/v1/me")["key_id"])


def confirm(party: Party, shredding: dict[str, Any]) -> httpx2.Response:
    return party.call("POST", f"/v1/shreddings/{shredding['id']}/confirm")


def operator(owner: Party) -> Party:
    return Party(owner.service, "", owner.service.operator_key, "")


def shred(owner: Party, design_id: str) -> dict[str, Any]:
    """Request, and have the operator confirm; gives the shredding, which is finished."""
    owner.service.clock.forward(1)  # a new service has just made the operator's key
    asked = requested(owner, design_id)

    def finished() -> bool:
        answer = confirm(operator(owner), asked)
        assert answer.status_code in (200, 202), answer.text  # 202 while somebody still reads
        return answer.status_code == 200

    until(finished)
    return owner.expect(200, "GET", f"/v1/shreddings/{asked['id']}")
