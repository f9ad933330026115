"""Licences: prepared, signed, granted, seen by their parties, revoked."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from app.clock import rfc3339
from ledger.typed_data import Licence, Publication, Revocation
from tests.app.parties import Party, new_party, problem
from tests.app.service import Service


class TestPrepare:
    def test_gives_what_is_to_be_signed_and_stores_nothing(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        before = owner.expect(200, "GET", "/v1/licences", params={"limit": 200})
        request = owner.licence_request(revision, provider, terms={"materials": ["PETG"]})
        prepared = owner.expect(200, "POST", "/v1/licences/prepare", json=request)
        statement = Licence.from_json(prepared["licence"])
        assert "0x" + statement.struct_hash().hex() == prepared["licence_hash"]
        assert (statement.owner, statement.provider) == (owner.address, provider.address)
        assert prepared["typed_data"]["message"] == prepared["licence"]
        again = owner.expect(200, "POST", "/v1/licences/prepare", json=prepared["request"])
        assert again == prepared
        assert owner.expect(200, "GET", "/v1/licences", params={"limit": 200}) == before

    def test_makes_salts_of_its_own(self, owner: Party, provider: Party, revision: dict[str, Any]) -> None:
        request = owner.licence_request(revision, provider)
        first, second = (owner.expect(200, "POST", "/v1/licences/prepare", json=request) for _ in range(2))
        assert first["licence_hash"] != second["licence_hash"]


class TestGrant:
    def test_takes_an_external_owners_signature(self, service: Service, provider: Party) -> None:
        owner = new_party(service, "owner", external=True)
        revision = owner.inspected()
        statement = Publication(owner.address, bytes.fromhex(revision["commitment"][2:]))
        body = {"signature": owner.sign(statement)}
        owner.expect(200, "POST", f"/v1/revisions/{revision['id']}/publish", json=body)
        request = owner.licence_request(revision, provider)
        prepared = owner.expect(200, "POST", "/v1/licences/prepare", json=request)
        unsigned = owner.call("POST", "/v1/licences", json=prepared["request"])
        assert problem(unsigned, "invalid-request")["field"] == "signature"
        signature = owner.sign(Licence.from_json(prepared["licence"]))
        other_salt = prepared["request"] | {"salt": "0x" + "00" * 32, "signature": signature}
        problem(owner.call("POST", "/v1/licences", json=other_salt), "invalid-signature")
        granted = owner.expect(
            201, "POST", "/v1/licences", json=prepared["request"] | {"signature": signature}
        )
        assert (granted["state"], granted["licence_hash"]) == ("active", prepared["licence_hash"])
        refused = owner.call("POST", f"/v1/licences/{granted['id']}/revoke", json={})
        assert problem(refused, "invalid-request")["field"] == "signature"
        revocation = owner.sign(Revocation(bytes.fromhex(granted["licence_hash"][2:])))
        body = {"signature": revocation}
        revoked = owner.expect(200, "POST", f"/v1/licences/{granted['id']}/revoke", json=body)
        assert revoked["state"] == "revoked"

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"prints": 0}, "body.prints"),
            ({"prints": 2**32}, "body.prints"),
            ({"reprints": -1}, "body.reprints"),
            ({"starts_at": "tomorrow"}, "body.starts_at"),
            ({"starts_at": "2026-01-01T00:00:00"}, "body.starts_at"),
            ({"starts_at": "2099-01-01T00:00:00Z", "expires_at": "2098-01-01T00:00:00Z"}, "expires_at"),
            ({"starts_at": "2001-01-01T00:00:00Z", "expires_at": "2002-01-01T00:00:00Z"}, "expires_at"),
            ({"salt": "0x12"}, "body.salt"),
            ({"printers": ["nobody"]}, "body.printers.0"),
            ({"printers": ["prt_" + "0" * 26]}, "printers"),
            ({"terms": {"price": 2**60}}, "body.terms"),
            ({"signature": "0x00"}, "body.signature"),
        ],
    )
    def test_names_the_field_at_fault(
        self, owner: Party, provider: Party, revision: dict[str, Any], changes: dict[str, Any], field: str
    ) -> None:
        request = owner.licence_request(revision, provider, **changes)
        refused = owner.call("POST", "/v1/licences", json=request)
        assert refused.status_code == 422
        assert problem(refused)["field"] == field

    def test_wants_a_published_revision(self, owner: Party, provider: Party) -> None:
        request = owner.licence_request(owner.inspected(), provider)
        refused = owner.call("POST", "/v1/licences", json=request)
        assert "not published" in problem(refused, "conflict")["detail"]

    def test_wants_enrolled_printers_of_that_provider(
        self, service: Service, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        waiting = provider.printer(approve=False)
        request = owner.licence_request(revision, provider, printers=[waiting.id])
        assert problem(owner.call("POST", "/v1/licences", json=request), "conflict")["field"] == "printers"
        foreign = new_party(service, "provider").printer()
        request = owner.licence_request(revision, provider, printers=[foreign.id])
        refused = owner.call("POST", "/v1/licences", json=request)
        assert problem(refused, "invalid-request")["field"] == "printers"

    def test_wants_a_provider(self, service: Service, owner: Party, revision: dict[str, Any]) -> None:
        for nobody in (owner, new_party(service, "owner")):
            refused = owner.call("POST", "/v1/licences", json=owner.licence_request(revision, nobody))
            assert refused.status_code == 404
        assert problem(refused, "not-found")["detail"].startswith("there is no provider")

    def test_licenses_nobody_elses_revision(
        self, service: Service, provider: Party, revision: dict[str, Any]
    ) -> None:
        rival = new_party(service, "owner")
        refused = rival.call("POST", "/v1/licences", json=rival.licence_request(revision, provider))
        assert refused.status_code == 404

    def test_grants_once_for_one_idempotency_key(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        request, headers = (
            owner.licence_request(revision, provider),
            {"Idempotency-Key": secrets.token_hex(8)},
        )
        first, again = (
            owner.expect(201, "POST", "/v1/licences", json=request, headers=headers) for _ in "12"
        )
        assert first == again

    def test_reports_the_contracts_reason(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        salts = {"salt": "0x" + secrets.token_hex(32), "terms_salt": "0x" + secrets.token_hex(32)}
        now = owner.service.clock.now()
        window = {"starts_at": rfc3339(now), "expires_at": rfc3339(now + 900)}
        request = owner.licence_request(revision, provider, **salts, **window)
        owner.expect(201, "POST", "/v1/licences", json=request)
        refused = owner.call("POST", "/v1/licences", json=request)
        assert refused.status_code == 409
        (reason,) = problem(refused, "ledger-rejected")["reasons"]
        assert (reason["code"], reason["source"]) == ("already_granted", "contract")


class TestRevoke:
    def test_is_the_owners_alone(
        self, service: Service, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider)
        path = f"/v1/licences/{licence['id']}/revoke"
        both = new_party(service, "owner", "provider")
        assert provider.call("POST", path, json={}).status_code == 403
        assert both.call("POST", path, json={}).status_code == 404
        given = owner.license(revision, both)
        assert both.call("POST", f"/v1/licences/{given['id']}/revoke", json={}).status_code == 404

    def test_happens_once(self, owner: Party, provider: Party, revision: dict[str, Any]) -> None:
        licence = owner.license(revision, provider)
        first, again = owner.revoke(licence), owner.revoke(licence)
        assert first == again
        assert (first["state"], first["revocation_receipt"]["block_number"] > 0) == ("revoked", True)


class TestTenancy:
    def test_shows_licences_to_their_parties_only(
        self, service: Service, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider)
        path = f"/v1/licences/{licence['id']}"
        assert owner.expect(200, "GET", path) == provider.expect(200, "GET", path)
        for role in ("owner", "provider", "auditor"):
            stranger = new_party(service, role)
            assert stranger.call("GET", path).status_code == 404
            assert stranger.expect(200, "GET", "/v1/licences")["items"] == []

    def test_follows_the_role_of_the_key(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        """A party of both roles sees what it was granted with its provider's key only."""
        both = new_party(owner.service, "owner", "provider")
        licence = owner.license(revision, both)
        narrow = both.expect(201, "POST", "/v1/api-keys", json={"name": "x", "roles": ["owner"]})
        as_owner = Party(both.service, both.id, narrow["key"], both.address)
        assert both.call("GET", f"/v1/licences/{licence['id']}").status_code == 200
        assert as_owner.call("GET", f"/v1/licences/{licence['id']}").status_code == 404
