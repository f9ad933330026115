"""Toolpaths in the service: judged for the machine of their recipe, measured in their manifest."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.app.designs.held import Held, held_draft, held_toolpath, keeper
from tests.app.parties import RECIPE, Party, problem
from tests.app.service import Service
from tests.app.toolpaths import MACHINE_LIMITS, MADE_FOR, square
from tests.mesh_tools.toolpath.test_examine import binary, plates


class TestVerdict:
    def test_makes_a_sound_one_ready_with_its_figures(self, owner: Party) -> None:
        seen = owner.inspected(square(), "part.gcode", **MADE_FOR)
        assert (seen["state"], seen["file"]["format"]) == ("ready", "gcode"), seen["inspection"]
        manifest = json.loads(seen["manifest"])
        assert (manifest["geometry"], seen["inspection"]["geometry"]) == (None, None)
        assert manifest["toolpath"] == seen["inspection"]["toolpath"]
        assert (manifest["toolpath"]["layers"], manifest["toolpath"]["temperature_c"]) == (2, [215, 5])
        assert manifest["recipe"]["machine"] == MACHINE_LIMITS

    @pytest.mark.parametrize(
        ("name", "content"),
        [("part.bgcode", binary(square().decode())), ("part.gcode.3mf", plates(square().decode()))],
        ids=["binary", "package"],
    )
    def test_takes_it_in_every_container(self, owner: Party, name: str, content: bytes) -> None:
        seen = owner.inspected(content, name, **MADE_FOR)
        assert (seen["state"], seen["file"]["format"]) == ("ready", name.removeprefix("part."))

    def test_leaves_the_manifest_of_a_part_without_one(self, owner: Party) -> None:
        assert "toolpath" not in json.loads(owner.inspected()["manifest"])

    @pytest.mark.parametrize(
        ("content", "limits", "code"),
        [
            (square(nozzle_c=300), {}, "toolpath.temperature"),
            (square(), {"feed_mm_s_max": 40}, "toolpath.feed"),
            (square(300), {}, "toolpath.outside"),
            (square() + b"M997\n", {}, "toolpath.firmware_write"),
        ],
        ids=["hot", "fast", "far", "hostile"],
    )
    def test_refuses_with_the_reason(
        self, owner: Party, content: bytes, limits: dict[str, Any], code: str
    ) -> None:
        recipe = MADE_FOR | {"machine": MACHINE_LIMITS | limits}
        seen = owner.inspected(content, "part.gcode", **recipe)
        assert (seen["state"], seen["manifest"]) == ("refused", None)
        reasons = [row for row in seen["inspection"]["findings"] if row["severity"] == "refuse"]
        assert [row["code"] for row in reasons] == [code]

    def test_makes_no_fingerprint(self, service: Service, owner: Party) -> None:
        seen = owner.inspected(square(), "part.gcode", **MADE_FOR)
        count = "select count(*) from part_fingerprints where revision_id = ?"
        assert (seen["state"], service.column(count, seen["id"])) == ("ready", 0)


class TestRecipe:
    @pytest.mark.parametrize(
        ("machine", "said"),
        [
            ({}, "missing"),
            (MACHINE_LIMITS | {"colour": "red"}, "colour"),
            (MACHINE_LIMITS | {"bed_c_max": "100"}, "bed_c_max"),
            (MACHINE_LIMITS | {"feed_mm_s_max": 0}, "feed_mm_s_max"),
            (MACHINE_LIMITS | {"tools": True}, "tools"),
            (MACHINE_LIMITS | {"dialect": ["marlin"]}, "dialect"),
            (MACHINE_LIMITS | {"reach_mm": [[0, 0, 0], [0, 9, 9]]}, "reach_mm"),
            (MACHINE_LIMITS | {"macros": ["rm -rf"]}, "macros"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_names_what_is_wrong_in_a_machine(self, owner: Party, machine: Any, said: str) -> None:
        refused = self._create(owner, machine)
        document = problem(refused, "invalid-request")
        assert (refused.status_code, document["field"]) == (422, "recipe.machine")
        assert said in document["detail"]
        assert document["remedy"]

    @pytest.mark.parametrize("machine", [[], "MK4", 7])
    def test_wants_an_object(self, owner: Party, machine: Any) -> None:
        assert problem(self._create(owner, machine))["field"] == "body.recipe.machine"

    def _create(self, owner: Party, machine: Any) -> Any:
        design = owner.expect(201, "POST", "/v1/designs", json={"name": "x"})
        body = {"recipe": RECIPE | {"machine": machine}}
        return owner.call("POST", f"/v1/designs/{design['id']}/revisions", json=body)


@pytest.fixture
def held(service: Service) -> Held:
    return held_toolpath(keeper(service))


class TestDeclaration:
    def test_makes_the_revision_ready(self, held: Held) -> None:
        revision = held.ready()
        assert (revision["state"], revision["file"]["format"]) == ("ready", "gcode")
        manifest, declared = json.loads(revision["manifest"]), held.declaration()["inspection"]
        assert (manifest["geometry"], manifest["toolpath"]) == (None, declared["toolpath"])
        assert held.declare().json() == revision

    def test_names_a_package_as_the_gate_does(self, held: Held) -> None:
        held.put()
        assert held.declare(format="gcode.3mf").json()["file"]["format"] == "gcode.3mf"

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"toolpath": {}}, "inspection.toolpath"),
            ({"toolpath.layers": 0}, "inspection.toolpath"),
            ({"toolpath.moves": 0}, "inspection.toolpath"),
            ({"toolpath.low": [[90, 1], [10, 1], [0, 1]]}, "inspection.toolpath"),
            ({"toolpath.high": [[900, 1], [30, 1], [1, 1]]}, "inspection.toolpath"),
            ({"toolpath.bed_c": [101, 1]}, "inspection.toolpath"),
            ({"toolpath": None}, "inspection.geometry"),
            ({"geometry": {}}, "inspection.geometry"),
        ],
        ids=str,
    )
    def test_wants_figures_that_fit_the_machine(
        self, held: Held, changes: dict[str, Any], field: str
    ) -> None:
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

    def test_wants_the_machine_in_the_recipe(self, service: Service, held: Held) -> None:
        body = held.declaration()
        bare = held_draft(held.owner)
        bare.content = held.content
        bare.put()
        body["ciphertext_sha256"] = hashlib.sha256(bare.ciphertext).hexdigest()
        refused = problem(bare.declare(body), "invalid-request")
        assert refused["field"] == "inspection.toolpath"
        assert "which machine" in refused["detail"]
