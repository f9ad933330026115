"""Quarantine: orphaned objects are set aside under another name, never deleted."""

from __future__ import annotations

import hmac
from contextlib import suppress

from storage.backends import ObjectStore
from storage.digest import BackgroundDigest
from storage.errors import ObjectDamaged, ObjectExists

QUARANTINE = "quarantine/"
"""What the names of quarantined objects begin with; the sweeper leaves them alone."""


def quarantine(objects: ObjectStore, key: str) -> str:
    """Move an object to `quarantine/<key>`; gives the new name.

    1. It is copied under the new name, unless an interrupted move has done so.
    2. The copy is read back: it is the original, byte for byte.
    3. Only then the original goes.

    A crash between any two of these is healed by doing it again. Raises ObjectDamaged where another object
    has the name already, and what the store raises.
    """
    target = QUARANTINE + key
    # (1) the copy
    with suppress(ObjectExists):
        objects.put(target, objects.read(key))
    # (2) the comparison
    if not hmac.compare_digest(_digest(objects, key), _digest(objects, target)):
        raise ObjectDamaged("altered", f"{target} exists and is not the same as {key}")
    # (3) the original
    objects.delete(key)
    return target


def _digest(objects: ObjectStore, key: str) -> bytes:
    with BackgroundDigest() as digest:
        for piece in objects.read(key):
            digest.update(piece)
        return digest.finish()
