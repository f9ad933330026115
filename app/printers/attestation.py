"""What a device's evidence shows of a printer's keys, claim by claim; docs/formats/attestation.md.

The evidence decides nothing by itself: it is stored as it came, and shown to the provider who approves the
printer and to whoever asks for prints on it. Each claim stands or falls alone and says why; only where all
hold is it shown that the keys are in a manufacturer's TPM.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from app.printers.tpm2 import (
    DECRYPT,
    FIXED_PARENT,
    FIXED_TPM,
    RESTRICTED,
    SENSITIVE_DATA_ORIGIN,
    SIGN,
    Certification,
    Malformed,
    PublicArea,
)

TPM2 = "partvault/tpm2-certify/v1"
NONE = "none"
EVIDENCE_BYTES_MAX = 16_384
_CHAIN_MAX = 5
_KEPT = (FIXED_TPM, FIXED_PARENT, SENSITIVE_DATA_ORIGIN)
_UNREADABLE = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    binascii.Error,
    Malformed,
    UnsupportedAlgorithm,
)


@dataclass(frozen=True)
class Claim:
    """One thing the evidence may show, whether it does, and why."""

    name: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class Attested:
    """What the evidence is about: the two public points as they were enrolled, and what binds it to them.

    binding: the digest of the printer's sealing statement, which names both keys and the provider
    activated: whether the endorsement key opened the service's challenge when the printer enrolled
    """

    signing: bytes
    sealing: bytes
    binding: bytes
    activated: bool


def examine(
    evidence: Mapping[str, Any], about: Attested, authorities: Sequence[x509.Certificate], now: int
) -> list[Claim]:
    """Judge evidence; never raises for what it holds.

    1. The attestation key is a TPM's restricted signing key, so it signs nothing but what the TPM attests.
    2. For each of the two keys: it certified that key's Name over the binding; the Name is of a public area
       with the enrolled point; the area says that the key was made in the TPM and never leaves it.
    3. The endorsement key has vouched that the attestation key is of its TPM: without it (1) and (2) are what
       anybody can write.
    4. The endorsement key's certificate leads to a manufacturer that the service's operator trusts.
    """
    if evidence.get("format") != TPM2:
        return [Claim("format", False, f"evidence of format {str(evidence.get('format'))[:80]!r} is unknown")]
    try:
        attester = PublicArea.read(_bytes(evidence, "attestation_key"))
    except _UNREADABLE as error:
        return [Claim("attestation_key", False, f"the attestation key cannot be read: {error}")]
    return [
        _restricted(attester),
        *_certified(evidence, "signing", about.signing, SIGN, about.binding, attester),
        *_certified(evidence, "sealing", about.sealing, DECRYPT, about.binding, attester),
        _same_tpm(about.activated),
        _manufacturer(evidence, authorities, now),
    ]


def endorsement_key(evidence: Mapping[str, Any]) -> tuple[rsa.RSAPublicKey, bytes] | None:
    """Give what a challenge is made for, endorsement key and attestation key's Name; None where unread."""
    try:
        certificate, attester = _certificate(evidence), PublicArea.read(_bytes(evidence, "attestation_key"))
        key = None if certificate is None else certificate.public_key()
    except _UNREADABLE:
        return None
    return (key, attester.name()) if isinstance(key, rsa.RSAPublicKey) else None


