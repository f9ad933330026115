"""Salted commitments: what goes on chain in place of a manifest, of terms and of a report.

commitment = SHA-256(label ‖ 0x00 ‖ salt ‖ SHA-256(content)), salt 32 random bytes. The salt hides content
that could be guessed; the label keeps one kind from standing in for another; the zero byte ends the label,
which has none. Pure.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final

import rfc8785

from ledger.errors import TypedDataError

_PLAIN: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_INTEGER_MAX: Final = 2**53 - 1


def canonical_json(value: Any) -> bytes:
    """Return the RFC 8785 (JCS) encoding of a JSON value.

    Raises TypedDataError for what JCS cannot hold: NaN, infinities, integers beyond 2^53 - 1, keys that are
    no strings.
    """
    try:
        if _is_plain(value):
            return _PLAIN.encode(value).encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise TypedDataError("value", f"has no canonical JSON (RFC 8785): {error}") from error


def _is_plain(value: Any) -> bool:
    """Tell whether the standard library's encoder, ten times as fast, writes the same: no fractions, and keys
    that sort alike as text and as UTF-16.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return -_INTEGER_MAX <= int(value) <= _INTEGER_MAX
    if kind is dict:
        return all(type(key) is str and key.isascii() and _is_plain(item) for key, item in value.items())
    return kind is list and all(map(_is_plain, value))


def revision_commitment(salt: bytes, manifest: bytes) -> bytes:
    """Return the 32-byte commitment to a revision's manifest."""
    return _commit(b"partvault/revision/v1", salt, manifest)


def terms_commitment(salt: bytes, terms: bytes) -> bytes:
    """Return the 32-byte commitment to the terms of a licence."""
    return _commit(b"partvault/terms/v1", salt, terms)


def report_commitment(salt: bytes, report: bytes) -> bytes:
    """Return the 32-byte commitment to a printer's report."""
    return _commit(b"partvault/report/v1", salt, report)


def part_token(plate_token_sha256: bytes, part: int) -> bytes:
    """Return what the claim of a plate's part has for a token, 32 bytes (docs/formats/plate.md).

    `plate_token_sha256` is the digest of the plate's token; `part` counts from 0. It is the digest of no
    token's text, so nobody can redeem the part by itself.
    """
    if len(plate_token_sha256) != 32:
        raise TypedDataError("token", f"must be a digest of 32 bytes, is {len(plate_token_sha256)}")
    return sha256(b"partvault/plate/v1\x00" + plate_token_sha256 + part.to_bytes(4, "big")).digest()


def reissue_salt(replaced: bytes) -> bytes:
    """Return the salt of a licence for one print in place of another, 32 bytes, from the other's `print_id`.

    It hides nothing: a print has one such salt, so the chain shows which print a licence replaces, and
    whether several do.
    """
    if len(replaced) != 32:
        raise TypedDataError("print", f"must be 32 bytes, is {len(replaced)}")
    return sha256(b"partvault/reissue/v1\x00" + replaced).digest()


def _commit(label: bytes, salt: bytes, content: bytes) -> bytes:
    if len(salt) != 32:
        raise TypedDataError("salt", f"must be 32 bytes, is {len(salt)}")
    return sha256(label + b"\x00" + salt + sha256(content).digest()).digest()
