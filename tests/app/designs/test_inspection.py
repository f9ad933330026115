"""The inspection: only a pass makes a revision ready, and a worker that dies loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.designs import lease
from app.designs.inspection import inspect_next
from app.designs.lease import claim_next, give_back, held
from tests.app.parties import Party, new_party, problem
from tests.app.parts import box
from tests.app.service import Service, running_service, until


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose inspections only the test runs."""
    folder: Path = tmp_path_factory.mktemp("idle")
    with running_service(folder, worker=False, inspect_lease_s=30) as running:
        yield running


@pytest.fixture
def waiting(idle: Service) -> tuple[Party, dict[str, Any]]:
    """An owner and its uploaded revision, the only one that waits."""
    idle.clock.forward(60)
    while inspect_next(idle.services, "cleaner"):
        pass
    owner = new_party(idle, "owner")
    revision = owner.draft()
    assert owner.upload(revision, box()).status_code == 202
    return owner, revision


def state(owner: Party, revision: dict[str, Any]) -> dict[str, Any]:
    return owner.expect(200, "GET", f"/v1/revisions/{revision['id']}")


def _judged(owner: Party, path: str) -> Any:
    seen = owner.expect(200, "GET", path)
    return seen if seen["state"] != "inspecting" else None


class TestVerdict:
    def test_refuses_an_open_mesh(self, owner: Party) -> None:
        seen = owner.inspected(box(closed=False))
        assert seen["state"] == "refused"
        assert seen["inspection"]["verdict"] == "refuse"
        assert (seen["manifest"], seen["commitment"]) == (None, None)
        refused = owner.call("POST", f"/v1/revisions/{seen['id']}/publish", json={})
        assert "refused, not ready" in problem(refused, "conflict")["detail"]

    @pytest.mark.parametrize("content", [b"solid x\n", b"PK\x03\x04 nothing", b"\x00" * 200, b"hello"])
    def test_refuses_what_is_no_mesh(self, owner: Party, content: bytes) -> None:
        assert owner.inspected(content)["state"] == "refused"

    @pytest.mark.parametrize(
        ("filename", "content", "code"),
        [
            ("part.gcode", b"G21\nG28\nG1 X1 F600\nG1 X9 E1\n", "toolpath.no_machine"),
            ("part.bgcode", b"GCDE\x01\0\0\0\x01\0", "toolpath.no_machine"),
            ("part.step", b"ISO-10303-21;\nHEADER;\nENDSEC;\n", "format.not_printable"),
        ],
    )
    def test_keeps_what_is_no_mesh_and_says_why_it_is_not_printed(
        self, owner: Party, filename: str, content: bytes, code: str
    ) -> None:
        revision = owner.draft()
        path = f"/v1/revisions/{revision['id']}"
        owner.expect(202, "PUT", f"{path}/file", params={"filename": filename}, content=content)
        seen = until(lambda: _judged(owner, path))
        assert seen["state"] == "refused"
        assert [found["code"] for found in seen["inspection"]["findings"]] == [code]
        assert seen["file"]["bytes"] == len(content)

    def test_says_what_to_send_in_place_of_a_step_model(self, owner: Party) -> None:
        seen = owner.inspected(b"ISO-10303-21;\nHEADER;\nENDSEC;\n", "part.step")
        (found,) = seen["inspection"]["findings"]
        assert "may be kept, but has no facets to print" in found["message"]
        assert "Export a mesh (3MF or STL)" in found["advice"]
        assert seen["file"]["format"] == "step"

    def test_refuses_what_the_recipe_cannot_hold(self, owner: Party) -> None:
        seen = owner.inspected(box((50, 50, 50)), build_volume_mm=[40, 40, 40])
        assert seen["state"] == "refused"

    def test_writes_a_canonical_manifest(self, owner: Party) -> None:
        seen = owner.inspected()
        manifest = json.loads(seen["manifest"])
        assert manifest["format"] == "partvault/manifest/v1"
        assert manifest["owner"] == owner.address
        assert manifest["revision_id"] == seen["id"]
        assert manifest["files"][0]["sha256"] == seen["file"]["sha256"]
        assert manifest["files"][0]["object"]["kind"] == "file"
        assert manifest["recipe"]["material"] == "PETG"
        assert manifest["geometry"]["facets"] == 12
        assert seen["publication"]["commitment"] == seen["commitment"]

    def test_refuses_a_damaged_object(self, idle: Service, waiting: tuple[Party, dict[str, Any]]) -> None:
        owner, revision = waiting
        path = idle.object_path(revision["id"])
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1])
        assert inspect_next(idle.services, "w")
        seen = state(owner, revision)
        assert seen["state"] == "refused"
        assert seen["inspection"]["findings"][0]["code"] == "object.damaged"

    @pytest.mark.parametrize("recipe", [{"process": "MAGIC"}, {"units": "ell"}, {"parameters": {"x": 2**60}}])
    def test_refuses_a_recipe_nobody_can_follow(self, owner: Party, recipe: dict[str, Any]) -> None:
        design = owner.expect(201, "POST", "/v1/designs", json={"name": "x"})
        body = {"recipe": {"process": "MEX"} | recipe}
        refused = owner.call("POST", f"/v1/designs/{design['id']}/revisions", json=body)
        assert refused.status_code == 422
        problem(refused, "invalid-request")

    def test_names_the_field_of_a_recipe_that_the_gate_cannot_follow(self, owner: Party) -> None:
        design = owner.expect(201, "POST", "/v1/designs", json={"name": "x"})
        refused = owner.call(
            "POST", f"/v1/designs/{design['id']}/revisions", json={"recipe": {"process": "MAGIC"}}
        )
        told = refused.json()
        assert told["field"] == "recipe.process"
        assert "PBF-LB" in told["remedy"]

    @pytest.mark.parametrize("orientation", ["up", [0, 0], [0, 0, 0], [0, 0, "up"]])
    def test_takes_an_orientation_only_as_a_direction(self, owner: Party, orientation: object) -> None:
        design = owner.expect(201, "POST", "/v1/designs", json={"name": "x"})
        recipe = {"process": "MEX", "orientation": orientation}
        refused = owner.call("POST", f"/v1/designs/{design['id']}/revisions", json={"recipe": recipe})
        assert refused.status_code == 422
        assert "recipe.orientation" in refused.json()["field"]

    def test_keeps_to_what_the_recipe_demands(self, owner: Party) -> None:
        demanding = owner.inspected(box((20, 20, 20)), wall_mm_min=25)
        assert demanding["state"] == "refused"
        assert "wall.thin" in {found["code"] for found in demanding["inspection"]["findings"]}
        content = owner.inspected(box((20, 20, 20)), wall_mm_min=15)
        assert content["inspection"]["geometry"]["wall_mm"] == pytest.approx([20, 20])
        assert json.loads(content["manifest"])["geometry"]["wall_mm"] == pytest.approx([20, 20])


