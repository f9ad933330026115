from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.backends import open_objects
from storage.backends.base import ObjectStore
from storage.backends.local import LocalObjects
from storage.durable import Disk
from storage.errors import ObjectMissing, StoreUnavailable
from tests.conformance.object_store import MIB, ObjectStoreContract


def files_below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


class WatchedDisk(Disk):
    """Notes files synced by their length, folders by their name, and that an object got its name."""

    def __init__(self) -> None:
        self.seen: list[int | str] = []

    def sync(self, descriptor: int) -> None:
        status, path = os.fstat(descriptor), Path(f"/proc/self/fd/{descriptor}").readlink()
        self.seen.append(path.name if stat.S_ISDIR(status.st_mode) else status.st_size)
        super().sync(descriptor)

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        self.seen.append("linked")


class TestLocalObjects(ObjectStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return open_objects(f"local:{tmp_path / 'new' / 'folder'}")

    def test_keeps_objects_over_a_restart(self, tmp_path: Path) -> None:
        LocalObjects(tmp_path).put("kept", [b"content"])
        assert b"".join(LocalObjects(tmp_path).read("kept")) == b"content"

    def test_shows_its_files_to_the_owner_only(self, tmp_path: Path) -> None:
        root = tmp_path / "vault"
        LocalObjects(root).put("private/one", [b"x"])
        for path in [root, *root.rglob("*")]:
            assert path.stat().st_mode & 0o077 == 0, path

    def test_names_no_file_after_a_path(self, tmp_path: Path) -> None:
        LocalObjects(tmp_path).put("a/b/c", [b"x"])
        (path,) = files_below(tmp_path)
        assert path.parent.parent == tmp_path / "objects"
        assert path.name == "a,b,c"

    def test_does_not_follow_a_planted_link(self, tmp_path: Path) -> None:
        store = LocalObjects(tmp_path / "vault")
        store.put("real", [b"x"])
        (path,) = files_below(tmp_path / "vault")
        secret = tmp_path / "secret"
        secret.write_bytes(b"not yours")
        path.unlink()
        path.symlink_to(secret)
        with pytest.raises(StoreUnavailable):
            list(store.read("real"))

    def test_reports_a_folder_it_cannot_make(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StoreUnavailable, match="prepare"):
            LocalObjects(tmp_path / "file" / "vault")


class TestDurability:
    FOLDER = hashlib.sha256(b"one").hexdigest()[:2]

    def test_syncs_the_whole_file_before_and_its_name_after_it_is_visible(self, tmp_path: Path) -> None:
        disk = WatchedDisk()
        store = LocalObjects(tmp_path, disk)
        disk.seen.clear()
        store.put("one", [bytes(70_000)])
        assert disk.seen == [70_000, "objects", "linked", self.FOLDER]

    def test_syncs_a_folder_that_another_process_may_just_have_made(self, tmp_path: Path) -> None:
        LocalObjects(tmp_path).put("one", [b"x"])
        disk = WatchedDisk()
        store = LocalObjects(tmp_path, disk)
        for _ in range(2):
            store.delete("one")
            disk.seen.clear()
            store.put("one", [b"x"])
        assert disk.seen == [1, "linked", self.FOLDER], "once in each process is enough"

    def test_makes_a_folder_again_that_an_operator_removed(self, tmp_path: Path) -> None:
        disk = WatchedDisk()
        store = LocalObjects(tmp_path, disk)
        store.put("one", [b"x"])
        shutil.rmtree(tmp_path / "objects" / self.FOLDER)
        disk.seen.clear()
        store.put("one", [b"x"])
        assert disk.seen == [1, "objects", "linked", self.FOLDER]

    def test_syncs_a_deletion_that_an_earlier_try_left_half_done(self, tmp_path: Path) -> None:
        LocalObjects(tmp_path).put("one", [b"x"])
        files_below(tmp_path)[0].unlink()
        disk = WatchedDisk()
        LocalObjects(tmp_path, disk).delete("one")
        assert disk.seen == [self.FOLDER]


class TestPutFaults:
    def test_dates_the_object_when_it_is_whole(self, tmp_path: Path) -> None:
        """A slow upload must not look old, and so forgotten, on the day it ends."""

        def slow() -> Iterator[bytes]:
            yield b"the only piece"
            (part,) = files_below(tmp_path)
            os.utime(part, (0, 0))

        store = LocalObjects(tmp_path)
        store.put("one", slow())
        assert store.stat("one").modified_at > datetime(2000, 1, 1, tzinfo=UTC)

    def test_keeps_nothing_when_the_disk_is_full(self, tmp_path: Path) -> None:
        store = LocalObjects(tmp_path)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, limits[1]))
        try:
            with pytest.raises(StoreUnavailable, match="could not write object 'big'"):
                store.put("big", (os.urandom(MIB) for _ in range(5)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert files_below(tmp_path) == []
        store.put("big", [b"x"])

    def test_passes_an_operating_system_error_of_the_source_on(self, tmp_path: Path) -> None:
        def source() -> Iterator[bytes]:
            yield b"x"
            raise ConnectionResetError("the client went away")

        with pytest.raises(ConnectionResetError):
            LocalObjects(tmp_path).put("one", source())
        assert files_below(tmp_path) == []


class TestRead:
    def test_finishes_although_the_object_is_deleted(self, tmp_path: Path) -> None:
        store = LocalObjects(tmp_path)
        content = os.urandom(3 * MIB)
        store.put("one", [content])
        reading = store.read("one")
        first = next(reading)
        store.delete("one")
        assert first + b"".join(reading) == content

    def test_says_when_the_object_shrinks_under_it(self, tmp_path: Path) -> None:
        store = LocalObjects(tmp_path)
        store.put("one", [bytes(3 * MIB)])
        reading = store.read("one")
        next(reading)
        os.truncate(files_below(tmp_path)[0], MIB)
        with pytest.raises(StoreUnavailable, match="shrank"):
            list(reading)


class TestSweep:
    def test_removes_what_a_killed_writer_left(self, tmp_path: Path) -> None:
        store = LocalObjects(tmp_path)
        writer = subprocess.Popen(
            [sys.executable, "-c", _ENDLESS_PUT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        with writer, writer.stdout:
            writer.stdout.readline()
            assert store.sweep() == 0, "a running put must not be swept"
            writer.send_signal(signal.SIGKILL)
        assert len(files_below(tmp_path)) == 1
        with pytest.raises(ObjectMissing):
            store.stat("endless")
        assert store.sweep() == 1
        assert files_below(tmp_path) == []

    def test_leaves_a_running_put_alone(self, tmp_path: Path) -> None:
        store = LocalObjects(tmp_path)

        def source() -> Iterator[bytes]:
            yield b"a"
            assert store.sweep() == 0
            yield b"b"

        store.put("one", source())
        assert b"".join(store.read("one")) == b"ab"

    def test_forgives_a_part_that_is_gone_already(self, tmp_path: Path) -> None:
        assert LocalObjects(tmp_path)._remove_abandoned(tmp_path / "gone.part") == 0

    def test_may_come_between_a_parts_creation_and_its_lock(self, tmp_path: Path) -> None:
        swept: list[int] = []

        class SweptOnce(Disk):
            def create(self, path: Path) -> int:
                descriptor = super().create(path)
                if not swept:
                    swept.append(LocalObjects(tmp_path).sweep())
                return descriptor

        store = LocalObjects(tmp_path, SweptOnce())
        store.put("one", [b"x"])
        assert swept == [1]
        assert b"".join(store.read("one")) == b"x"
        assert len(files_below(tmp_path)) == 1


class TestList:
    @pytest.mark.parametrize("planted", ["objects/00/Foreign", "objects/00/.hidden", "objects/00/one"])
    def test_passes_over_what_no_put_made(self, tmp_path: Path, planted: str) -> None:
        store = LocalObjects(tmp_path)
        store.put("real", [b"x"])
        (tmp_path / planted).parent.mkdir()
        (tmp_path / planted).write_bytes(b"planted")
        assert list(store.list()) == ["real"]

    def test_says_when_its_folder_is_gone(self, tmp_path: Path) -> None:
        store = LocalObjects(tmp_path / "vault")
        shutil.rmtree(tmp_path / "vault")
        with pytest.raises(StoreUnavailable, match="list objects"):
            list(store.list())


_ENDLESS_PUT = """
import sys
from pathlib import Path
from storage.backends.local import LocalObjects
from storage.durable import Disk

def endless():
    yield bytes(1 << 20)
    print("written", flush=True)
    sys.stdin.read()

LocalObjects(Path(sys.argv[1])).put("endless", endless())
"""
