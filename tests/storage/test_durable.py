from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from storage.durable import Disk, make_directory, replace_file, write_all


class TestWriteAll:
    def test_writes_the_whole_piece(self) -> None:
        reader, writer = os.pipe()
        os.set_blocking(writer, True)
        content = os.urandom(50_000)
        write_all(writer, memoryview(content))
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            assert file.read() == content

    def test_raises_when_the_disk_is_full(self) -> None:
        descriptor = os.open("/dev/full", os.O_WRONLY)
        try:
            with pytest.raises(OSError, match="No space") as caught:
                write_all(descriptor, b"x")
        finally:
            os.close(descriptor)
        assert caught.value.errno == errno.ENOSPC


class TestMakeDirectory:
    def test_makes_missing_parents_private(self, tmp_path: Path) -> None:
        make_directory(tmp_path / "a" / "b")
        make_directory(tmp_path / "a" / "b")
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


class TestReplaceFile:
    def test_replaces_the_whole_content(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"a long first content")
        replace_file(path, b"second")
        assert path.read_bytes() == b"second"
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [path]

    def test_keeps_the_old_content_when_the_disk_fails(self, tmp_path: Path) -> None:
        class Failing(Disk):
            def sync(self, descriptor: int) -> None:
                raise OSError(errno.EIO, "Input/output error")

        path = tmp_path / "file"
        path.write_bytes(b"old")
        with pytest.raises(OSError, match="Input/output"):
            replace_file(path, b"new", Failing())
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]
