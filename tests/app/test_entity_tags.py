"""ETag, If-None-Match and If-Match, on every route that reads one resource by its id or changes it."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.entity_tags import ANY, read_tags, tag_of
from app.openapi import document
from ledger.typed_data import print_id
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.service import Service, running_service
from tests.faults.postgresql import INSTALLED, PACKAGES, running_postgresql

PATHS: dict[str, dict[str, Any]] = json.loads(document())["paths"]
READ = sorted(
    path for path, operations in PATHS.items() if "304" in operations.get("get", {}).get("responses", {})
)
CHANGING = sorted(
    (method, path)
    for path, operations in PATHS.items()
    for method, operation in operations.items()
    if any(item["name"] == "If-Match" for item in operation.get("parameters", ()))
)
"""As the API's own document tells them, so that a new route is among them."""
ROWS = {"designs", "revisions", "printers", "licences", "prints", "plates", "api-keys", "shreddings"}
OTHERS = {
    *("verification/{print_hash}", "/verify/{print_hash}"),
    *("designs/{design_id}/revisions", "designs/{design_id}/shreddings", "prints/{print_id}/reissue"),
    *("prints/{print_id}/reissue/prepare", "prints/{print_id}/outcome", "printers/{printer_id}/rotate"),
    *("licences/{licence_id}/transfers", "licences/{licence_id}/transfers/prepare"),
}
"""These make another row, keep nothing, or are a printer's, which reads no row by its id."""


class TestReadTags:
    @pytest.mark.parametrize(
        ("field", "strong", "weak"),
        [
            ('"a"', {'"a"'}, {'"a"'}),
            ('"a", W/"b" ,"c"', {'"a"', '"c"'}, {'"a"', '"b"', '"c"'}),
            ('""', {'""'}, {'""'}),
            (" * ", {ANY}, {ANY}),
            ("", None, None),
            ("a", None, None),
            ('"a" "b"', None, None),
            ('"a", b', None, None),
            ('*, "a"', None, None),
            ('"un"closed"', None, None),
        ],
    )
    def test_reads_lists_as_rfc_9110_has_them(
        self, field: str, strong: set[str] | None, weak: set[str] | None
    ) -> None:
        assert (read_tags(field, weak=False), read_tags(field, weak=True)) == (strong, weak)

    @given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
    def test_finds_every_tag_that_is_made(self, contents: list[bytes]) -> None:
        tags = [tag_of(content) for content in contents]
        assert read_tags(", ".join(tags), weak=False) == set(tags)


@pytest.fixture(scope="module")
def held(service: Service) -> dict[str, tuple[Party, str]]:
    """Of each kind a row, and a party that reads it."""
    owner, provider = new_party(service, "owner"), new_party(service, "provider")
    operator = Party(service, "", service.operator_key, "")
    revision, printer = owner.published(), provider.printer()
    licence = owner.license(revision, provider)
    made = provider.authorise(licence, printer)
    spare = owner.expect(201, "POST", "/v1/api-keys", json={"name": "spare", "roles": ["owner"]})
    shredding = owner.expect(
        *(201, "POST", f"/v1/designs/{revision['design_id']}/shreddings"),
        json={"design_name": "Leg cap", "reason": "over"},
        headers={"Idempotency-Key": secrets.token_hex(8)},
    )
    counted = provider.authorise(licence, printer)
    assert printer.redeem(counted["token"]).status_code == 200
    parts = [{"licence_id": owner.license(revision, provider)["id"]} for _ in range(2)]
    plate = provider.expect(
        *(201, "POST", "/v1/plates"),
        json={"parts": parts, "printer_id": printer.id},
        headers={"Idempotency-Key": secrets.token_hex(8)},
    )
    name = print_id(bytes.fromhex(licence["licence_hash"][2:]), counted["sequence"])
    return {
        "designs": (owner, revision["design_id"]),
        "revisions": (owner, revision["id"]),
        "printers": (provider, printer.id),
        "licences": (owner, licence["id"]),
        "prints": (provider, made["id"]),
        "plates": (provider, plate["id"]),
        "api-keys": (owner, spare["id"]),
        "shreddings": (owner, shredding["id"]),
        "organisations": (operator, owner.id),
        "parties": (owner, provider.id),
        "operations": (owner, f"grant:{licence['licence_hash']}"),
        "verification": (owner, "0x" + name.hex()),
    }


