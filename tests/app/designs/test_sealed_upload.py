"""Ciphertext that an owner encrypted: what is kept, what keeps nothing, and the modes that never mix."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.auth.principals import Principal, Role
from app.designs import sealed_upload
from app.errors import Conflict
from storage.secret import DataKey
from storage.stream import ciphertext_length, decrypt
from tests.app.designs.held import Held, held_draft, keeper
from tests.app.parties import Party, new_party, problem
from tests.app.parts import box
from tests.app.service import Service, running_service
from tests.app.shredding.shredded import shred


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without a worker, whose uploads are small."""
    folder: Path = tmp_path_factory.mktemp("still")
    with running_service(folder, worker=False, upload_bytes_max=100_000) as running:
        yield running


@pytest.fixture
def sender(still: Service) -> Party:
    return keeper(still)


@pytest.fixture
def held(sender: Party) -> Held:
    return held_draft(sender)


class TestCustody:
    def test_is_the_designs_and_stays(self, sender: Party, held: Held) -> None:
        design = sender.expect(200, "GET", f"/v1/designs/{held.revision['design_id']}")
        assert (design["custody"], held.revision["custody"]) == ("owner", "owner")
        assert sender.draft()["custody"] == "service"

    def test_of_the_owner_needs_an_own_account(self, still: Service) -> None:
        managed = new_party(still, "owner")
        refused = managed.call("POST", "/v1/designs", json={"name": "Part", "custody": "owner"})
        assert refused.status_code == 409
        document = problem(refused, "conflict")
        assert (document["field"], "--account own" in document["remedy"]) == ("custody", True)

    def test_is_one_of_two(self, sender: Party) -> None:
        refused = sender.call("POST", "/v1/designs", json={"name": "Part", "custody": "both"})
        assert problem(refused)["field"] == "body.custody"

    def test_keeps_plaintext_out(self, still: Service, held: Held) -> None:
        before = len(still.objects())
        refused = held.owner.upload(held.revision, box())
        assert refused.status_code == 409
        document = problem(refused, "conflict")
        assert document["field"] == "custody"
        assert "PUT /v1/revisions/" + held.revision["id"] + "/ciphertext" in document["remedy"]
        assert len(still.objects()) == before

    @pytest.mark.parametrize("call", ["ciphertext", "declaration"])
    def test_keeps_ciphertext_out_of_designs_of_the_service(self, sender: Party, call: str) -> None:
        other = Held(sender, sender.draft())
        if call == "ciphertext":
            path = f"{other.path}/ciphertext"
            refused = sender.call("PUT", path, params={"version": 1}, content=bytes(100))
        else:
            refused = other.declare()
        assert refused.status_code == 409
        document = problem(refused, "conflict")
        assert (document["field"], "/file" in document["remedy"]) == ("custody", True)


