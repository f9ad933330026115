"""The verification of a claim and of a release: what must hold before a printer signs, and before it prints.

Pure: no I/O, no clock. Everything is held against what the printer pinned at enrolment and what it signed
itself; nothing is believed because the service says so.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.commitment import canonical_json, revision_commitment
from ledger.errors import TypedDataError
from ledger.typed_data import Publication
from printer_agent.errors import ReleaseRefused
from printer_agent.offers import ClaimOffer, Release, ReleasedObject, Terms
from printer_agent.pins import Pins
from printer_agent.print_token import PrintToken
from storage.envelope import ObjectContext
from storage.errors import StorageError
from storage.recipients import OpeningKey, open_sealed
from storage.secret import DataKey
from storage.stream import Piece

_SEALED_BY = {"service": "partvault/release/v1", "owner": "partvault/grant/v1"}
"""Who seals the data key, by the custody that the manifest names, and the form its info string has then."""
_MANIFEST_FORMAT = "partvault/manifest/v1"
_TELL_PROVIDER = "do not print; tell the provider and the owner what this message says"


@dataclass(frozen=True)
class PrintFile:
    """The one file of a revision's manifest, with the recipe it is to be printed by.

    custody: who holds the data key and so seals it, "service" or "owner"
    """

    filename: str
    format: str
    size: int
    sha256: bytes
    context: ObjectContext
    recipe: Mapping[str, Any]
    custody: str


def check_claim(offer: ClaimOffer, pins: Pins, token: PrintToken) -> PrintFile:
    """Decide whether the printer may sign the claim; give the file it will print.

    0. The ledger's domain is the pinned one.
    1. The claim names this token.
    2. The claim names the licence shown, by its recomputed struct hash; its sequence can exist.
    3. The licence is for the provider that enrolled this printer.
    4. The manifest opens the commitment, and the licence is for the revision of that commitment.
    5. The manifest is canonical and names one file.

    The caller still owes: signing with the pinned domain, and keeping claim and signature before sending
    them. Raises ReleaseRefused; nothing has been consumed then.
    """
    claim, licence = offer.claim, offer.terms.licence
    # (0) the ledger
    _require(
        offer.domain == pins.domain,
        "wrong_domain",
        f"the claim is for {offer.domain}, pinned is {pins.domain}",
    )
    # (1) the token
    _require(
        _same(claim.token, token.digest()), "wrong_token", "the claim names another token than the one given"
    )
    # (2) the licence and its count
    _require(_same(claim.licence, licence.struct_hash()), "wrong_licence", "the claim names another licence")
    allowed = licence.prints + licence.reprints
    _require(
        1 <= claim.sequence <= allowed,
        "wrong_sequence",
        f"print {claim.sequence} cannot exist under a licence for {licence.prints} + {licence.reprints}",
    )
    # (3) the provider
    _require(
        licence.provider == pins.provider,
        "wrong_provider",
        f"the licence is for provider {licence.provider}, this printer belongs to {pins.provider}",
    )
    # (4) the revision
    _check_terms(offer.terms, offer.revision_hash)
    # (5) the file
    return read_manifest(offer.terms.manifest)


def check_release(
    release: Release, offer: ClaimOffer, file: PrintFile, pins: Pins, file_bytes_max: int
) -> None:
    """Decide whether the release is the one that was claimed.

    0. It is for the claimed print and for this printer.
    1. Manifest, salt, commitment and licence are the claimed ones.
    2. The object is the manifest's file: context, size, digest, name; and it fits into memory.
    3. The seal is by whom the manifest says, service or owner, and bound to this release or this licence.

    The caller still owes: opening the key with `open_key`, decrypting with `decrypt`, which check the rest.
    Raises ReleaseRefused; the print is consumed then and is to be reported as failed.
    """
    # (0) print and printer
    _require(release.print_id == offer.print_id, "wrong_print", f"this is for print {release.print_id}")
    _require(_same(release.printer_hash, pins.printer_hash), "wrong_printer", "this is for another printer")
    # (1) what was claimed
    _require(
        release.terms == offer.terms, "terms_changed", "manifest, salt or licence are not the claimed ones"
    )
    # (2) the object
    _check_object(release.object, file, file_bytes_max)
    # (3) the seal
    _check_seal(release, file.custody, pins)


def expected_info(release: Release, custody: str, pins: Pins) -> bytes:
    """Compute the HPKE info string the key of this release must be sealed with (canonical JSON).

    A seal by the service is bound to the release, one by the owner to the licence it came with
    (docs/formats/sealed-key.md).
    """
    by_owner = custody == "owner"
    licence = "0x" + release.terms.licence.struct_hash().hex()
    return canonical_json(
        {
            "format": _SEALED_BY[custody],
            **({"licence": licence} if by_owner else {"release": release.release_id}),
            "printer": "0x" + pins.printer_hash.hex(),
            "object": release.object.context.to_json(),
            "commitment": "0x" + release.terms.commitment.hex(),
        }
    )


def open_key(release: Release, sealing: OpeningKey) -> DataKey:
    """Open the sealed data key (RFC 9180); ReleaseRefused where it is for another printer or release."""
    if release.suite != sealing.suite:
        raise ReleaseRefused(
            "wrong_suite",
            f"the key is sealed with {release.suite}, this printer has {sealing.suite}",
            _TELL_PROVIDER,
        )
    try:
        return open_sealed(release.sealed_key, sealing, release.info.encode())
    except StorageError as error:
        raise ReleaseRefused("sealed_key", f"the key does not open: {error}", _TELL_PROVIDER) from error


def decrypt(
    ciphertext: Iterable[bytes],
    expected: ReleasedObject,
    open_stream: Callable[[Iterator[bytes]], Iterator[Piece]],
) -> Iterator[Piece]:
    """Decrypt as it flows; the caller may use what it got only once the iterator has ended without an error.

    `open_stream` turns ciphertext into authentic plaintext (`storage.stream` with key and context).

    0. Not a byte more of ciphertext or plaintext than announced is taken.
    1. Every chunk is authentic, and the last is the last (StorageError becomes ReleaseRefused "ciphertext").
    2. The ciphertext's digest is the announced one.
    3. The plaintext's size and digest are the manifest's.
    """
    outer, inner = hashlib.sha256(), hashlib.sha256()
    taken = given = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for piece in ciphertext:
            taken += len(piece)
            # (0) no more than announced
            _require(taken <= expected.size, "ciphertext_size", f"more than {expected.size} bytes came")
            outer.update(piece)
            yield piece

    try:
        # (1) chunk by chunk
        for plain in open_stream(counted()):
            given += len(plain)
            _require(given <= expected.plaintext_size, "plaintext_size", "the file is longer than announced")
            inner.update(plain)
            yield plain
    except StorageError as error:
        raise ReleaseRefused("ciphertext", f"damaged on its way: {error}", _TELL_PROVIDER) from error
    # (2) all of the ciphertext
    _require(_same(outer.digest(), expected.sha256), "ciphertext_digest", "this is not the object released")
    # (3) all of the plaintext
    right = given == expected.plaintext_size and _same(inner.digest(), expected.plaintext_sha256)
    _require(right, "plaintext_digest", "the decrypted file is not the one of the manifest")


def read_manifest(text: str) -> PrintFile:
    """Read a manifest of one file; ReleaseRefused ("manifest") where it is not in canonical form."""
    try:
        value = json.loads(text)
        canonical = canonical_json(value) == text.encode()
        file = value["files"][0]
        found = PrintFile(
            filename=str(file["filename"]),
            format=str(file["format"]),
            size=int(file["bytes"]),
            sha256=bytes.fromhex(str(file["sha256"]).removeprefix("0x")),
            context=ObjectContext.from_json(file["object"]),
            recipe=dict(value["recipe"]),
            custody=str(value["custody"]),
        )
    except (KeyError, IndexError, TypeError, ValueError, StorageError, TypedDataError) as error:
        raise ReleaseRefused("manifest", f"the manifest cannot be read: {error!r}", _TELL_PROVIDER) from error
    _require(canonical, "manifest", "the manifest is not canonical JSON")
    _require(value.get("format") == _MANIFEST_FORMAT, "manifest", f"unknown format {value.get('format')!r}")
    _require(found.custody in _SEALED_BY, "manifest", f"unknown custody {found.custody!r}")
    _require(len(value["files"]) == 1, "manifest", f"{len(value['files'])} files, this agent takes one")
    return found


def _check_terms(terms: Terms, revision_hash: bytes) -> None:
    opened = revision_commitment(terms.salt, terms.manifest.encode())
    _require(_same(opened, terms.commitment), "wrong_commitment", "the manifest does not open its commitment")
    revision = Publication(owner=terms.licence.owner, commitment=opened).struct_hash()
    _require(
        _same(revision, terms.licence.revision) and _same(revision, revision_hash),
        "wrong_revision",
        "the licence is for another revision than the manifest's",
    )


def _check_object(released: ReleasedObject, file: PrintFile, file_bytes_max: int) -> None:
    _require(released.context == file.context, "wrong_object", "the object is not the manifest's")
    _require(released.plaintext_size == file.size, "wrong_object", "the size is not the manifest's")
    _require(
        _same(released.plaintext_sha256, file.sha256), "wrong_object", "the digest is not the manifest's"
    )
    _require(released.filename == file.filename, "wrong_object", "the name is not the manifest's")
    if file.size > file_bytes_max:
        raise ReleaseRefused(
            "too_large",
            f"the file has {file.size} bytes, this agent takes {file_bytes_max} into memory",
            "raise PARTVAULT_PRINTER_FILE_BYTES_MAX on a machine with more memory",
        )


def _check_seal(release: Release, custody: str, pins: Pins) -> None:
    """Hold the info string against the one that the manifest's custody demands; name the other custody's."""
    given = release.info.encode()
    for other in _SEALED_BY:
        foreign = other != custody and _same(given, expected_info(release, other, pins))
        sentence = f"the manifest says that the {custody} seals the key, this seal says the {other}"
        _require(not foreign, "wrong_custody", sentence)
    expected = expected_info(release, custody, pins)
    _require(_same(given, expected), "wrong_info", "the key is sealed for something else")


def _same(left: bytes, right: bytes) -> bool:
    return hmac.compare_digest(left, right)


def _require(holds: bool, kind: str, sentence: str) -> None:
    if not holds:
        raise ReleaseRefused(kind, sentence, _TELL_PROVIDER)
