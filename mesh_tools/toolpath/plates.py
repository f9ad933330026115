"""G-code in a 3MF-like package (`.gcode.3mf`): one plate's toolpath with its MD5 beside it.

A package that holds a plate's toolpath is a toolpath, whatever its name and its model say: a printer would
run it and not look at the model.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.threemf.archive import Archive, Entry

_PLATE = re.compile(r"metadata/plate_[0-9]{1,4}\.gcode", re.IGNORECASE)
_RUNNABLE = (".gcode", ".bgcode", ".gco", ".g", ".nc", ".makerbot", ".x3g", ".ufp")
_DIGEST = re.compile(rb"[0-9A-Fa-f]{32}\s*")
_DIGEST_BYTES_MAX = 64


def holds_plates(archive: Archive) -> bool:
    """Whether anything in the package is made to be run by a printer."""
    return any(name.casefold().endswith(_RUNNABLE) for name in archive.entries)


def plate_pieces(archive: Archive, limits: Limits) -> Iterator[bytes]:
    """Yield the text of the one plate; raises Refused.

    1. There is exactly one toolpath, and it is a plate.
    2. Its MD5 stands beside it and is right; that says the package is whole, not who made it.
    3. Everything else in the package is inflated and counted.
    """
    # (1) one plate
    found = [entry for name, entry in archive.entries.items() if name.casefold().endswith(_RUNNABLE)]
    if len(found) != 1 or not _PLATE.fullmatch(found[0].name):
        names = ", ".join(repr(entry.name[:60]) for entry in found[:3])
        raise Refused("toolpath.plates", f"The package holds {names}; one plate's toolpath is allowed.")
    # (2) its digest
    plate = found[0]
    _check_digest(archive, plate)
    # (3) the rest
    archive.check_rest({plate.name})
    if plate.bytes > limits.package_expanded_bytes_max:
        raise Refused("package.limit", f"{plate.name!r} declares {plate.bytes} bytes.")
    yield from archive.blocks(plate)


def _check_digest(archive: Archive, plate: Entry) -> None:
    beside = archive.find(plate.name + ".md5")
    if beside is None or beside.bytes > _DIGEST_BYTES_MAX:
        raise Refused("toolpath.checksum", f"{plate.name!r} has no MD5 beside it.")
    told = archive.read(beside)
    if not _DIGEST.fullmatch(told):
        raise Refused("toolpath.checksum", f"{beside.name!r} is no MD5.")
    digest = hashlib.md5(usedforsecurity=False)
    for block in archive.blocks(plate):
        digest.update(block)
    if not hmac.compare_digest(digest.hexdigest(), told.strip().lower().decode()):
        raise Refused("toolpath.checksum", f"{plate.name!r} does not have the MD5 beside it.")
