"""Tests of the folder driver: all of a file or none of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from printer_agent.drivers.base import Delivery, Phase
from printer_agent.drivers.folder import FolderDriver
from printer_agent.errors import DriverError

DELIVERY = Delivery.of("rel_1", "cap.stl", "stl-binary", 6)


class TestDelivery:
    @pytest.mark.parametrize(
        ("filename", "format_", "name"),
        [
            ("cap.stl", "stl-binary", "rel_1-cap.stl"),
            ("cap.STL", "stl-ascii", "rel_1-cap.stl"),
            ("cap.3mf", "3mf", "rel_1-cap.3mf"),
            ("../../etc/passwd", "stl-binary", "rel_1-passwd.stl"),
            ("..\\..\\boot.ini", "stl-binary", "rel_1-boot.stl"),
            ("/", "stl-binary", "rel_1-part.stl"),
            ("a\x00b\nc;rm -rf.stl", "stl-binary", "rel_1-a-b-c-rm--rf.stl"),
            ("Möbelfuß.stl", "stl-binary", "rel_1-M-belfu.stl"),
            ("x" * 300 + ".stl", "stl-binary", "rel_1-" + "x" * 60 + ".stl"),
            (".hidden", "obj", "rel_1-hidden.obj"),
        ],
    )
    def test_has_a_safe_name(self, filename: str, format_: str, name: str) -> None:
        assert Delivery.of("rel_1", filename, format_, 1).name == name


class TestStart:
    def test_delivers_the_whole_file(self, tmp_path: Path) -> None:
        said = FolderDriver(tmp_path / "watch").start(DELIVERY, [b"abc", b"def"])
        final = tmp_path / "watch" / DELIVERY.name
        assert final.read_bytes() == b"abcdef"
        assert said == f"delivered to {final.parent.name}/{final.name}"
        assert final.stat().st_mode & 0o777 == 0o600

    def test_shows_nothing_before_all_is_there(self, tmp_path: Path) -> None:
        def content() -> Iterator[bytes]:
            yield b"abc"
            visible.extend(path.name for path in tmp_path.iterdir() if not path.name.startswith("."))
            yield b"def"

        visible: list[str] = []
        FolderDriver(tmp_path).start(DELIVERY, content())
        assert visible == []

    def test_leaves_nothing_when_the_content_fails(self, tmp_path: Path) -> None:
        def content() -> Iterator[bytes]:
            yield b"abc"
            raise RuntimeError("the source broke")

        with pytest.raises(RuntimeError):
            FolderDriver(tmp_path).start(DELIVERY, content())
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("content", [[b"abc"], [b"abcdef", b"g"], []])
    def test_refuses_content_of_another_size(self, tmp_path: Path, content: list[bytes]) -> None:
        with pytest.raises(DriverError, match="of 6 bytes"):
            FolderDriver(tmp_path).start(DELIVERY, content)
        assert list(tmp_path.iterdir()) == []

    def test_never_overwrites(self, tmp_path: Path) -> None:
        (tmp_path / DELIVERY.name).write_bytes(b"old")
        with pytest.raises(DriverError, match="never overwritten"):
            FolderDriver(tmp_path).start(DELIVERY, [b"abcdef"])
        assert (tmp_path / DELIVERY.name).read_bytes() == b"old"

    def test_says_which_folder_fails(self, tmp_path: Path) -> None:
        (tmp_path / "watch").write_bytes(b"a file, not a folder")
        with pytest.raises(DriverError, match="did not take the file"):
            FolderDriver(tmp_path / "watch").start(DELIVERY, [b"abcdef"])


class TestLook:
    def test_knows_a_delivered_file(self, tmp_path: Path) -> None:
        driver = FolderDriver(tmp_path)
        assert driver.look(DELIVERY).phase is Phase.ABSENT
        driver.start(DELIVERY, [b"abcdef"])
        assert driver.look(DELIVERY).phase is Phase.PLACED

    def test_clears_what_was_cut_off(self, tmp_path: Path) -> None:
        (tmp_path / f".{DELIVERY.name}.part").write_bytes(b"abc")
        assert FolderDriver(tmp_path).look(DELIVERY).phase is Phase.ABSENT
        assert list(tmp_path.iterdir()) == []


class TestCheck:
    def test_tries_the_folder(self, tmp_path: Path) -> None:
        assert "takes files" in FolderDriver(tmp_path / "watch").check()
        assert list((tmp_path / "watch").iterdir()) == []

    def test_says_when_it_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "watch").write_bytes(b"")
        with pytest.raises(DriverError, match="cannot be written"):
            FolderDriver(tmp_path / "watch").check()
