"""What must be refused, each with a clear problem document and with nothing lost."""

from __future__ import annotations

import socket
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Market
from tests.e2e.parties import Party, in_seconds, problem
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess


def recorded(market: Market, licence: dict[str, Any]) -> int:
    shown = market.provider.expect(200, "GET", f"/v1/licences/{licence['id']}")
    return int(shown["prints_recorded"])


class TestToken:
    def test_refuses_a_second_use(self, market: Market) -> None:
        licence = market.owner.license(market.published(), market.provider)
        printer = market.provider.new_printer()
        token = market.provider.authorise(licence, printer)["token"]
        assert printer.redeem(token).status_code == 200
        refusal = printer.redeem(token)
        assert refusal.status_code == 409
        assert "token" in problem(refusal)["detail"]
        assert recorded(market, licence) == 1

    def test_gives_the_same_retry_the_same_answer(self, market: Market) -> None:
        licence = market.owner.license(market.published(), market.provider)
        printer = market.provider.new_printer()
        token = market.provider.authorise(licence, printer)["token"]
        first, again = (printer.redeem(token, "retry-" + "1" * 16) for _ in range(2))
        assert first.status_code == again.status_code == 200, again.text
        assert first.content == again.content
        assert recorded(market, licence) == 1

    def test_refuses_another_printer(self, market: Market) -> None:
        licence = market.owner.license(market.published(), market.provider)
        printer, other = market.provider.new_printer("One"), market.provider.new_printer("Two")
        token = market.provider.authorise(licence, printer)["token"]
        refusal = other.redeem(token)
        assert refusal.status_code in {401, 403, 404}
        problem(refusal)
        assert recorded(market, licence) == 0
        assert printer.redeem(token).status_code == 200

    def test_refuses_an_unknown_token_alike(self, market: Market) -> None:
        licence = market.owner.license(market.published(), market.provider)
        printer, other = market.provider.new_printer("One"), market.provider.new_printer("Two")
        token = market.provider.authorise(licence, printer)["token"]
        stolen, invented = other.redeem(token), other.redeem(token[:-4] + "AAAA")
        unlike = {"instance", "request_id"}
        assert {k: v for k, v in problem(stolen).items() if k not in unlike} == {
            k: v for k, v in problem(invented).items() if k not in unlike
        }


class TestLicence:
    def test_refuses_when_revoked(self, market: Market) -> None:
        licence = market.owner.license(market.published(), market.provider)
        printer = market.provider.new_printer()
        token = market.provider.authorise(licence, printer)["token"]
        market.owner.revoke(licence)
        redeemed = printer.redeem(token)
        assert redeemed.status_code in {403, 409}
        assert "revoked" in redeemed.text
        asked = market.provider.call("POST", "/v1/prints", **market.provider.print_request(licence, printer))
        assert asked.status_code in {403, 409}
        assert "revoked" in str(problem(asked)["reasons"])
        assert recorded(market, licence) == 0

    def test_refuses_before_it_starts(self, market: Market) -> None:
        licence = market.owner.license(market.published(), market.provider, starts_at=in_seconds(1800))
        printer = market.provider.new_printer()
        asked = market.provider.call("POST", "/v1/prints", **market.provider.print_request(licence, printer))
        assert asked.status_code in {403, 409}
        assert "start" in str(problem(asked)["reasons"])

    def test_refuses_a_fourth_print(self, market: Market) -> None:
        licence = market.owner.license(market.published(), market.provider, prints=3)
        printer = market.provider.new_printer()
        for _ in range(3):
            token = market.provider.authorise(licence, printer)["token"]
            assert printer.redeem(token).status_code == 200
        asked = market.provider.call("POST", "/v1/prints", **market.provider.print_request(licence, printer))
        assert asked.status_code in {403, 409}
        assert "3" in str(problem(asked)["reasons"])
        assert recorded(market, licence) == 3


class TestStoredObject:
    @pytest.mark.parametrize("damage", ["flipped", "truncated", "swapped", "removed"])
    def test_refuses_before_a_number_is_used(self, market: Market, damage: str) -> None:
        content = box(header=damage.encode())
        revision = market.published(content)
        other = market.published(box((21, 31, 11), header=b"other"))
        licence = market.owner.license(revision, market.provider)
        printer = market.provider.new_printer()
        path, other_path = (_object(market, r) for r in (revision, other))
        sound = path.read_bytes()
        path.chmod(0o600)
        if damage == "flipped":
            path.write_bytes(sound[:100] + bytes([sound[100] ^ 1]) + sound[101:])
        elif damage == "truncated":
            path.write_bytes(sound[:-10])
        elif damage == "swapped":
            path.write_bytes(other_path.read_bytes())
        else:
            path.unlink()
        asked = market.provider.call("POST", "/v1/prints", **market.provider.print_request(licence, printer))
        assert asked.status_code in {409, 422, 500, 503}
        assert "object" in problem(asked)["type"] or "object" in problem(asked)["detail"]
        assert recorded(market, licence) == 0
        path.write_bytes(sound)
        token = market.provider.authorise(licence, printer)["token"]
        release = printer.redeem(token).json()
        assert release["receipt"]["transaction"].startswith("0x")
        assert printer.open(release, printer.download(release).content) == content