class TestUpload:
    def test_stores_it_as_it_is(self, still: Service, held: Held) -> None:
        context = held.context
        answer = held.put()
        assert answer.status_code == 200, answer.text
        seen = answer.json()
        assert (seen["state"], seen["file"], seen["manifest"]) == ("draft", None, None)
        assert seen["ciphertext"] == {
            "sha256": hashlib.sha256(held.ciphertext).hexdigest(),
            "bytes": len(held.ciphertext),
            "context": context.to_json(),
        }
        stored = still.object_path(held.revision["id"]).read_bytes()
        assert stored == held.ciphertext
        assert b"".join(decrypt([stored], held.key, context)) == held.content

    def test_keeps_no_key(self, still: Service, held: Held) -> None:
        held.put()
        wraps = "select count(*) from wrapped_keys where object_id = ?"
        assert still.column(wraps, held.revision["id"]) == 0

    def test_names_another_context_for_each(self, still: Service, held: Held) -> None:
        first = held.context
        held.put()
        before, second = len(still.objects()), held.context
        assert (first.version, second.version) == (1, 2)
        held.key = DataKey.generate()
        assert held.put().status_code == 200
        assert len(still.objects()) == before
        assert still.object_path(held.revision["id"]).read_bytes() == held.ciphertext

    @pytest.mark.parametrize("version", [1, 6, 7])
    def test_takes_no_version_twice(self, held: Held, version: int) -> None:
        assert held.put(bytes(100), version=7).json()["ciphertext"]["context"]["version"] == 7
        refused = held.put(bytes(100), version=version)
        assert refused.status_code == 409
        assert problem(refused, "conflict")["field"] == "version"
        assert held.context.version == 8

    def test_uses_a_version_up_even_by_a_cut_off_upload(self, still: Service, held: Held) -> None:
        before = len(still.objects())
        refused = held.put(bytes(90), headers={"Content-Length": "200"})
        problem(refused, "upload-incomplete")
        assert (len(still.objects()), held.context.version) == (before, 2)

    @pytest.mark.parametrize("size", [0, 1, 71, 56 + 16_400 + 3, 72], ids=str)
    @pytest.mark.parametrize("announced", [True, False])
    def test_refuses_what_is_no_files_ciphertext(
        self, still: Service, held: Held, size: int, announced: bool
    ) -> None:
        before, content = len(still.objects()), bytes(size)
        refused = held.put(content if announced else iter([content]))
        assert refused.status_code == 422
        assert problem(refused, "invalid-request")["field"] == "body"
        assert len(still.objects()) == before
        assert held.seen()["ciphertext"] is None

    @pytest.mark.parametrize("announced", [True, False])
    def test_refuses_what_is_too_long(self, still: Service, held: Held, announced: bool) -> None:
        before, content = len(still.objects()), bytes(ciphertext_length(100_000) + 1)
        refused = held.put(content if announced else iter([content]))
        assert refused.status_code == 413
        assert len(still.objects()) == before

    def test_takes_the_longest(self, held: Held) -> None:
        assert held.put(iter([bytes(ciphertext_length(100_000))])).status_code == 200

    def test_is_the_owners_alone(self, still: Service, held: Held) -> None:
        stranger = keeper(still)
        path = f"{held.path}/ciphertext"
        assert stranger.call("PUT", path, params={"version": 1}, content=bytes(100)).status_code == 404
        assert stranger.call("POST", f"{held.path}/declaration", json=held.declaration()).status_code == 404

    def test_lets_no_earlier_one_replace_a_later_one(self, still: Service, held: Held) -> None:
        """Two uploads at one time: the one that began first ends last."""
        services, mine = still.services, held.owner
        who = Principal(mine.id, "key", frozenset({Role.OWNER}))
        early = sealed_upload._begin(services, who, held.revision["id"], 1)
        held.put()
        late = services.vault.put_ciphertext([bytes(100)], 100)
        with pytest.raises(Conflict, match="stored meanwhile"):
            sealed_upload._finish(services, who, early, late)
        assert still.object_path(held.revision["id"]).read_bytes() == held.ciphertext
        assert late.object_key not in {path.name for path in still.objects()}

    def test_ends_with_the_declaration(self, still: Service, held: Held) -> None:
        held.ready()
        seen = held.seen()
        assert seen["upload_context"] is None
        path = f"{held.path}/ciphertext"
        refused = held.owner.call("PUT", path, params={"version": 2}, content=bytes(100))
        assert "can no longer be replaced" in problem(refused, "conflict")["detail"]


