"""The folder of an owner who holds its own keys: nothing in it is lost, replaced, or for others to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli.failures import CliError
from app.cli.owner_vault import Holding, OwnerVault, holds_design, holds_revision
from app.client_settings import ClientSettings
from storage.envelope import ObjectContext
from storage.errors import WrongContext

CONTEXT = ObjectContext("org_1", "rev_1", 1, "file")
EXPECTED = {"filename": "cap.stl", "bytes": 3, "sha256": "ab" * 32, "custody": "owner"}


@pytest.fixture
def settings(tmp_path: Path) -> ClientSettings:
    return ClientSettings.read({"PARTVAULT_OWNER_DIR": str(tmp_path / "owner")})


@pytest.fixture
def vault(settings: ClientSettings) -> OwnerVault:
    return OwnerVault.open(settings)


def made(vault: OwnerVault, context: ObjectContext = CONTEXT) -> Holding:
    key, holding = vault.new_key("dsn_1", context, EXPECTED)
    key.wipe()
    return holding


def revision(context: ObjectContext = CONTEXT) -> dict[str, Any]:
    manifest = json.dumps({"files": [{"object": context.to_json()}]})
    return {"id": context.object_id, "manifest": manifest}


class TestOpen:
    def test_makes_a_folder_for_its_user_alone(self, settings: ClientSettings, vault: OwnerVault) -> None:
        made(vault)
        vault.pending({"a": 1})
        folders = [settings.owner_dir, *(path for path in settings.owner_dir.rglob("*") if path.is_dir())]
        files = [path for path in settings.owner_dir.rglob("*") if path.is_file()]
        assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}

    def test_refuses_one_that_others_may_read(self, settings: ClientSettings) -> None:
        settings.owner_dir.mkdir(mode=0o755)
        with pytest.raises(CliError, match="others may read"):
            OwnerVault.open(settings)

    def test_takes_another_key_back_end(self, tmp_path: Path) -> None:
        ring = tmp_path / "elsewhere" / "ring.json"
        settings = ClientSettings.read(
            {"PARTVAULT_OWNER_DIR": str(tmp_path / "owner"), "PARTVAULT_OWNER_KEYS": f"file:{ring}"}
        )
        made(OwnerVault.open(settings))
        assert ring.exists()
        assert not (tmp_path / "owner" / "keyring.json").exists()


class TestNewKey:
    def test_is_kept_wrapped_and_opens(self, settings: ClientSettings, vault: OwnerVault) -> None:
        key, holding = vault.new_key("dsn_1", CONTEXT, EXPECTED)
        again = OwnerVault.open(settings)
        assert again.holding(CONTEXT) == holding
        with again.data_key(holding) as opened:
            assert opened == key
        for path in (settings.owner_dir / "keys").iterdir():
            assert key.reveal() not in path.read_bytes()

    def test_never_replaces_another(self, vault: OwnerVault) -> None:
        first = made(vault)
        with pytest.raises(CliError, match="is there already"):
            made(vault)
        assert vault.holding(CONTEXT) == first

    def test_takes_a_version_that_none_was_made_for(self, vault: OwnerVault) -> None:
        assert vault.free_version(CONTEXT) == CONTEXT
        made(vault)
        second = vault.free_version(CONTEXT)
        assert (second.version, second.object_id) == (2, "rev_1")
        made(vault, second)
        assert vault.free_version(CONTEXT).version == 3

    def test_leaves_no_draft_behind(self, settings: ClientSettings, vault: OwnerVault) -> None:
        made(vault)
        assert [path.name for path in (settings.owner_dir / "keys").iterdir()] == ["rev_1.1.json"]


class TestHolding:
    def test_is_none_where_nothing_is_known(self, vault: OwnerVault) -> None:
        assert vault.holding(CONTEXT) is None

    def test_is_that_of_the_manifest_once_it_arrived(self, vault: OwnerVault) -> None:
        holding = made(vault)
        with pytest.raises(CliError, match="holds no key of revision rev_1, version 1"):
            vault.holding_of(revision())
        arrived = vault.arrived(holding, "cd" * 32)
        assert vault.holding_of(revision()) == arrived
        assert (arrived.ciphertext_sha256, arrived.wrapped) == ("cd" * 32, holding.wrapped)
        other = ObjectContext("org_1", "rev_1", 2, "file")
        with pytest.raises(CliError, match="version 2"):
            vault.holding_of(revision(other))

    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: text[:-40],
            lambda text: "[]",
            lambda text: text.replace("owner-key/v1", "owner-key/v2"),
            lambda text: text.replace('"kind": "file"', '"kind": ""'),
            lambda text: text.replace('"version": 1,', '"version": 2,'),
        ],
        ids=["cut", "other", "format", "context", "another object's"],
    )
    def test_is_refused_where_it_is_damaged(
        self, settings: ClientSettings, vault: OwnerVault, damage: Callable[[str], str]
    ) -> None:
        made(vault)
        path = settings.owner_dir / "keys" / "rev_1.1.json"
        path.write_text(damage(path.read_text()))
        with pytest.raises(CliError, match="cannot be read") as caught:
            vault.holding(CONTEXT)
        assert "backup" in caught.value.remedy

    def test_opens_under_its_own_context_only(self, vault: OwnerVault) -> None:
        holding = made(vault)
        foreign = replace(holding, context=replace(CONTEXT, version=2))
        with pytest.raises(WrongContext):
            vault.data_key(foreign)

    def test_tells_whose_keys_are_here(self, settings: ClientSettings, vault: OwnerVault) -> None:
        folder = settings.owner_dir
        assert not holds_design(folder, "dsn_1")
        assert not holds_revision(folder, "rev_1")
        made(vault)
        assert holds_design(folder, "dsn_1")
        assert holds_revision(folder, "rev_1")
        assert not holds_design(folder, "dsn_2")
        assert not holds_revision(folder, "rev_")
        assert not holds_revision(folder, "rev")


class TestNames:
    @pytest.mark.parametrize("name", ["rev_x/../../../x", "..", "*", "rev_1.7"])
    def test_are_not_the_services_to_choose(
        self, settings: ClientSettings, vault: OwnerVault, name: str
    ) -> None:
        """The service makes revisions' ids up, and they stand in the names of files."""
        with pytest.raises(CliError, match="is no id of a revision"):
            vault.new_key("dsn_1", replace(CONTEXT, object_id=name), EXPECTED)
        with pytest.raises(CliError, match="is no id of a revision"):
            holds_revision(settings.owner_dir, name)


class TestPending:
    def test_is_taken_up_by_the_same_intent(self, settings: ClientSettings, vault: OwnerVault) -> None:
        first = vault.pending({"sha256": "ab", "design": "Cap"})
        vault.begun(first, "rev_1")
        again = OwnerVault.open(settings).pending({"design": "Cap", "sha256": "ab"})
        assert (again.seed, again.revision_id) == (first.seed, "rev_1")
        assert vault.pending({"sha256": "ab", "design": "Other"}).seed != first.seed

    def test_begins_anew_after_its_end(self, vault: OwnerVault) -> None:
        first = vault.pending({"a": 1})
        vault.ended(first)
        vault.ended(first)
        assert vault.pending({"a": 1}).seed != first.seed

    def test_is_refused_where_it_is_damaged(self, vault: OwnerVault) -> None:
        vault.pending({"a": 1}).path.write_text("{")
        with pytest.raises(CliError, match="cannot be read"):
            vault.pending({"a": 1})
