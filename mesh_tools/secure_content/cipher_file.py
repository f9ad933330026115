"""The 3MF Cipher File Format (Secure Content appendix D) round AES-256-GCM (2.2.1.1, SP 800-38D)."""

from __future__ import annotations

import struct
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mesh_tools.errors import Refused
from mesh_tools.secure_content.algorithms import TAG_BYTES
from mesh_tools.secure_content.keys import ContentKey

_HEADER = struct.Struct("<5s3BI")
_MAGIC = b"%3McF"
_HEADER_BYTES_MAX = 1 << 16
_INFLATE_RATIO_MAX = 200
_INFLATE_FREE_BYTES = 4 << 20


def encrypt(plain: bytes, key: ContentKey, iv: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """The encrypted file and its tag. `iv` must be fresh for every call with the same key."""
    sealed = AESGCM(key.reveal()).encrypt(iv, plain, aad)
    return _HEADER.pack(_MAGIC, 0, 0, 0, _HEADER.size) + sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]


def decrypt(data: bytes, key: ContentKey, *, iv: bytes, tag: bytes, aad: bytes, name: str) -> bytes:
    """The plaintext of the encrypted file `data`, the part `name`; nothing of it before the tag was checked.

    Refused(package.ciphertext) where the header, a byte of the ciphertext, the IV, the tag or the AAD was
    altered.
    """
    ciphertext = memoryview(data)[_header_bytes(data, name) :]
    try:
        return AESGCM(key.reveal()).decrypt(iv, b"".join((ciphertext, tag)), aad)
    except InvalidTag:
        raise _altered(f"{name!r} does not match its authentication tag.") from None


def inflate(compressed: bytes, name: str, *, bytes_max: int) -> bytes:
    """Undo compression="deflate" (RFC 1951, no header), within a ratio; for what a tag vouches for."""
    room = min(bytes_max, _INFLATE_FREE_BYTES + _INFLATE_RATIO_MAX * len(compressed))
    if room < 1:
        raise Refused("package.limit", f"There is no room left for {name!r}.")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(compressed, room)
    except zlib.error as error:
        raise _altered(f"{name!r} cannot be inflated: {error}.") from None
    if inflater.unconsumed_tail:
        raise Refused("package.limit", f"{name!r} inflates to more than {room} bytes.")
    if not inflater.eof or inflater.unused_data:
        raise _altered(f"{name!r} does not end where its compressed data end.")
    return plain


def _header_bytes(data: bytes, name: str) -> int:
    """Length of the header, checked octet by octet."""
    if len(data) < _HEADER.size:
        raise _altered(f"{name!r} is shorter than the header of an encrypted file.")
    magic, major, minor, unused, length = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise _altered(f"{name!r} does not begin as an encrypted file.")
    if (major, minor) != (0, 0) or unused:
        raise _altered(f"{name!r} has the version {major}.{minor}; only 0.0 is known.")
    if not _HEADER.size <= length <= min(len(data), _HEADER_BYTES_MAX):
        raise _altered(f"{name!r} declares a header of {length} bytes.")
    return int(length)


def _altered(message: str) -> Refused:
    return Refused("package.ciphertext", message)
