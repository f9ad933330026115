"""A real disk whose chosen call fails, before or after its work is done."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from storage.durable import Disk

Result = TypeVar("Result")


class FaultyDisk(Disk):
    """Counts its calls; the one numbered `fail_at` (from 1, 0 for none) is reported as failed.

    `done` tells whether that call does its work all the same, as when a file server's answer is lost.
    """

    def __init__(self, fail_at: int = 0, *, done: bool = False) -> None:
        self.calls: list[str] = []
        self._fail_at = fail_at
        self._done = done

    def create(self, path: Path) -> int:
        return self._call("create", lambda: super(FaultyDisk, self).create(path), undo=os.close)

    def write(self, descriptor: int, piece: memoryview) -> int:
        return self._call("write", lambda: super(FaultyDisk, self).write(descriptor, piece))

    def date(self, descriptor: int) -> None:
        self._call("date", lambda: super(FaultyDisk, self).date(descriptor))

    def sync(self, descriptor: int) -> None:
        self._call("sync", lambda: super(FaultyDisk, self).sync(descriptor))

    def make_directory(self, directory: Path) -> None:
        if directory.exists():  # answers without a write, on every disk
            raise FileExistsError
        self._call("make_directory", lambda: super(FaultyDisk, self).make_directory(directory))

    def link(self, source: Path, target: Path) -> None:
        self._call("link", lambda: super(FaultyDisk, self).link(source, target))

    def replace(self, source: Path, target: Path) -> None:
        self._call("replace", lambda: super(FaultyDisk, self).replace(source, target))

    def unlink(self, path: Path) -> None:
        self._call("unlink", lambda: super(FaultyDisk, self).unlink(path))

    def _call(
        self, name: str, act: Callable[[], Result], undo: Callable[[Result], object] = lambda _: None
    ) -> Result:
        self.calls.append(name)
        if len(self.calls) != self._fail_at:
            return act()
        if self._done:
            undo(act())  # a descriptor that nobody is told of is closed
        raise OSError(errno.EIO, os.strerror(errno.EIO))
