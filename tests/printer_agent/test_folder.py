"""Tests of the folder driver: all of a file or none of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from printer_agent.drivers.base import Delivery, Phase
from printer_agent.drivers.folder import FolderDriver
from printer_agent.errors import DriverError

DELIVERY = Delivery.of("rel_1", "cap.stl", "stl-binary", 6)


def driver_of(folder: Path) -> FolderDriver:
    return FolderDriver(folder / "watch", folder / "marks")


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


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
        said = driver_of(tmp_path).start(DELIVERY, [b"abc", b"def"])
        final = tmp_path / "watch" / DELIVERY.name
        assert final.read_bytes() == b"abcdef"
        assert said == f"delivered to {final.parent.name}/{final.name}"
        assert final.stat().st_mode & 0o777 == 0o600

    def test_shows_nothing_before_all_is_there(self, tmp_path: Path) -> None:
        def content() -> Iterator[bytes]:
            yield b"abc"
            visible.extend(
                path.name for path in (tmp_path / "watch").iterdir() if not path.name.startswith(".")
            )
            yield b"def"

        visible: list[str] = []
        driver_of(tmp_path).start(DELIVERY, content())
        assert visible == []

    def test_leaves_nothing_when_the_content_fails(self, tmp_path: Path) -> None:
        def content() -> Iterator[bytes]:
            yield b"abc"
            raise RuntimeError("the source broke")

        with pytest.raises(RuntimeError):
            driver_of(tmp_path).start(DELIVERY, content())
        assert files_in(tmp_path) == []

    @pytest.mark.parametrize("content", [[b"abc"], [b"abcdef", b"g"], []])
    def test_refuses_content_of_another_size(self, tmp_path: Path, content: list[bytes]) -> None:
        with pytest.raises(DriverError, match="of 6 bytes"):
            driver_of(tmp_path).start(DELIVERY, content)
        assert files_in(tmp_path) == []

    def test_never_overwrites(self, tmp_path: Path) -> None:
        (tmp_path / "watch").mkdir()
        (tmp_path / "watch" / DELIVERY.name).write_bytes(b"old")
        with pytest.raises(DriverError, match="never overwritten"):
            driver_of(tmp_path).start(DELIVERY, [b"abcdef"])
        assert (tmp_path / "watch" / DELIVERY.name).read_bytes() == b"old"

    def test_says_which_folder_fails(self, tmp_path: Path) -> None:
        (tmp_path / "watch").write_bytes(b"a file, not a folder")
        with pytest.raises(DriverError, match="did not take the file"):
            driver_of(tmp_path).start(DELIVERY, [b"abcdef"])


class TestLook:
    def test_knows_a_delivered_file(self, tmp_path: Path) -> None:
        driver = driver_of(tmp_path)
        assert driver.look(DELIVERY).phase is Phase.ABSENT
        driver.start(DELIVERY, [b"abcdef"])
        assert driver.look(DELIVERY).phase is Phase.PLACED

    def test_knows_a_file_that_the_machine_has_taken_away(self, tmp_path: Path) -> None:
        driver_of(tmp_path).start(DELIVERY, [b"abcdef"])
        (tmp_path / "watch" / DELIVERY.name).unlink()
        assert driver_of(tmp_path).look(DELIVERY).phase is Phase.PLACED

    @pytest.mark.parametrize("marked", [False, True])
    def test_clears_what_was_cut_off(self, tmp_path: Path, marked: bool) -> None:
        for folder in ("watch", "marks"):
            (tmp_path / folder).mkdir()
        (tmp_path / "watch" / f".{DELIVERY.name}.part").write_bytes(b"abc")
        if marked:
            (tmp_path / "marks" / DELIVERY.name).touch()
        for _ in range(2):
            assert driver_of(tmp_path).look(DELIVERY).phase is Phase.ABSENT
            assert files_in(tmp_path) == []

    def test_forgets_old_jobs_when_the_next_one_starts(self, tmp_path: Path) -> None:
        driver, later = driver_of(tmp_path), Delivery.of("rel_2", "cap.stl", "stl-binary", 3)
        driver.start(DELIVERY, [b"abcdef"])
        driver.start(later, [b"abc"])
        assert [path.name for path in (tmp_path / "marks").iterdir()] == [later.name]


class TestCheck:
    def test_tries_the_folder(self, tmp_path: Path) -> None:
        assert "takes files" in driver_of(tmp_path).check()
        assert list((tmp_path / "watch").iterdir()) == []

    def test_says_when_it_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "watch").write_bytes(b"")
        with pytest.raises(DriverError, match="cannot be written"):
            driver_of(tmp_path).check()
