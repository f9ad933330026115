"""One object under examination: is it there, whole, and does its key fit it?"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

from app.designs.catalogue import Fate, Kept
from app.fsck.report import Finding, Problem
from storage.errors import KeyUnavailable, ObjectDamaged, StorageError, StoreUnavailable, WrongContext
from storage.vault import Vault

_RESTORE_OBJECT = {
    "file_object": "restore the object from a backup; until then nothing is printed from this revision",
    "thumbnail_object": "restore the object from a backup; prints do not need it, it is the picture",
}
_RESTORE_KEY = "restore the row of wrapped_keys from a backup"


def examine(vault: Vault, item: Kept, *, decrypt: bool) -> list[Finding]:
    """Give everything that is wrong with one object.

    1. One that was shredded is gone; of one being shredded nothing can be said yet.
    2. It is there, has the recorded length, and the SHA-256 of its ciphertext is the recorded one.
    3. Its key is there and opens under the row's context, unless its owner alone holds it.
    4. The commitment in its header is of that key and that context.
    5. With `decrypt`: every chunk authenticates, length and SHA-256 of the plaintext are the recorded ones.

    Raises `StoreUnavailable` where the store does not answer.
    """
    # (1) the shredded
    if item.fate is not Fate.KEPT:
        return list(_shredded(vault, item))
    # (2) the ciphertext
    try:
        vault.check(item.stored)
    except StoreUnavailable:
        raise
    except StorageError as error:
        missing = isinstance(error, ObjectDamaged) and error.reason == "missing"
        problem = Problem.MISSING if missing else Problem.DAMAGED
        return [Finding(problem, item.row, item.column, str(error), _RESTORE_OBJECT[item.column])]
    # (3) the key
    if item.owner_held:
        return []
    if item.stored.wrapped is None:
        return [_of_key(item, Problem.KEY_MISSING, "no wrapped key is kept for it")]
    # (4) the header, (5) the plaintext
    try:
        vault.check_key(item.stored, item.context)
        if decrypt:
            _decrypt(vault, item)
    except StoreUnavailable:
        raise
    except (WrongContext, KeyUnavailable) as error:
        return [_of_key(item, Problem.KEY_UNUSABLE, str(error))]
    except StorageError as error:
        return [Finding(Problem.DAMAGED, item.row, item.column, str(error), _RESTORE_OBJECT[item.column])]
    return []


def _shredded(vault: Vault, item: Kept) -> Iterator[Finding]:
    """(1) the record says what must be gone."""
    design = f"designs {item.design_id}"
    if item.fate is Fate.UNRECORDED:
        reason = "marked as shredded, and no shredding is on record"
        remedy = "restore the row from a backup, and find out who wrote to the database"
        yield Finding(Problem.SHREDDING, design, "shredded_at", reason, remedy)
    elif item.fate is Fate.SHREDDED and _is_there(vault, item):
        reason = f"{item.stored.object_key} is in the store although its design {item.design_id} was shredded"
        yield Finding(Problem.SHREDDING, item.row, item.column, reason, "delete the object from the store")


def _is_there(vault: Vault, item: Kept) -> bool:
    try:
        vault.ciphertext(item.stored)
    except ObjectDamaged as error:
        return error.reason != "missing"
    return True


def _decrypt(vault: Vault, item: Kept) -> None:
    digest, length = hashlib.sha256(), 0
    for piece in vault.open(item.stored, item.context):
        digest.update(piece)
        length += len(piece)
    same = hmac.compare_digest(digest.digest(), item.stored.plaintext_sha256)
    if not same or length != item.stored.plaintext_bytes:
        raise ObjectDamaged("altered", f"{item.stored.object_key} decrypts to another file than was uploaded")


def _of_key(item: Kept, problem: Problem, reason: str) -> Finding:
    context = item.context
    row = f"wrapped_keys {context.tenant} {context.object_id} {context.version} {context.kind}"
    return Finding(problem, row, "blob", f"{reason} ({item.row}, {item.column})", _RESTORE_KEY)
