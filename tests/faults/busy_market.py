"""A market for many calls at a time; the service signs for its owner, so that nothing is signed here."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx2

from ledger.typed_data import PrintClaim
from tests.e2e.conftest import Market
from tests.e2e.parties import Party, Printer, in_seconds, unhexed
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess
from tests.faults.volley import redeeming

CLAIM_GRACE_S = 300
"""How long a claim outlives its token, as the service is set up by default."""


@dataclass
class Parties:
    """Owner, provider and machine; every call names the service that is asked."""

    owner: Party
    provider: Party
    printer: Printer
    revision: str

    @classmethod
    def of(cls, market: Market) -> Parties:
        """Make them, with a published part of the owner's."""
        made = market.operator.expect(
            201,
            "POST",
            "/v1/organisations",
            json={"name": f"Owner {secrets.token_hex(4)}", "roles": ["owner"]},
        )
        owner = market.owner.of(Party(market.owner.url, made["api_key"]["key"], organisation_id=made["id"]))
        revision = owner.upload(box())
        owner.expect(200, "POST", f"/v1/revisions/{revision['id']}/publish")
        return cls(owner, market.provider, market.provider.new_printer(), revision["id"])

    def follow(self, service: ServiceProcess) -> None:
        """Take the address of a service that has been started again."""
        self.owner.url = self.provider.url = self.printer.url = service.url

    async def license(self, client: httpx2.AsyncClient, url: str, prints: int) -> dict[str, Any]:
        """Grant a licence; gives it when the chain has it."""
        body = {
            "revision_id": self.revision,
            "provider_id": self.provider.organisation_id,
            "prints": prints,
            "starts_at": in_seconds(-60),
            "expires_at": in_seconds(24 * 3600),
        }
        key = secrets.token_hex(16)
        while True:
            answer = await self._post(client, self.owner, f"{url}/v1/licences", body, key)
            assert answer.status_code in {201, 202}, answer.text
            made: dict[str, Any] = answer.json()
            if made["state"] == "active":
                return made

    async def authorise(
        self, client: httpx2.AsyncClient, url: str, licence: dict[str, Any]
    ) -> httpx2.Response:
        """Ask for a print of a licence."""
        body = {"licence_id": licence["id"], "printer_id": self.printer.id}
        return await self._post(client, self.provider, f"{url}/v1/prints", body, secrets.token_hex(16))

    async def redeem(self, client: httpx2.AsyncClient, url: str, made: dict[str, Any]) -> httpx2.Response:
        """Redeem what was authorised, to the end."""
        expires_at = int(datetime.fromisoformat(made["token_expires_at"]).timestamp())
        claim = PrintClaim(
            licence=unhexed(made["licence_hash"]),
            sequence=made["sequence"],
            token=hashlib.sha256(made["token"].encode()).digest(),
            deadline=expires_at + CLAIM_GRACE_S,
        )
        machine = Printer(url, self.printer.domain, self.printer.id, self.printer.key, self.printer.sealing)
        answer: httpx2.Response = await redeeming(machine, made["token"], claim, secrets.token_hex(16))(
            client
        )
        return answer

    async def revoke(self, client: httpx2.AsyncClient, url: str, licence: dict[str, Any]) -> None:
        """Revoke a licence; returns when the service answers that the chain has it."""
        while True:
            answer = await self._post(
                client, self.owner, f"{url}/v1/licences/{licence['id']}/revoke", {}, None
            )
            assert answer.status_code in {200, 202}, answer.text
            if answer.status_code == 200:
                return

    async def quarantine(self, client: httpx2.AsyncClient, url: str) -> None:
        """Put the machine in quarantine."""
        path = f"{url}/v1/printers/{self.printer.id}/quarantine"
        answer = await self._post(client, self.provider, path, {"reason": "smoke"}, None)
        assert answer.status_code == 200, answer.text

    @staticmethod
    async def _post(
        client: httpx2.AsyncClient, party: Party, url: str, body: dict[str, Any], key: str | None
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {party.api_key}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await client.post(url, json=body, headers=headers)