class TestDeclare:
    def test_makes_the_revision_ready(self, held: Held) -> None:
        revision = held.ready()
        assert (revision["state"], revision["custody"]) == ("ready", "owner")
        assert revision["file"] == {
            "filename": "part.stl",
            "bytes": len(held.content),
            "sha256": hashlib.sha256(held.content).hexdigest(),
            "format": "stl-binary",
        }
        assert revision["inspection"]["declared_by"] == "owner"
        manifest = json_of(revision["manifest"])
        assert manifest["custody"] == "owner"
        assert manifest["files"][0]["object"] == revision["ciphertext"]["context"]
        assert manifest["geometry"] == held.declaration()["inspection"]["geometry"]

    def test_says_the_custody_of_the_services_designs_too(self, owner: Party) -> None:
        assert json_of(owner.inspected()["manifest"])["custody"] == "service"

    def test_may_be_repeated(self, held: Held) -> None:
        first = held.ready()
        again = held.declare()
        assert (again.status_code, again.json()) == (200, first)
        other = held.declare(filename="other.stl")
        assert other.status_code == 409

    def test_wants_a_ciphertext_first(self, held: Held) -> None:
        assert "has no file" in problem(held.declare(), "conflict")["detail"]

    @pytest.mark.parametrize(
        ("changes", "status", "field"),
        [
            ({"ciphertext_sha256": "00" * 32}, 400, "ciphertext_sha256"),
            ({"plaintext_bytes": 683}, 422, "plaintext_bytes"),
            ({"plaintext_bytes": 0}, 422, "body.plaintext_bytes"),
            ({"plaintext_sha256": "xyz"}, 422, "body.plaintext_sha256"),
            ({"filename": "../part.stl"}, 422, "filename"),
            ({"filename": ".."}, 422, "filename"),
            ({"format": "STL!"}, 422, "body.format"),
            ({"custody": "service"}, 422, "body.custody"),
        ],
        ids=str,
    )
    def test_names_what_does_not_agree(
        self, held: Held, changes: dict[str, Any], status: int, field: str
    ) -> None:
        held.put()
        refused = held.declare(**changes)
        assert (refused.status_code, problem(refused)["field"]) == (status, field)
        assert held.seen()["state"] == "draft"
        assert held.declare().status_code == 200

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"verdict": "refuse"}, "inspection.verdict"),
            ({"findings": [{"code": "x"}]}, "inspection.findings.0"),
            ({"geometry": {}}, "inspection.geometry"),
            ({"geometry.volume_mm3": 0}, "inspection.geometry"),
            ({"geometry.volume_mm3": "6000"}, "inspection.geometry"),
            ({"geometry.facets": 0}, "inspection.geometry"),
            ({"geometry.bounds_mm": [[0, 0, 0], [20, 30, 0]]}, "inspection.geometry"),
            ({"geometry.bounds_mm": [[0, 0, 0], [2000, 30, 10]]}, "inspection.geometry"),
        ],
        ids=str,
    )
    def test_wants_an_inspection_that_passed(
        self, sender: Party, changes: dict[str, Any], field: str
    ) -> None:
        held = held_draft(sender, build_volume_mm=[250, 210, 210])
        held.put()
        body = held.declaration()
        for name, value in changes.items():
            outer, _, inner = name.partition(".")
            if inner:
                body["inspection"][outer][inner] = value
            else:
                body["inspection"][outer] = value
        refused = held.declare(body)
        assert (refused.status_code, problem(refused)["field"]) == (422, field)
        assert held.seen()["state"] == "draft"

    def test_takes_no_finding_that_refuses(self, held: Held) -> None:
        held.put()
        body = held.declaration()
        row = {"code": "mesh.open_edges", "severity": "refuse", "count": 3, "sample": None}
        body["inspection"]["findings"] = [row | {"message": "3 open edges.", "advice": "close them"}]
        assert "mesh.open_edges" in problem(held.declare(body), "invalid-request")["detail"]

    @pytest.mark.parametrize("stored", [True, False])
    def test_comes_too_late_for_a_design_that_was_shredded(self, still: Service, stored: bool) -> None:
        held = held_draft(keeper(still))
        if stored:
            held.put()
        shred(held.owner, held.revision["design_id"])
        before, path = len(still.objects()), f"{held.path}/ciphertext"
        late = held.owner.call("PUT", path, params={"version": 7}, content=bytes(100))
        for refused in (late, held.declare()):
            assert refused.status_code == 409
            problem(refused, "conflict")
        assert len(still.objects()) == before

    def test_has_no_picture(self, held: Held) -> None:
        held.ready()
        assert held.owner.call("GET", f"{held.path}/thumbnail").status_code == 404


def json_of(text: str) -> dict[str, Any]:
    return dict(json.loads(text))