def kind(path: str) -> str:
    """What the last id in a route's path is one of."""
    parts = path.split("/")
    return next(before for before, part in reversed(list(pairwise(parts))) if "{" in part)


def filled(path: str, row_id: str) -> str:
    return "/".join(row_id if "{" in part else part for part in path.split("/"))


class TestReading:
    def test_covers_every_kind_of_row(self) -> None:
        assert {kind(path) for path in READ} >= ROWS

    @pytest.mark.parametrize("path", READ)
    def test_is_tagged_with_the_digest_of_what_is_answered(
        self, held: dict[str, tuple[Party, str]], path: str
    ) -> None:
        party, row_id = held[kind(path)]
        answers = [party.call("GET", filled(path, row_id)) for _ in range(2)]
        for answer in answers:
            assert answer.status_code == 200, answer.text
            assert answer.headers["etag"] == tag_of(answer.content)
        assert answers[0].headers["etag"] == answers[1].headers["etag"]

    @pytest.mark.parametrize("path", READ)
    def test_is_not_sent_again_to_who_has_it(self, held: dict[str, tuple[Party, str]], path: str) -> None:
        party, row_id = held[kind(path)]
        tag = party.call("GET", filled(path, row_id)).headers["etag"]
        for known in (tag, f'"other", W/{tag}', ANY):
            answer = party.call("GET", filled(path, row_id), headers={"If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
            assert not {"content-type", "content-length"} & set(answer.headers)
        for other in ('"other"', "nonsense"):
            answer = party.call("GET", filled(path, row_id), headers={"If-None-Match": other})
            assert answer.status_code == 200

    @pytest.mark.parametrize("path", READ)
    def test_tells_no_more_of_what_is_not_there(self, service: Service, path: str) -> None:
        stranger = new_party(service, "owner")
        answer = stranger.call("GET", filled(path, f"abc_{'0' * 26}"), headers={"If-None-Match": ANY})
        assert answer.status_code in {403, 404}
        assert "etag" not in answer.headers


BODIES: dict[str, Any] = {
    "put printers/{printer_id}/facts": {"site": "Hall 3"},
    "post printers/{printer_id}/quarantine": {"reason": "smoke"},
    "post revisions/{revision_id}/declaration": {
        "filename": "part.stl",
        "format": "stl",
        "plaintext_sha256": "0" * 64,
        "plaintext_bytes": 1,
        "ciphertext_sha256": "0" * 64,
        "inspection": {"verdict": "pass", "findings": [], "geometry": None},
    },
}
QUERIES = {
    "put revisions/{revision_id}/file": {"filename": "part.stl"},
    "put revisions/{revision_id}/ciphertext": {"version": 1},
}


def change(party: Party, method: str, path: str, row_id: str, tag: str) -> httpx2.Response:
    name = f"{method} {path.removeprefix('/v1/')}"
    options: dict[str, Any] = {"json": BODIES[name]} if name in BODIES else {}
    options |= {"params": QUERIES[name], "content": b"x"} if name in QUERIES else {}
    return party.call(method.upper(), filled(path, row_id), headers={"If-Match": tag}, **options)


class TestChanging:
    def test_covers_every_route_that_changes_a_row(self) -> None:
        changing = {
            (method, path)
            for path, operations in PATHS.items()
            for method in operations
            if method != "get" and "{" in path and path.removeprefix("/v1/") not in OTHERS
        }
        assert changing == set(CHANGING)
        assert len(CHANGING) > 12

    @pytest.mark.parametrize(("method", "path"), CHANGING)
    def test_refuses_what_was_read_before_and_changes_nothing(
        self, held: dict[str, tuple[Party, str]], method: str, path: str
    ) -> None:
        party, row_id = held[kind(path)]
        read = f"/v1/{kind(path)}/{row_id}"
        before = party.call("GET", read)
        for stale in ('"stale"', f"W/{before.headers['etag']}"):
            refused = change(party, method, path, row_id, stale)
            assert refused.status_code == 412, refused.text
            assert problem(refused, "precondition-failed")["field"] == "If-Match"
        assert party.call("GET", read).content == before.content

    @pytest.mark.parametrize(("method", "path"), CHANGING)
    def test_names_a_field_that_is_no_tag(
        self, held: dict[str, tuple[Party, str]], method: str, path: str
    ) -> None:
        party, row_id = held[kind(path)]
        refused = change(party, method, path, row_id, "not quoted")
        assert problem(refused, "invalid-request")["field"] == "If-Match"

    @pytest.mark.parametrize(("method", "path"), CHANGING)
    def test_tells_a_stranger_of_no_row(
        self, service: Service, held: dict[str, tuple[Party, str]], method: str, path: str
    ) -> None:
        _, row_id = held[kind(path)]
        stranger, nobody = new_party(service, "owner", "provider"), f"abc_{'0' * 26}"
        for tag in ('"stale"', ANY):
            there, absent = (change(stranger, method, path, each, tag) for each in (row_id, nobody))
            assert there.status_code == absent.status_code == 404, there.text


class TestMatching:
    """A fresh row for each, as the change goes through."""

    def test_lets_through_what_still_is_as_read(
        self, owner: Party, provider: Party, revision: dict[str, Any], printer: Printer
    ) -> None:
        mine = provider.printer()
        licence = owner.license(revision, provider)
        made = provider.authorise(licence, printer)
        spare = owner.expect(201, "POST", "/v1/api-keys", json={"name": "spare", "roles": ["owner"]})
        steps: list[tuple[Party, str, str, str, Any]] = [
            (provider, "PUT", f"/v1/printers/{mine.id}", "/facts", {"site": "Hall 3"}),
            (provider, "POST", f"/v1/printers/{mine.id}", "/quarantine", {"reason": "smoke"}),
            (provider, "POST", f"/v1/printers/{mine.id}", "/lift", None),
            (provider, "POST", f"/v1/printers/{mine.id}", "/retire", None),
            (provider, "POST", f"/v1/prints/{made['id']}", "/withdraw", None),
            (owner, "POST", f"/v1/licences/{licence['id']}", "/revoke", None),
            (owner, "DELETE", f"/v1/api-keys/{spare['id']}", "", None),
        ]
        for party, method, path, action, body in steps:
            tag = party.call("GET", path).headers["etag"]
            options = {"json": body} if body is not None else {}
            headers = {"If-Match": f'"other", {tag}'}
            answer = party.call(method, path + action, headers=headers, **options)
            assert answer.status_code in {200, 204}, answer.text
            again = party.call(method, path + action, headers=headers, **options)
            assert again.status_code == 412, f"{path}{action}: {again.text}"

    def test_has_one_winner_among_those_who_read_the_same(self, provider: Party) -> None:
        printer = provider.printer()
        path = f"/v1/printers/{printer.id}"
        for _ in range(3):
            tag = provider.call("GET", path).headers["etag"]
            sites = [secrets.token_hex(4) for _ in range(6)]

            def state(site: str, tag: str = tag) -> int:
                body, headers = {"site": site}, {"If-Match": tag}
                return provider.call("PUT", f"{path}/facts", json=body, headers=headers).status_code

            with ThreadPoolExecutor(6) as pool:
                statuses = list(pool.map(state, sites))
            assert sorted(statuses) == [200, *[412] * 5]
            won = sites[statuses.index(200)]
            assert provider.expect(200, "GET", path)["machine"]["site"] == won

    def test_guards_an_upload(self, owner: Party) -> None:
        draft = owner.draft()
        tag = owner.call("GET", f"/v1/revisions/{draft['id']}").headers["etag"]
        assert owner.upload(draft, headers={"If-Match": '"stale"'}).status_code == 412
        assert owner.upload(draft, headers={"If-Match": tag}).status_code == 202


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason=f"needs {' and '.join(PACKAGES)}")
class TestOnPostgresql:
    """Where several transactions write at one time."""

    def test_has_one_winner_among_those_who_read_the_same(self, tmp_path: Path) -> None:
        with running_postgresql() as address:
            url = address.render_as_string(hide_password=False)
            with running_service(tmp_path, database_url=url) as service:
                provider = new_party(service, "provider")
                TestMatching().test_has_one_winner_among_those_who_read_the_same(provider)
