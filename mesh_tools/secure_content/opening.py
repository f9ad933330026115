"""Opens an encrypted package: signature, structure, keys, tags; only then is there a plain one to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.secure_content.algorithms import WEAK_HASH
from mesh_tools.secure_content.binding import Product, check_binding
from mesh_tools.secure_content.cipher_file import decrypt, inflate
from mesh_tools.secure_content.container import is_exactly, stored
from mesh_tools.secure_content.framing import Framing, source_of
from mesh_tools.secure_content.keys import ConsumerKey, ConsumerPublicKey, ContentKey, TrustedSigner
from mesh_tools.secure_content.keystore import Group, Keystore
from mesh_tools.secure_content.opc import CONTENT_TYPES, content_types, relationships, relationships_name
from mesh_tools.secure_content.statement import STATEMENT_NAME, verify_statement
from mesh_tools.threemf.archive import Archive
from mesh_tools.threemf.package import ENCRYPTED, KEY_STORE

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
    archive = Archive(data, limits or Limits())
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
    opened = {
        name: plain
        for group, content_key in zip(framing.keystore.groups, keys, strict=True)
        for name, plain in _decrypted(group, content_key, parts, product).items()
    }
    # (7) plain package
    package = b"".join(stored(_plain_parts(parts, opened, framing)))
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


def _content_key(group: Group, keystore: Keystore, key: ConsumerKey, *, foreign: bool) -> ContentKey:
    """The group's key, by the access rights of the consumer with this key, or of those that show none."""
    mine = [right for right in group.rights if _may_be(keystore.consumers[right.consumer].pem, key.public)]
    if not mine:
        raise Refused("package.key", "The package is not encrypted for this key.")
    if not foreign and any(right.hash == WEAK_HASH for right in group.rights):
        raise Refused("package.algorithm", "A key is wrapped by OAEP with SHA-1.")
    for right in mine[:-1]:
        try:
            return key.unwrap(right.wrapped_bytes, right.hash)
        except Refused:
            continue
    return key.unwrap(mine[-1].wrapped_bytes, mine[-1].hash)


def _may_be(pem: str | None, key: ConsumerPublicKey) -> bool:
    if pem is None:
        return True
    try:
        return ConsumerPublicKey.from_pem(pem.encode()).fingerprint == key.fingerprint
    except Refused:
        return False


def _decrypted(
    group: Group, key: ContentKey, parts: Mapping[str, bytes], product: Product | None
) -> dict[str, bytes]:
    """The parts of `group` by name; `product` is the signed one, None for a foreign package."""
    plain = {}
    for resource in group.resources:
        name = resource.path
        if name not in parts:
            raise Refused("package.missing_part", f"The encrypted part {name[:200]!r} is not in the package.")
        if product is not None and resource.deflated:
            raise Refused("package.algorithm", f"{name!r} is compressed before encryption.")
        check_binding(resource.aad_bytes, name, product)
        content = decrypt(
            parts[name], key, iv=resource.iv_bytes, tag=resource.tag_bytes, aad=resource.aad_bytes, name=name
        )
        plain[name] = inflate(content, name) if resource.deflated else content
    return plain


def _plain_parts(
    parts: Mapping[str, bytes], opened: Mapping[str, bytes], framing: Framing
) -> dict[str, bytes]:
    gone = {CONTENT_TYPES, STATEMENT_NAME, framing.keystore_name}
    kept = {
        name: opened.get(name, part)
        for name, part in parts.items()
        if name not in gone and source_of(name) is None
    }
    types = {name: framing.content_types[name] for name in kept if name in framing.content_types}
    related = {
        relationships_name(source): relationships(
            row for row in rows if row.type not in (ENCRYPTED, KEY_STORE) and row.target not in gone
        )
        for source, rows in framing.relationships.items()
        if not source or source in kept
    }
    return {CONTENT_TYPES: content_types(types), **related, **kept}


def _notices(keystore: Keystore) -> tuple[str, ...]:
    found = ["The package is foreign: nobody vouches for its root model, product or version."]
    if any(right.hash == WEAK_HASH for group in keystore.groups for right in group.rights):
        found.append("A key is wrapped by OAEP with SHA-1.")
    if any(resource.deflated for resource in keystore.resources):
        found.append("A part was compressed before it was encrypted: its length tells of its content.")
    return tuple(found)
