"""How much is fetched from the store to read a range."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, announce
from benchmarks.vault.steady import PIECE_BYTES
from storage.backends.local import LocalObjects
from storage.envelope import ObjectContext
from storage.keys.file import FileKeys
from storage.vault import Vault

MIB = 1024
STEP_BYTES = 12_345_679
"""Between the offsets that are tried; shares no factor with the chunk size."""

CONTEXT = ObjectContext("org_bench", "rev_bench", 1, "print-file")


class Counting(LocalObjects):
    """A local store that counts the bytes it hands out."""

    fetched = 0

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield and count."""
        for piece in super().read(key, start, length):
            self.fetched += len(piece)
            yield piece


def figures() -> Iterator[Figure]:
    """Yield the most MiB fetched for 1 MiB at any of many offsets of a 1 GiB object."""
    announce("ranges of 1 MiB of a 1 GiB object")
    most, piece = 0, os.urandom(PIECE_BYTES)
    with tempfile.TemporaryDirectory(prefix="bench-vault-") as folder:
        objects = Counting(Path(folder, "objects"))
        vault = Vault(objects, FileKeys(Path(folder, "keys", "ring.json")))
        stored = vault.put(CONTEXT, (piece for _ in range(MIB)), MIB * PIECE_BYTES)
        for start in range(0, (MIB - 1) * PIECE_BYTES, STEP_BYTES):
            objects.fetched = 0
            for _ in vault.open_range(stored, CONTEXT, start, PIECE_BYTES):
                pass
            most = max(most, objects.fetched)
    yield Figure("fetched for a 1 MiB range of 1 GiB", most / PIECE_BYTES, "MiB", 1.1, "lower")
