"""Odd but well-formed requests are refused, never a failure of the service."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from tests.app.parties import Party, problem
from tests.app.service import Service

ODD_TEXT = ["\ud800", "a\x00b", "\u202e", "x" * 100_000, "' or 1=1 --", "${jndi:x}"]


def post(party: Party, path: str, body: Any) -> httpx2.Response:
    """Send JSON in ASCII, so that half a surrogate pair travels too."""
    headers = {"Content-Type": "application/json"}
    return party.call("POST", path, content=json.dumps(body).encode(), headers=headers)


class TestOddText:
    @pytest.mark.parametrize("text", ODD_TEXT, ids=ascii)
    @pytest.mark.parametrize("field", ["name", "description"])
    def test_in_a_design(self, owner: Party, text: str, field: str) -> None:
        answer = post(owner, "/v1/designs", {"name": "x"} | {field: text})
        assert answer.status_code in {201, 422}, answer.text
        if answer.status_code == 201:
            assert owner.expect(200, "GET", f"/v1/designs/{answer.json()['id']}")[field] == text

    @pytest.mark.parametrize("text", ODD_TEXT, ids=ascii)
    def test_deep_in_a_recipe(self, owner: Party, text: str) -> None:
        design = owner.expect(201, "POST", "/v1/designs", json={"name": "x"})
        recipe = {"process": "MEX", "parameters": {text: [{"deep": text}]}}
        answer = post(owner, f"/v1/designs/{design['id']}/revisions", {"recipe": recipe})
        assert answer.status_code in {201, 422}, answer.text

    @pytest.mark.parametrize("text", ["%00", "..%2f..%2fetc", "'", "%ff", "a" * 5000])
    def test_in_a_path(self, owner: Party, provider: Party, text: str) -> None:
        for party, path in (
            (owner, f"/v1/designs/{text}"),
            (owner, f"/v1/ledger/operations/{text}"),
            (provider, f"/v1/printers/{text}"),
        ):
            assert party.call("GET", path).status_code in {404, 422}

    @pytest.mark.parametrize(
        "params", [{"limit": 0}, {"limit": 201}, {"limit": "x"}, {"cursor": "x" * 65}, {"limit": "1e9"}]
    )
    def test_in_a_query(self, owner: Party, params: dict[str, Any]) -> None:
        refused = owner.call("GET", "/v1/designs", params=params)
        assert refused.status_code == 422
        problem(refused, "invalid-request")


class TestOddBody:
    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"name": NaN}', b"[" * 50_000, b'{"name":1e999}'],
    )
    def test_is_refused(self, owner: Party, content: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        refused = owner.call("POST", "/v1/designs", content=content, headers=headers)
        assert refused.status_code in {400, 422}, refused.text
        problem(refused)

    def test_of_nested_terms_is_refused(self, owner: Party) -> None:
        deep: Any = "x"
        for _ in range(500):
            deep = [deep]
        design = owner.expect(201, "POST", "/v1/designs", json={"name": "x"})
        recipe = {"process": "MEX", "parameters": {"deep": deep}}
        answer = owner.call("POST", f"/v1/designs/{design['id']}/revisions", json={"recipe": recipe})
        assert (answer.status_code, problem(answer)["field"]) == (422, "body.recipe.parameters")

    @pytest.mark.parametrize("key", ["short", "x" * 129, "spa ce-spa", "tab\tbed-ta"])
    def test_with_an_odd_idempotency_key_is_refused(self, owner: Party, key: str) -> None:
        refused = owner.call("POST", "/v1/designs", json={"name": "x"}, headers={"Idempotency-Key": key})
        assert problem(refused, "invalid-request")["field"] == "header.Idempotency-Key"


class TestOddMethod:
    def test_is_refused(self, service: Service, owner: Party) -> None:
        for method, path in (
            ("PATCH", "/v1/designs"),
            ("DELETE", "/v1/licences"),
            ("GET", "/v1/prints/redeem"),
        ):
            assert owner.call(method, path).status_code in {404, 405, 403}
