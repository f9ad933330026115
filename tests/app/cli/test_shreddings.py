"""`partvault keys shred`: two keys, a typed name, and an audit that passes afterwards."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tests.app.cli.conftest import Command
from tests.app.cli.test_tour import party, publish
from tests.e2e.service_process import ServiceProcess


@pytest.fixture
def owner(operator: Command) -> Command:
    return party(operator, "owner")[0]


def request(owner: Command, design: str, name: str) -> dict[str, Any]:
    made: dict[str, Any] = owner.ok("keys", "shred", design, "--reason", "end of life", "--yes", name)
    return made


class TestShred:
    def test_takes_two_keys(
        self, service: ServiceProcess, operator: Command, owner: Command, part: Path
    ) -> None:
        design = publish(owner, part)["design_id"]
        asked = request(owner, design, "cap")
        assert (asked["state"], asked["design_id"]) == ("requested", design)
        assert owner.refused("keys", "shred", "--confirm", asked["id"])["kind"] == "forbidden"
        second = owner.as_(owner.ok("api-key", "create", "second", "--role", "owner")["key"])
        assert "operator" in second.refused("keys", "shred", "--confirm", asked["id"])["remedy"]
        assert operator.ok("keys", "shred", "--confirm", asked["id"])["state"] == "shredded"
        assert [row["id"] for row in owner.ok("keys", "shred", "--list")] == [asked["id"]]
        for words in (("audit",), ("vault", "fsck", "--grace", 0)):
            result = operator.bare(*words, "--json", "--data-dir", service.data_dir)
            assert (result.code, result.json["ok"]) == (0, True), result.out

    def test_can_be_withdrawn(self, operator: Command, owner: Command, part: Path) -> None:
        asked = request(owner, publish(owner, part)["design_id"], "cap")
        assert owner.ok("keys", "shred", "--withdraw", asked["id"])["state"] == "withdrawn"
        assert operator.refused("keys", "shred", "--confirm", asked["id"])["kind"] == "conflict"

    def test_tells_the_next_step(self, operator: Command, owner: Command, part: Path) -> None:
        design = publish(owner, part)["design_id"]
        said = owner("keys", "shred", design, "--reason", "end of life", "--yes", "cap")
        assert (said.code, "keys shred --confirm shr_" in said.out) == (0, True)
        (asked,) = owner.ok("keys", "shred", "--list")
        listed = owner("keys", "shred", "--list").out
        assert asked["id"] in listed
        said = operator("keys", "shred", "--confirm", asked["id"])
        assert (said.code, "backups" in said.out) == (0, True)

    def test_refuses_another_name(self, owner: Command, part: Path) -> None:
        design = publish(owner, part)["design_id"]
        words = ("keys", "shred", design, "--reason", "end of life")
        assert owner.refused(*words, "--yes", "Cap")["kind"] == "not_confirmed"
        assert owner.ok("keys", "shred", "--list") == []

    def test_asks_for_the_name(self, owner: Command, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        design = publish(owner, part)["design_id"]
        for typed, code in (("cape", 1), ("cap", 0)):
            monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
            said = owner("keys", "shred", design, "--reason", "end of life")
            assert said.code == code, said.err
            assert "for ever" in said.out
        assert len(owner.ok("keys", "shred", "--list")) == 1

    @pytest.mark.parametrize(
        "words",
        [
            (),
            ("dsn_1", "--list"),
            ("--confirm", "shr_1", "--withdraw", "shr_1"),
            ("dsn_1", "--yes", "cap"),
        ],
    )
    def test_cannot_be_meant(self, owner: Command, words: tuple[str, ...]) -> None:
        assert owner.refused("keys", "shred", *words, code=2)["kind"] == "usage"

    def test_asks_for_nothing_with_json(self, owner: Command, part: Path) -> None:
        design = publish(owner, part)["design_id"]
        refused = owner.refused("keys", "shred", design, "--reason", "end of life", code=2)
        assert "--yes" in refused["remedy"]
