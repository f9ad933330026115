"""Organisations, API keys, and signatures of managed and external accounts."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from ledger.signer import AccountKey
from ledger.typed_data import Publication
from tests.app.parties import Party, new_party, problem
from tests.app.service import Service


def organisation(**changes: Any) -> dict[str, Any]:
    return {"name": f"Org {secrets.token_hex(4)}", "roles": ["owner"]} | changes


def create(service: Service, body: dict[str, Any], **headers: str) -> Any:
    return service.call("POST", "/v1/organisations", service.operator_key, json=body, headers=headers)


class TestOrganisations:
    def test_come_with_an_account_and_a_key(self, service: Service) -> None:
        made = create(service, organisation(roles=["owner", "provider"])).json()
        assert made["account"]["type"] == "managed"
        me = service.call("GET", "/v1/me", made["api_key"]["key"]).json()
        assert (me["id"], me["roles"], me["key_id"]) == (
            made["id"],
            ["owner", "provider"],
            made["api_key"]["id"],
        )

    def test_keep_their_own_account_where_they_have_one(self, service: Service) -> None:
        account = AccountKey.generate()
        body = organisation(account={"type": "external", "address": account.address.lower()})
        made = create(service, body).json()
        assert made["account"] == {"type": "external", "address": account.address}
        query = "select count(*) from wrapped_keys where object_id = ?"
        assert service.column(query, made["id"]) == 0

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"roles": []}, "body.roles"),
            ({"roles": ["operator"]}, "body.roles.0"),
            ({"roles": ["king"]}, "body.roles.0"),
            ({"name": ""}, "body.name"),
            ({"name": "a\x00b"}, "body.name"),
            ({"name": "x" * 201}, "body.name"),
            ({"surprise": 1}, "body.surprise"),
            ({"account": {"type": "external"}}, "body.account.external.address"),
            ({"account": {"type": "external", "address": "0x12"}}, "body.account.external.address"),
            ({"account": {"type": "borrowed"}}, "body.account"),
        ],
    )
    def test_are_refused_by_the_field_at_fault(
        self, service: Service, changes: dict[str, Any], field: str
    ) -> None:
        refused = create(service, organisation(**changes))
        assert refused.status_code == 422
        assert problem(refused, "invalid-request")["field"] == field

    def test_refuse_a_mistyped_address(self, service: Service) -> None:
        address = AccountKey.generate().address
        wrong = address[:-1] + ("0" if address[-1] != "0" else "1")
        refused = create(service, organisation(account={"type": "external", "address": wrong}))
        assert (refused.status_code, problem(refused)["field"]) == (422, "account.address")

    def test_have_names_and_addresses_of_their_own(self, service: Service) -> None:
        account = {"type": "external", "address": AccountKey.generate().address}
        first = organisation(account=account)
        assert create(service, first).status_code == 201
        assert problem(create(service, first), "conflict")["field"] == "name"
        assert (
            problem(create(service, organisation(account=account)), "conflict")["field"] == "account.address"
        )

    def test_are_made_once_for_one_idempotency_key(self, service: Service) -> None:
        body, headers = organisation(), {"Idempotency-Key": secrets.token_hex(8)}
        first, again = create(service, body, **headers), create(service, body, **headers)
        assert first.status_code == again.status_code == 201
        assert first.json() == again.json()

    def test_are_found_by_name_in_the_directory(
        self, service: Service, owner: Party, provider: Party
    ) -> None:
        name = owner.expect(200, "GET", "/v1/me")["name"]
        (found,) = provider.expect(200, "GET", "/v1/parties", params={"name": name})["items"]
        assert found == {"id": owner.id, "name": name, "roles": ["owner"], "address": owner.address}
        assert provider.expect(200, "GET", f"/v1/parties/{owner.id}") == found

    def test_are_listed_page_by_page(self, service: Service, owner: Party, provider: Party) -> None:
        seen: list[str] = []
        cursor = None
        while True:
            params = {"limit": 1} | ({"cursor": cursor} if cursor else {})
            page = service.call("GET", "/v1/organisations", service.operator_key, params=params).json()
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen))
        assert {owner.id, provider.id} <= set(seen)


class TestApiKeys:
    def test_are_shown_once_and_can_be_revoked(self, owner: Party) -> None:
        made = owner.expect(201, "POST", "/v1/api-keys", json={"name": "laptop", "roles": ["owner"]})
        second = Party(owner.service, owner.id, made["key"], owner.address)
        assert second.call("GET", "/v1/designs").status_code == 200
        shown = owner.expect(200, "GET", f"/v1/api-keys/{made['id']}")
        assert "key" not in shown
        assert owner.call("DELETE", f"/v1/api-keys/{made['id']}").status_code == 204
        assert second.call("GET", "/v1/designs").status_code == 401
        assert owner.expect(200, "GET", f"/v1/api-keys/{made['id']}")["revoked_at"].endswith("Z")

    def test_hand_out_no_more_than_they_have(self, owner: Party) -> None:
        for role in ("provider", "operator"):
            refused = owner.call("POST", "/v1/api-keys", json={"name": "x", "roles": [role]})
            assert refused.status_code == 403
            assert problem(refused, "forbidden")["field"] == "roles"
        auditor = owner.expect(201, "POST", "/v1/api-keys", json={"name": "x", "roles": ["auditor"]})
        as_auditor = Party(owner.service, owner.id, auditor["key"], owner.address)
        assert (
            as_auditor.call("POST", "/v1/api-keys", json={"name": "x", "roles": ["auditor"]}).status_code
            == 403
        )

    def test_are_the_organisations_own(self, service: Service, owner: Party, provider: Party) -> None:
        made = owner.expect(201, "POST", "/v1/api-keys", json={"name": "x", "roles": ["owner"]})
        assert provider.call("GET", f"/v1/api-keys/{made['id']}").status_code == 404
        assert provider.call("DELETE", f"/v1/api-keys/{made['id']}").status_code == 404
        assert made["id"] not in str(provider.expect(200, "GET", "/v1/api-keys", params={"limit": 200}))

    def test_tell_which_key_made_them(self, service: Service) -> None:
        party = new_party(service, "owner")
        first = party.expect(200, "GET", "/v1/me")["key_id"]
        made = party.expect(201, "POST", "/v1/api-keys", json={"name": "x", "roles": ["owner"]})
        assert made["created_by"] == first
        shown = party.expect(200, "GET", "/v1/api-keys")["items"]
        assert {row["id"]: row["created_by"] for row in shown} == {first: None, made["id"]: first}

    def test_are_compared_whole(self, owner: Party) -> None:
        for wrong in (owner.key[:-1], owner.key + "0", owner.key[:-2] + "zz", owner.key.upper()):
            answer = owner.service.call("GET", "/v1/me", wrong)
            assert answer.status_code == 401
            problem(answer, "unauthenticated")


class TestSignatures:
    def test_of_an_external_account_are_wanted_and_verified(self, service: Service) -> None:
        owner = new_party(service, "owner", external=True)
        revision = owner.inspected()
        path = f"/v1/revisions/{revision['id']}/publish"
        missing = owner.call("POST", path, json={})
        assert (missing.status_code, problem(missing, "invalid-request")["field"]) == (422, "signature")
        statement = Publication(owner.address, bytes.fromhex(revision["commitment"][2:]))
        stranger = Party(service, owner.id, owner.key, owner.address, AccountKey.generate())
        wrong = owner.call("POST", path, json={"signature": stranger.sign(statement)})
        assert problem(wrong, "invalid-signature")["field"] == "signature"
        broken = owner.call("POST", path, json={"signature": "0x" + "11" * 65})
        assert broken.status_code == 422
        other = Publication(owner.address, bytes(32))
        assert owner.call("POST", path, json={"signature": owner.sign(other)}).status_code == 422
        done = owner.expect(200, "POST", path, json={"signature": owner.sign(statement)})
        assert done["state"] == "published"

    def test_of_a_managed_account_may_not_be_somebody_elses(self, owner: Party) -> None:
        revision = owner.inspected()
        stranger = Party(owner.service, owner.id, owner.key, owner.address, AccountKey.generate())
        statement = Publication(owner.address, bytes.fromhex(revision["commitment"][2:]))
        path = f"/v1/revisions/{revision['id']}/publish"
        refused = owner.call("POST", path, json={"signature": stranger.sign(statement)})
        problem(refused, "invalid-signature")
        assert owner.expect(200, "GET", f"/v1/revisions/{revision['id']}")["state"] == "ready"

    def test_are_made_by_keys_that_are_kept_wrapped(self, service: Service, owner: Party) -> None:
        query = "select blob from wrapped_keys where object_id = ? and kind = 'account'"
        assert len(service.column(query, owner.id)) == 60
