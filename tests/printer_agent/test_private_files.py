"""Tests of the agent's private files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from printer_agent.errors import IdentityError
from printer_agent.private_files import make_private_folder, read_private, require_private, write_private


class TestWritePrivate:
    def test_makes_a_file_for_its_owner_alone(self, tmp_path: Path) -> None:
        write_private(tmp_path / "a", b"secret")
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600

    def test_replaces_and_leaves_nothing_else(self, tmp_path: Path) -> None:
        write_private(tmp_path / "a", b"one")
        write_private(tmp_path / "a", b"two")
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
        assert read_private(tmp_path / "a") == b"two"

    def test_leaves_the_old_file_when_it_fails(self, tmp_path: Path) -> None:
        write_private(tmp_path / "a", b"one")
        with pytest.raises(TypeError):
            write_private(tmp_path / "a", None)  # type: ignore[arg-type]
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
        assert read_private(tmp_path / "a") == b"one"


class TestRequirePrivate:
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
    def test_refuses_a_file_others_may_use(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "a"
        write_private(path, b"secret")
        path.chmod(mode)
        with pytest.raises(IdentityError) as caught:
            read_private(path)
        assert (caught.value.kind, caught.value.remedy) == ("loose_permissions", f"chmod 600 {path}")

    def test_refuses_a_folder_others_may_enter(self, tmp_path: Path) -> None:
        make_private_folder(tmp_path / "home")
        (tmp_path / "home").chmod(0o750)
        with pytest.raises(IdentityError, match="0750"):
            make_private_folder(tmp_path / "home")

    def test_refuses_a_link(self, tmp_path: Path) -> None:
        write_private(tmp_path / "a", b"secret")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        with pytest.raises(IdentityError, match="symbolic link"):
            require_private(tmp_path / "b")