class TestLease:
    def test_is_held_by_one_worker(self, idle: Service, waiting: tuple[Party, dict[str, Any]]) -> None:
        _, revision = waiting
        claim = claim_next(idle.services, "first")
        assert claim is not None
        assert claim.revision_id == revision["id"]
        assert claim_next(idle.services, "second") is None

    def test_is_free_again_when_its_worker_died(
        self, idle: Service, waiting: tuple[Party, dict[str, Any]]
    ) -> None:
        owner, revision = waiting
        dead = claim_next(idle.services, "dead")
        idle.clock.forward(31)
        assert inspect_next(idle.services, "alive")
        assert state(owner, revision)["state"] == "ready"
        assert dead is not None
        with idle.services.database.read() as session:
            assert held(session, dead) is None

    def test_keeps_nothing_of_a_worker_that_lost_it(
        self, idle: Service, waiting: tuple[Party, dict[str, Any]]
    ) -> None:
        owner, revision = waiting
        late = claim_next(idle.services, "late")
        assert late is not None
        idle.clock.forward(31)
        assert inspect_next(idle.services, "alive")
        seen, objects = state(owner, revision), len(idle.objects())
        give_back(idle.services, late)
        lease._renew(idle.services, late)
        assert state(owner, revision) == seen
        assert len(idle.objects()) == objects

    def test_is_renewed_while_the_work_lasts(
        self, idle: Service, waiting: tuple[Party, dict[str, Any]]
    ) -> None:
        claim = claim_next(idle.services, "busy")
        assert claim is not None
        idle.clock.forward(29)
        lease._renew(idle.services, claim)
        idle.clock.forward(29)
        assert claim_next(idle.services, "other") is None

    def test_ends_with_a_refusal_when_every_attempt_died(
        self, idle: Service, waiting: tuple[Party, dict[str, Any]]
    ) -> None:
        owner, revision = waiting
        for _ in range(idle.services.settings.inspect_attempts_max):
            assert claim_next(idle.services, "dies") is not None
            idle.clock.forward(31)
        assert inspect_next(idle.services, "last")
        seen = state(owner, revision)
        assert seen["state"] == "refused"
        assert seen["inspection"]["findings"][0]["code"] == "inspection.abandoned"

    def test_does_not_count_an_attempt_that_could_not_begin(
        self, idle: Service, waiting: tuple[Party, dict[str, Any]]
    ) -> None:
        owner, revision = waiting
        for _ in range(5):
            claim = claim_next(idle.services, "unlucky")
            assert claim is not None
            assert claim.attempt == 1
            give_back(idle.services, claim)
            assert claim_next(idle.services, "eager") is None
            idle.clock.forward(31)
        assert inspect_next(idle.services, "lucky")
        assert state(owner, revision)["state"] == "ready"
