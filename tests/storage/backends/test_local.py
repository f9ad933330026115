from __future__ import annotations

import errno
import os
import resource
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
from storage.backends.local import LocalObjects, _remove_abandoned
from storage.errors import ObjectMissing, StoreUnavailable
from tests.conformance.object_store import MIB, ObjectStoreContract


def files_below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


class FailingSync:
    """An fsync that fails on its n-th call, counted from 1; 0 never fails."""

    def __init__(self, fail_at: int = 0) -> None:
        self.fail_at = fail_at
        self.calls = 0
        self.file_sizes: list[int] = []

    def __call__(self, descriptor: int) -> None:
        self.calls += 1
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            self.file_sizes.append(status.st_size)
        if self.calls == self.fail_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(descriptor)


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


class TestPutFaults:
    def test_syncs_the_whole_file_before_it_is_visible(self, tmp_path: Path) -> None:
        sync = FailingSync()
        store = LocalObjects(tmp_path, sync)
        store.put("one", [bytes(70_000)])
        assert sync.file_sizes == [70_000]

    def test_survives_a_failure_of_every_sync(self, tmp_path: Path) -> None:
        healthy = FailingSync()
        LocalObjects(tmp_path / "count", healthy).put("one", [b"x"])
        assert healthy.calls >= 5
        for fail_at in range(1, healthy.calls + 1):
            root = tmp_path / str(fail_at)
            failing = FailingSync(fail_at)
            with pytest.raises(StoreUnavailable, match="Input/output error"):
                LocalObjects(root, failing).put("one", [b"x"])
            assert files_below(root) == []
            LocalObjects(root).put("one", [b"x"])

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
        assert _remove_abandoned(tmp_path / "gone.part") == 0


_ENDLESS_PUT = """
import sys
from pathlib import Path
from storage.backends.local import LocalObjects

def endless():
    yield bytes(1 << 20)
    print("written", flush=True)
    sys.stdin.read()

LocalObjects(Path(sys.argv[1])).put("endless", endless())
"""
