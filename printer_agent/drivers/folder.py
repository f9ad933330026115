"""The folder driver: puts the file into the folder the printer, or its host software, watches.

The file is written under a hidden temporary name in the same folder (mode 0600), fsynced and renamed, so that
the printer sees all of it or none. From that moment the plaintext is on the printer's own disk: see the
threat model.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from printer_agent.drivers.base import Delivery, Phase, Sighting
from printer_agent.errors import DriverError
from printer_agent.private_files import sync_folder


class FolderDriver:
    """Delivers into `folder`; see `printer_agent.drivers.base.Driver` for the promises."""

    name = "folder"
    follows = False
    takes_meshes = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, delivery: Delivery, content: Iterable[bytes]) -> str:
        """Write, fsync, rename; DriverError where the folder does not take it or has the name."""
        part, final = self._part(delivery), self._folder / delivery.name
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if final.exists():
                raise DriverError("exists", f"{final} is there and is never overwritten", "move it away")
            self._write(part, content, delivery.size)
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
                part.unlink(missing_ok=True)
        return (
            f"delivered to {self._folder.name}/{delivery.name}"  # shown with certificates: not where it lies
        )

    def look(self, delivery: Delivery) -> Sighting:
        """Say whether the file is there in full; a cut-off temporary file is removed."""
        self._part(delivery).unlink(missing_ok=True)
        final = self._folder / delivery.name
        whole = final.is_file() and final.stat().st_size == delivery.size
        return Sighting(Phase.PLACED if whole else Phase.ABSENT)

    def cancel(self, delivery: Delivery) -> None:
        """Do nothing: nobody knows whether the machine has begun."""

    def wipe(self, delivery: Delivery) -> None:
        """Remove the file where the machine has left it."""
        try:
            for path in (self._part(delivery), self._folder / delivery.name):
                path.unlink(missing_ok=True)
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
