"""What the service sends a printer, read strictly: the offer of a claim and the release.

Reading proves nothing but form; `printer_agent.release` holds the content against what was pinned and signed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ledger.errors import TypedDataError
from ledger.typed_data import Domain, Licence, PrintClaim
from mesh_tools.arrange import PARTS_MAX, Spot
from printer_agent.errors import ReleaseRefused
from storage.envelope import ObjectContext
from storage.errors import StorageError


@dataclass(frozen=True)
class Terms:
    """What is printed and who allowed it: the part every answer repeats.

    manifest: canonical JSON (RFC 8785) of the revision, as text
    salt, commitment: 32 bytes each; `revision_hash` the revision's name on chain
    """

    manifest: str
    salt: bytes
    commitment: bytes
    licence: Licence


@dataclass(frozen=True)
class ClaimOffer:
    """What the service asks the printer to sign before it may have the release."""

    print_id: str
    claim: PrintClaim
    domain: Domain
    revision_hash: bytes
    terms: Terms

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read the answer of `GET /v1/prints/claim`; else ReleaseRefused ("malformed_claim")."""
        try:
            domain = value["domain"]
            return cls(
                print_id=_text(value["print_id"]),
                claim=PrintClaim.from_json(value["claim"]),
                domain=Domain(chain_id=_integer(domain["chain_id"]), contract=_text(domain["contract"])),
                revision_hash=_bytes32(value["revision_hash"]),
                terms=_terms(value),
            )
        except (KeyError, TypeError, ValueError, TypedDataError) as error:
            raise _malformed("claim", error) from error


@dataclass(frozen=True)
class PlateOffer:
    """What the service asks the printer to sign for a plate: for each part its offer as JSON, with the
    part's place on the plate and its spot on the bed among the members.
    """

    plate_id: str
    parts: tuple[dict[str, Any], ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read the answer of `GET /v1/plates/claim`; else ReleaseRefused ("malformed_claim")."""
        try:
            plate_id, spots, parts = _text(value["plate_id"]), value["layout"], value["parts"]
            if not 1 <= len(parts) <= PARTS_MAX or len(spots) != len(parts):
                raise ValueError(f"{len(parts)} parts with {len(spots)} spots")
            placed = [Spot(float(s["x_mm"]), float(s["y_mm"]), float(s["turn_deg"])) for s in spots]
            about = {"id": plate_id, "parts": len(parts)}
            return cls(
                plate_id,
                tuple(
                    {
                        **part,
                        "domain": value["domain"],
                        "plate": {**about, "part": at, "spot": spot.to_json()},
                    }
                    for at, (part, spot) in enumerate(zip(parts, placed, strict=True))
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _malformed("claim", error) from error


@dataclass(frozen=True)
class ReleasedObject:
    """Where the ciphertext is and what it must be.

    size (bytes), sha256: of the ciphertext; plaintext_size, plaintext_sha256: of the print file
    context: the object version the ciphertext is bound to
    """

    url: str
    size: int
    sha256: bytes
    plaintext_size: int
    plaintext_sha256: bytes
    filename: str
    context: ObjectContext


@dataclass(frozen=True)
class Release:
    """The sealed key and the ciphertext handed over for one print."""

    release_id: str
    print_id: str
    printer_hash: bytes
    suite: str
    sealed_key: bytes
    info: str
    object: ReleasedObject
    terms: Terms
    receipt: Mapping[str, Any]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read the answer of `POST /v1/prints/redeem`; else ReleaseRefused ("malformed_release")."""
        try:
            sealed = value["sealed_key"]
            return cls(
                release_id=_text(value["release_id"]),
                print_id=_text(value["print_id"]),
                printer_hash=_bytes32(value["printer_hash"]),
                suite=_text(sealed["suite"]),
                sealed_key=base64.b64decode(_text(sealed["blob"]), validate=True),
                info=_text(value["info"]),
                object=_object(value["object"]),
                terms=_terms(value),
                receipt=_mapping(value["receipt"]),
            )
        except (KeyError, TypeError, ValueError, TypedDataError, StorageError) as error:
            raise _malformed("release", error) from error


def _object(value: Mapping[str, Any]) -> ReleasedObject:
    return ReleasedObject(
        url=_text(value["url"]),
        size=_integer(value["bytes"]),
        sha256=_bytes32(value["sha256"]),
        plaintext_size=_integer(value["plaintext_bytes"]),
        plaintext_sha256=_bytes32(value["plaintext_sha256"]),
        filename=_text(value["filename"]),
        context=ObjectContext.from_json(_mapping(value["context"])),
    )


def _terms(value: Mapping[str, Any]) -> Terms:
    return Terms(
        manifest=_text(value["manifest"]),
        salt=_bytes32(value["salt"]),
        commitment=_bytes32(value["commitment"]),
        licence=Licence.from_json(value["licence"]),
    )


def _malformed(what: str, error: Exception) -> ReleaseRefused:
    return ReleaseRefused(
        f"malformed_{what}",
        f"the service sent no readable {what} ({type(error).__name__}: {error})",
        "check that the agent and the service have matching versions",
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"expected text, got {value!r}")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"expected a count, got {value!r}")
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, got {value!r}")
    return value


def _bytes32(value: object) -> bytes:
    raw = bytes.fromhex(_text(value).removeprefix("0x"))
    if len(raw) != 32:
        raise ValueError(f"expected 32 bytes, got {len(raw)}")
    return raw
