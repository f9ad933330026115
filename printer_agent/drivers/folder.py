"""The folder driver: puts the file into the folder the printer, or its host software, watches.

The file is written under a hidden temporary name in the same folder (mode 0600), fsynced and renamed, so that
the printer sees all of it or none. From that moment the plaintext is on the printer's own disk: see the
threat model.

The machine may take the file away at once. An empty file of the agent's own, made before the renaming, tells
then that it was given, until the next job starts or this one is wiped:

| temporary file | mark | a crash was |
|---|---|---|
| there | there or not | before the renaming: not delivered |
| gone | there | after it: delivered, whether the file still lies there or not |
| gone | gone | before anything was written, or this is an old job |
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from printer_agent.drivers.base import Delivery, Phase, Sighting
from printer_agent.errors import DriverError
from printer_agent.private_files import make_private_folder, sync_folder


class FolderDriver:
    """Delivers into `folder`; see `printer_agent.drivers.base.Driver` for the promises.

    Its marks lie in `marks`, a folder that nobody else writes.
    """

    name = "folder"
    follows = False
    takes_meshes = True

    def __init__(self, folder: Path, marks: Path) -> None:
        self._folder = folder
        self._marks = marks

    def start(self, delivery: Delivery, content: Iterable[bytes]) -> str:
        """Write, fsync, mark, rename; DriverError where the folder does not take it or has the name."""
        part, given, final = self._part(delivery), self._given(delivery), self._folder / delivery.name
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if final.exists():
                raise DriverError("exists", f"{final} is there and is never overwritten", "move it away")
            self._write(part, content, delivery.size)
            self._mark(given)
            part.rename(final)
            sync_folder(self._folder)
        except OSError as error:
            raise DriverError(
                "watch_folder",
                f"{self._folder} did not take the file: {error}",
                "check its space and permissions",
            ) from error
        finally:
            with suppress(OSError):
                self._clear_cut_off(delivery)
        return (
            f"delivered to {self._folder.name}/{delivery.name}"  # shown with certificates: not where it lies
        )

    def look(self, delivery: Delivery) -> Sighting:
        """Say whether the file was given in full; a cut-off temporary file is removed."""
        self._clear_cut_off(delivery)
        final = self._folder / delivery.name
        whole = final.is_file() and final.stat().st_size == delivery.size
        return Sighting(Phase.PLACED if whole or self._given(delivery).exists() else Phase.ABSENT)

    def cancel(self, delivery: Delivery) -> None:
        """Do nothing: nobody knows whether the machine has begun."""

    def wipe(self, delivery: Delivery) -> None:
        """Remove the file where the machine has left it."""
        try:
            for path in (self._part(delivery), self._folder / delivery.name):
                path.unlink(missing_ok=True)
            self._unmark(delivery)
        except OSError as error:
            raise DriverError(
                "watch_folder", f"{self._folder} keeps {delivery.name}: {error}", "delete it by hand"
            ) from error

    def check(self) -> str:
        """Write and remove an empty file."""
        probe = self._folder / ".partvault-probe.part"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise DriverError(
                "watch_folder", f"{self._folder} cannot be written: {error}", "check its permissions"
            ) from error
        return f"watch folder {self._folder} takes files"

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _part(self, delivery: Delivery) -> Path:
        return self._folder / f".{delivery.name}.part"

    def _given(self, delivery: Delivery) -> Path:
        return self._marks / delivery.name

    def _mark(self, given: Path) -> None:
        """Mark a job that is about to be given; older ones are decided, their marks go."""
        make_private_folder(self._marks)
        for old in self._marks.iterdir():
            old.unlink(missing_ok=True)
        given.touch(mode=0o600)
        sync_folder(self._marks)

    def _unmark(self, delivery: Delivery) -> None:
        given = self._given(delivery)
        if given.exists():
            given.unlink(missing_ok=True)
            sync_folder(self._marks)

    def _clear_cut_off(self, delivery: Delivery) -> None:
        """Remove the temporary file, if it is there; the mark first, which means a delivery without it."""
        part = self._part(delivery)
        if part.exists():
            self._unmark(delivery)
            part.unlink(missing_ok=True)

    @staticmethod
    def _write(part: Path, content: Iterable[bytes], size: int) -> None:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            written = sum(stream.write(piece) for piece in content)
            stream.flush()
            os.fsync(stream.fileno())
        if written != size:
            raise DriverError(
                "short_write", f"{written} of {size} bytes were written", "check the folder's space"
            )
