"""Puts objects until it is killed, and tells of each on standard output, a JSON line before and one after.

Run as a process of its own: OBJECTS KEYRING SEED BYTES_MAX. Contents follow from the seed and the number.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from storage.backends import open_objects
from storage.envelope import ObjectContext
from storage.keys.base import WrappedKey
from storage.keys.file import FileKeys
from storage.secret import DataKey
from storage.vault import Vault

PIECE_BYTES = 256 * 1024


def context_of(number: int) -> ObjectContext:
    return ObjectContext("org_a", "rev_1", number, "print-file")


def content_of(seed: str, number: int, bytes_max: int) -> bytes:
    source = random.Random(f"{seed}/{number}")
    return source.randbytes(source.randint(0, bytes_max))


class TellingKeys(FileKeys):
    """Tells every wrap before it is used, so that what is found later can be opened."""

    def wrap(self, secret: DataKey, context: ObjectContext) -> WrappedKey:
        wrapped = super().wrap(secret, context)
        tell({"begun": context.version, "wrapped": wrapped.to_json()})
        return wrapped


def tell(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def pieces(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), PIECE_BYTES):
        yield content[at : at + PIECE_BYTES]


def main(objects: str, keyring: str, seed: str, bytes_max: str) -> None:
    vault, number = Vault(open_objects(objects), TellingKeys(Path(keyring))), 0
    while True:
        content = content_of(seed, number, int(bytes_max))
        stored = vault.put(context_of(number), pieces(content), len(content))
        tell({"put": number, "record": stored.to_json()})
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