def subject_of(evidence: Mapping[str, Any]) -> str:
    """Name the keys a challenge is for, so that another's answer does not fit."""
    parts = (str(evidence.get(name)) for name in ("attestation_key", "endorsement_certificate"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def endorsement_of(evidence: Mapping[str, Any]) -> str | None:
    """Name the endorsement key's certificate for people, None where there is none."""
    try:
        found = _certificate(evidence)
        return None if found is None else f"{found.issuer.rfc4514_string()}, serial {found.serial_number:x}"
    except _UNREADABLE:
        return None


@lru_cache(maxsize=4)
def read_authorities(path: Path | None) -> tuple[x509.Certificate, ...]:
    """Read the operator's bundle of manufacturers' certificates (PEM), once; none where none is set."""
    return () if path is None else tuple(x509.load_pem_x509_certificates(path.read_bytes()))


def _restricted(attester: PublicArea) -> Claim:
    holds = attester.has(*_KEPT, RESTRICTED, SIGN) and not attester.has(DECRYPT)
    said = "says that it is" if holds else "does not say that it is"
    return Claim(
        "attestation_key",
        holds,
        f"the attestation key's public area {said} a restricted signing key of a TPM",
    )


def _certified(
    evidence: Mapping[str, Any], role: str, point: bytes, use: int, binding: bytes, attester: PublicArea
) -> Iterator[Claim]:
    """(2) the certification of one key, then what its public area says of it."""
    certified, kept = f"{role}_key_certified", f"{role}_key_kept"
    try:
        given = evidence["keys"][role]
        area, info = PublicArea.read(_bytes(given, "public")), _bytes(given, "info")
        certification, signature = Certification.read(info), _bytes(given, "signature")
    except _UNREADABLE as error:
        yield Claim(certified, False, f"the certification of the {role} key cannot be read: {error}")
        return
    wrong = _first_wrong(
        (certification.extra_data == binding, "is of another enrolment"),
        (certification.name == area.name(), "names another key than the public area beside it"),
        (b"\x04" + area.x + area.y == point, "is of another key than the enrolled one"),
        (_signed(attester, info, signature), "is not signed by the attestation key"),
    )
    yield Claim(certified, wrong is None, f"the certification {wrong or f'is of the enrolled {role} key'}")
    if wrong is None:
        holds = area.has(*_KEPT, use) and not area.has(RESTRICTED)
        said = "was made in the TPM and cannot leave it" if holds else "may have come from or go elsewhere"
        yield Claim(kept, holds, f"by its attributes the {role} key {said}")


def _same_tpm(activated: bool) -> Claim:
    sentence = (
        "the endorsement key opened a challenge to the attestation key, so both are of one TPM"
        if activated
        else "nothing shows that the attestation key is a TPM's: no endorsement key opened a challenge to it"
    )
    return Claim("same_tpm", activated, sentence)


def _manufacturer(evidence: Mapping[str, Any], authorities: Sequence[x509.Certificate], now: int) -> Claim:
    """(4) from the certificate to a self-signed one of the bundle, each valid now and allowed to sign."""
    try:
        certificate = _certificate(evidence)
        root = None if certificate is None else _root(certificate, authorities, now)
    except _UNREADABLE as error:
        return Claim("manufacturer", False, f"the endorsement certificate cannot be read: {error}")
    if certificate is None:
        sentence = "the TPM has no endorsement certificate"
    elif not authorities:
        sentence = "the service's operator has set no manufacturers' certificates to compare with"
    elif root is None:
        sentence = "the endorsement certificate leads to no manufacturer that the service's operator trusts"
    else:
        sentence = f"the endorsement certificate leads to {root.subject.rfc4514_string()}"
    return Claim("manufacturer", root is not None, sentence)


def _root(
    certificate: x509.Certificate, authorities: Sequence[x509.Certificate], now: int
) -> x509.Certificate | None:
    """Walk up by issuer, for `_CHAIN_MAX` steps at the most."""
    current = certificate
    for _ in range(_CHAIN_MAX):
        if not _valid(current, now):
            return None
        issuer = next((each for each in authorities if _may_sign(each) and _issued(current, each)), None)
        if issuer is None:
            return None
        if _issued(issuer, issuer):
            return issuer if _valid(issuer, now) else None
        current = issuer
    return None


def _valid(certificate: x509.Certificate, now: int) -> bool:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begins.timestamp() <= now <= ends.timestamp()


def _may_sign(authority: x509.Certificate) -> bool:
    try:
        return authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def _signed(attester: PublicArea, info: bytes, signature: bytes) -> bool:
    point = b"\x04" + attester.x + attester.y
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
        key.verify(encode_dss_signature(r, s), info, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return len(signature) == 64


def _first_wrong(*checks: tuple[bool, str]) -> str | None:
    return next((sentence for holds, sentence in checks if not holds), None)


def _certificate(evidence: Mapping[str, Any]) -> x509.Certificate | None:
    if evidence.get("endorsement_certificate") is None:
        return None
    return x509.load_der_x509_certificate(_bytes(evidence, "endorsement_certificate"))


def _bytes(evidence: Mapping[str, Any], name: str) -> bytes:
    return base64.b64decode(evidence[name], validate=True)