class TestManifest:
    def test_refuses_a_changed_one_before_a_number_is_used(self, market: Market) -> None:
        revision = market.published()
        licence = market.owner.license(revision, market.provider)
        printer = market.provider.new_printer()
        token = market.provider.authorise(licence, printer)["token"]
        changed = revision["manifest"].replace("PETG", "PVC")
        assert changed != revision["manifest"]
        _rewrite(market, revision["id"], changed)
        asked = market.provider.call("POST", "/v1/prints", **market.provider.print_request(licence, printer))
        assert asked.status_code in {409, 422, 500}
        assert "manifest" in problem(asked)["detail"]
        redeemed = printer.redeem(token)
        assert redeemed.status_code in {409, 422, 500}
        assert recorded(market, licence) == 0
        _rewrite(market, revision["id"], revision["manifest"])
        assert printer.redeem(token).status_code == 200


class TestUpload:
    def test_keeps_nothing_of_one_that_is_cut_off(self, market: Market) -> None:
        revision = market.owner.draft()
        objects = set(_objects(market))
        _cut_off(market.owner, f"/v1/revisions/{revision['id']}/file?filename=part.stl")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            shown = market.owner.expect(200, "GET", f"/v1/revisions/{revision['id']}")
            if shown["state"] == "draft" and set(_objects(market)) == objects:
                break
            time.sleep(0.1)
        assert shown["state"] == "draft"
        assert set(_objects(market)) == objects
        path = f"/v1/revisions/{revision['id']}/file"
        market.owner.expect(202, "PUT", path, params={"filename": "part.stl"}, content=box())
        assert market.owner.inspected(revision["id"])["state"] == "ready"

    def test_refuses_an_open_mesh_with_its_reason(self, market: Market) -> None:
        revision = market.owner.upload(box(closed=False))
        assert revision["state"] == "refused"
        assert any(finding["severity"] == "refuse" for finding in revision["inspection"]["findings"])
        body = {"signature": "0x" + "11" * 65}
        refusal = market.owner.call("POST", f"/v1/revisions/{revision['id']}/publish", json=body)
        assert refusal.status_code in {409, 422}
        problem(refusal)


class TestCaller:
    def test_refuses_a_wrong_api_key(self, market: Market) -> None:
        key = market.owner.api_key
        for wrong in (key[:-1] + ("A" if key[-1] != "A" else "B"), "pv_nobody_" + "x" * 43, "nonsense"):
            answer = Party(market.service.url, wrong).call("GET", "/v1/designs")
            assert answer.status_code == 401
            problem(answer)

    def test_survives_deeply_nested_json(self, market: Market) -> None:
        depth = 200_000
        headers = {"Content-Type": "application/json"}
        for body in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
            answer = market.owner.call("POST", "/v1/designs", content=body, headers=headers)
            assert 400 <= answer.status_code < 500
            problem(answer)
        assert market.owner.call("GET", "/livez").status_code == 200

    def test_hides_another_organisations_design(self, market: Market) -> None:
        revision = market.published()
        rival = market.operator.new_organisation("Rival", "owner")
        foreign = rival.call("GET", f"/v1/designs/{revision['design_id']}")
        absent = rival.call("GET", "/v1/designs/dsn_doesnotexist")
        assert foreign.status_code == absent.status_code == 404
        assert problem(foreign)["title"] == problem(absent)["title"]
        body = {"recipe": {"process": "MEX", "material": "PLA", "parameters": {}}}
        taken = rival.call("POST", f"/v1/designs/{revision['design_id']}/revisions", json=body)
        assert taken.status_code == 404


class TestExpiredToken:
    def test_is_refused_and_its_number_given_out_again(self, tmp_path: Path) -> None:
        with ServiceProcess(tmp_path / "data", token_ttl_s="1") as service:
            market = Market.open(service)
            licence = market.owner.license(market.published(), market.provider, prints=1)
            printer = market.provider.new_printer()
            late = market.provider.authorise(licence, printer)
            time.sleep(2.1)
            refusal = printer.redeem(late["token"])
            assert refusal.status_code in {401, 403, 404, 409, 410}
            assert "expired" in problem(refusal)["detail"]
            assert recorded(market, licence) == 0
            again = market.provider.authorise(licence, printer)
            assert again["sequence"] == late["sequence"] == 1
            assert printer.redeem(again["token"]).status_code == 200


def _objects(market: Market) -> list[Path]:
    return [path for path in (market.service.data_dir / "objects").rglob("*") if path.is_file()]


def _database(market: Market) -> sqlite3.Connection:
    return sqlite3.connect(market.service.data_dir / "partvault.sqlite", timeout=10)


def _object(market: Market, revision: dict[str, Any]) -> Path:
    with _database(market) as database:
        query = "select json_extract(file_object, '$.object_key') from revisions where id = ?"
        (key,) = database.execute(query, (revision["id"],)).fetchone()
    (path,) = [path for path in _objects(market) if path.name in key or key in path.as_posix()]
    return path


def _rewrite(market: Market, revision_id: str, manifest: str) -> None:
    with _database(market) as database:
        database.execute("update revisions set manifest = ? where id = ?", (manifest, revision_id))


def _cut_off(owner: Party, path: str) -> None:
    """Announce a megabyte, send a part of it, and hang up."""
    address = urlsplit(owner.url)
    assert address.hostname
    with socket.create_connection((address.hostname, address.port or 80)) as connection:
        head = f"PUT {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {owner.api_key}\r\n"
        connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + box()[:500] + b"x" * 300_000)
        time.sleep(0.3)
