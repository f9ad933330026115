"""Stored objects for the audit: each whole, unaltered, and openable with the key its row keeps.

Of a design whose shredding is on record neither object nor key is asked for, of one whose owner holds the key
no key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from app.designs.catalogue import Catalogue, Fate, Kept
from ledger.audit import Finding
from storage.errors import StorageError
from storage.stream import plaintext_length
from storage.vault import Vault

_GONE = frozenset({Fate.BEING_SHREDDED, Fate.SHREDDED})


def check(vault: Vault, catalogue: Catalogue, moved: Callable[[int], None]) -> Iterator[Finding]:
    """Read every object and unwrap its key; yield what is damaged. `moved` takes the bytes read."""
    for broken in catalogue.unreadable:
        yield Finding(broken.row, broken.column, broken.reason)
    for item in catalogue.objects:
        yield from _length(item)
        if item.fate in _GONE:
            continue
        try:
            vault.check(item.stored)
            if not item.owner_held:
                vault.data_key(item.stored, item.context).wipe()
        except StorageError as error:
            yield Finding(item.row, item.column, str(error))
        moved(item.stored.ciphertext_bytes)


def _length(item: Kept) -> Iterator[Finding]:
    """Compare the two lengths that a row tells, which one follows from the other."""
    told = item.stored.plaintext_bytes
    try:
        held = plaintext_length(item.stored.ciphertext_bytes)
    except StorageError as error:
        yield Finding(item.row, item.column, str(error))
        return
    if held != told:
        problem = (
            f"plaintext_bytes is {told}, and {item.stored.ciphertext_bytes} bytes of ciphertext hold {held}"
        )
        yield Finding(item.row, item.column, problem)
