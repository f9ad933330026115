"""Opens an encrypted package: signature, structure, keys, tags; only then is there a plain one to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mesh_tools.errors import Refused
from mesh_tools.limits import MIB, Limits
from mesh_tools.secure_content.algorithms import WEAK_HASH
from mesh_tools.secure_content.binding import Product, check_binding
from mesh_tools.secure_content.cipher_file import decrypt, inflate
from mesh_tools.secure_content.container import is_exactly, stored
from mesh_tools.secure_content.framing import Framing
from mesh_tools.secure_content.keys import ConsumerKey, ContentKey, TrustedSigner
from mesh_tools.secure_content.keystore import Consumer, Group, Keystore, Resource
from mesh_tools.secure_content.plain_package import plain_package
from mesh_tools.secure_content.statement import STATEMENT_NAME, verify_statement
from mesh_tools.threemf.archive import Archive

_EXPANDED_BASE: Final = 64 * MIB
_EXPANDED_PER_BYTE: Final = 16
_TRIALS_MAX: Final = 8

FramingReader = Callable[[memoryview], Framing]
"""Reads the framing of a package (see `framing`), raising Refused; in production a sandboxed child does."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A plain 3MF package, in memory, and what is known of where it came from.

    `parts` were encrypted. `product` and `signer` (a thumbprint) are None for a foreign package; `notices`
    say in words what a foreign package lacked.
    """

    package: bytes
    parts: tuple[str, ...]
    product: Product | None
    signer: str | None
    notices: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Opened(***, parts={self.parts!r}, product={self.product!r}, signer={self.signer!r})"


def open_package(
    data: memoryview,
    key: ConsumerKey,
    framing_of: FramingReader,
    *,
    trusted: Sequence[TrustedSigner] = (),
    foreign: bool = False,
    expected: Product | None = None,
    limits: Limits | None = None,
) -> Opened:
    """Decrypt `data` with `key`; Refused at the first thing that stands against it, with nothing given out.

    Either name `trusted` signers, or say that the package may be `foreign`: then no signature is looked at,
    and what only foreign packages do (OAEP with SHA-1, deflate, other AAD) is accepted and noted.

    1. The ZIP container is sound, its parts of bounded size.
    2. Unless foreign: a trusted signer signed exactly these parts, and the file holds nothing else.
    3. The product is the expected one.
    4. The framing is sound; only now was XML parsed, in the sandbox.
    5. Of every group, the content key opens with the key of one consumer.
    6. Every encrypted part is bound to its place and product, and its tag is right.
    7. The plain package is put together of plain parts, with relationships and content types of our own.

    The caller still has to have the plain package judged, as every file.
    """
    if bool(trusted) == foreign:
        raise ValueError("name the signers you trust, or say that the package may be foreign")
    # (1) container
    bounds = _bounds(limits or Limits(), len(data))
    archive = Archive(data, bounds)
    parts = {name: archive.read(entry) for name, entry in archive.entries.items()}
    # (2) signature
    product, signer = (None, None) if foreign else _verified(data, parts, trusted)
    # (3) product
    if expected is not None and product != expected:
        raise Refused("package.binding", f"The package is of {product}, not of {expected}.")
    # (4) framing
    framing = framing_of(data)
    # (5) content keys
    keys = [_content_key(group, framing.keystore, key, foreign=foreign) for group in framing.keystore.groups]
    # (6) parts
    room = bounds.package_expanded_bytes_max
    opened = _decrypted(framing.keystore, keys, parts, product, bytes_max=room)
    # (7) plain package
    package = plain_package({**parts, **opened}, framing)
    notices = _notices(framing.keystore) if foreign else ()
    return Opened(package, tuple(opened), product, None if signer is None else signer.thumbprint, notices)


def _verified(
    data: memoryview, parts: Mapping[str, bytes], trusted: Sequence[TrustedSigner]
) -> tuple[Product, TrustedSigner]:
    token = parts.get(STATEMENT_NAME)
    if token is None:
        raise Refused("package.signature", "The package is not signed, or its signature was taken away.")
    others = {name: part for name, part in parts.items() if name != STATEMENT_NAME}
    product, signer = verify_statement(token, others, trusted)
    if not is_exactly(data, stored({**others, STATEMENT_NAME: token})):
        raise Refused("package.signature", "The file holds other bytes than those of its signed parts.")
    return product, signer


def _bounds(limits: Limits, size: int) -> Limits:
    """What this process may hold of a package of `size` bytes: ciphertext does not compress."""
    room = _EXPANDED_BASE + _EXPANDED_PER_BYTE * size
    return replace(limits, package_expanded_bytes_max=min(limits.package_expanded_bytes_max, room))


def _content_key(group: Group, keystore: Keystore, key: ConsumerKey, *, foreign: bool) -> ContentKey:
    """The group's key, by the access rights of the consumer with this key, or of those that show none."""
    mine = [right for right in group.rights if _may_be(keystore.consumers[right.consumer], key)]
    if not mine:
        raise Refused("package.key", "The package is not encrypted for this key.")
    if len(mine) > _TRIALS_MAX:
        raise Refused("package.limit", f"{len(mine)} consumers show no key; at most {_TRIALS_MAX} are tried.")
    if not foreign and any(right.hash == WEAK_HASH for right in group.rights):
        raise Refused("package.algorithm", "A key is wrapped by OAEP with SHA-1.")
    for right in mine[:-1]:
        try:
            return key.unwrap(right.wrapped_bytes, right.hash)
        except Refused:
            continue
    return key.unwrap(mine[-1].wrapped_bytes, mine[-1].hash)


def _may_be(consumer: Consumer, key: ConsumerKey) -> bool:
    """Whether the consumer shows this key, compared as text, or none."""
    return consumer.pem is None or "".join(consumer.pem.split()) == "".join(key.public.pem.split())


def _decrypted(
    keystore: Keystore,
    keys: Sequence[ContentKey],
    parts: Mapping[str, bytes],
    product: Product | None,
    *,
    bytes_max: int,
) -> dict[str, bytes]:
    """The encrypted parts by name, together at most `bytes_max` bytes.

    `product` is the signed one, None for a foreign package.
    """
    plain: dict[str, bytes] = {}
    for group, key in zip(keystore.groups, keys, strict=True):
        for resource in group.resources:
            plain[resource.path] = _plain(resource, key, parts, product, room=bytes_max)
            bytes_max -= len(plain[resource.path])
    return plain


def _plain(
    resource: Resource, key: ContentKey, parts: Mapping[str, bytes], product: Product | None, *, room: int
) -> bytes:
    name = resource.path
    if name not in parts:
        raise Refused("package.missing_part", f"The encrypted part {name[:200]!r} is not in the package.")
    if product is not None and resource.deflated:
        raise Refused("package.algorithm", f"{name!r} is compressed before encryption.")
    aad = resource.aad_bytes
    check_binding(aad, name, product)
    content = decrypt(parts[name], key, iv=resource.iv_bytes, tag=resource.tag_bytes, aad=aad, name=name)
    return inflate(content, name, bytes_max=room) if resource.deflated else content


def _notices(keystore: Keystore) -> tuple[str, ...]:
    found = ["The package is foreign: nobody vouches for its root model, product or version."]
    if any(right.hash == WEAK_HASH for group in keystore.groups for right in group.rights):
        found.append("A key is wrapped by OAEP with SHA-1.")
    if any(resource.deflated for resource in keystore.resources):
        found.append("A part was compressed before it was encrypted: its length tells of its content.")
    return tuple(found)
