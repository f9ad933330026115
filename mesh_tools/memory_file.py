"""The input of a job: poured into a sealed memory file, hashed as it flows; it never touches a disk."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass

from mesh_tools.errors import Refused

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """An anonymous file that nobody can change any more; `size` counts the bytes read of the source."""

    descriptor: int
    size: int
    sha256: bytes
    too_large: bool

    def close(self) -> None:
        """Free the memory once no child maps it any more."""
        os.close(self.descriptor)

    def require_within(self, bytes_max: int) -> None:
        """Raise Refused where the source went on past the limit it was poured with."""
        if self.too_large:
            raise Refused("input.too_large", f"More than {bytes_max} bytes.")


def pour(source: Iterable[bytes], bytes_max: int) -> MemoryFile:
    """Pour `source` into a memory file and seal it; stops reading past `bytes_max`.

    Raises what `source` raises, leaving nothing behind.
    """
    descriptor = os.memfd_create("print-file", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    digest = hashlib.sha256()
    total = 0
    try:
        for block in source:
            total += len(block)
            if total > bytes_max:
                return MemoryFile(descriptor, total, digest.digest(), too_large=True)
            digest.update(block)
            _write_all(descriptor, block)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return MemoryFile(descriptor, total, digest.digest(), too_large=False)


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
