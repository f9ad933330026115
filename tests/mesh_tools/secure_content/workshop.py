"""Makes packages, takes them apart and puts them together otherwise, as an attacker would."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from mesh_tools.secure_content.binding import Product
from mesh_tools.secure_content.container import stored
from mesh_tools.secure_content.geometry_part import GeometryPart
from mesh_tools.secure_content.keys import SigningKey
from mesh_tools.secure_content.sealing import KEYSTORE_NAME, Recipient, seal_package

POISON = GeometryPart(b'<!DOCTYPE bomb [<!ENTITY e "e">]><model>' + b"&e;" * 99 + b"</model>", "millimeter")
"""A part that its reader refuses with package.dtd: whoever sees that code has parsed it."""


@dataclass(frozen=True)
class Workshop:
    """Seals for the same recipients, with the same signer."""

    recipients: Sequence[Recipient]
    signer: SigningKey
    product: Product

    def seal(self, part: GeometryPart = POISON, *, signed: bool = True) -> bytes:
        return seal_package(part, self.product, self.recipients, signer=self.signer if signed else None)


def parts_of(package: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes]) -> bytes:
    return b"".join(stored(parts))


def with_part(package: bytes, name: str, content: bytes) -> bytes:
    return packed({**parts_of(package), name: content})


def with_keystore(package: bytes, pattern: str, replacement: str, count: int = 1) -> bytes:
    """The package with the key store's text changed; `pattern` must be there."""
    text = parts_of(package)[KEYSTORE_NAME].decode()
    changed, found = re.subn(pattern, replacement, text, count=count, flags=re.DOTALL)
    assert found
    assert changed != text
    return with_part(package, KEYSTORE_NAME, changed.encode())


def flipped(data: bytes, position: int, mask: int = 1) -> bytes:
    changed = bytearray(data)
    changed[position] ^= mask
    return bytes(changed)
