"""A TPM made up from the specification's structures alone: it says whatever a test wants said."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

FIXED = (1 << 1) | (1 << 4) | (1 << 5)
USER, RESTRICTED, DECRYPT, SIGN = 1 << 6, 1 << 16, 1 << 17, 1 << 18
BEGIN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2040, 1, 1, tzinfo=dt.UTC)


def number(value: int, size: int = 2) -> bytes:
    return value.to_bytes(size, "big")


def sized(raw: bytes) -> bytes:
    return number(len(raw)) + raw


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    numbers = key.public_key().public_numbers()
    return b"\x04" + number(numbers.x, 32) + number(numbers.y, 32)


def public_area(point: bytes, attributes: int, *, scheme: bytes = number(0x0018) + number(0x000B)) -> bytes:
    """A TPMT_PUBLIC: ECC, SHA-256 name, no policy, no cipher, a scheme, P-256, no KDF, the point."""
    head = number(0x0023) + number(0x000B) + number(attributes, 4) + sized(b"") + number(0x0010)
    return head + scheme + number(0x0003) + number(0x0010) + sized(point[1:33]) + sized(point[33:])


def name_of(area: bytes) -> bytes:
    return number(0x000B) + hashlib.sha256(area).digest()


def attest(binding: bytes, name: bytes, *, magic: int = 0xFF544347, kind: int = 0x8017) -> bytes:
    """A TPMS_ATTEST of a certification."""
    clock = bytes(8) + bytes(4) + bytes(4) + b"\1" + bytes(8)
    return (
        number(magic, 4)
        + number(kind)
        + sized(b"signer")
        + sized(binding)
        + clock
        + sized(name)
        + sized(b"q")
    )


@dataclass
class MadeUpTpm:
    """Keys of a TPM; `evidence` says what an honest one says, and takes what is to be said instead."""

    attester: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    signing: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    sealing: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    attester_attributes: int = FIXED | USER | RESTRICTED | SIGN
    attributes: dict[str, int] = field(
        default_factory=lambda: {"signing": FIXED | USER | SIGN, "sealing": FIXED | USER | DECRYPT}
    )

    def evidence(self, binding: bytes, **instead: Any) -> dict[str, Any]:
        area = public_area(point_of(self.attester), self.attester_attributes)
        keys = {role: self._certified(role, binding, **instead) for role in ("signing", "sealing")}
        certificate = instead.get("certificate")
        return {
            "format": "partvault/tpm2-certify/v1",
            "attestation_key": text(instead.get("attester_area", area)),
            "endorsement_certificate": None if certificate is None else text(certificate),
            "keys": keys,
        }

    def _certified(self, role: str, binding: bytes, **instead: Any) -> dict[str, str]:
        area = public_area(point_of(getattr(self, role)), self.attributes[role])
        name = instead.get("name", name_of(area))
        info = attest(binding, name, magic=instead.get("magic", 0xFF544347), kind=instead.get("kind", 0x8017))
        info = instead.get("info", info)
        signer = instead.get("signer", self.attester)
        r, s = decode_dss_signature(signer.sign(info, ec.ECDSA(SHA256())))
        signature = instead.get("signature", number(r, 32) + number(s, 32))
        return {"public": text(instead.get("area", area)), "info": text(info), "signature": text(signature)}


@dataclass
class Manufacturer:
    """A CA that certifies endorsement keys, directly or through one below it."""

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    name: str = "maker"

    def root(self, **options: Any) -> x509.Certificate:
        return self.certificate(self.name, self.key.public_key(), ca=True, **options)

    def certificate(
        self, subject: str, key: Any, *, ca: bool | None = None, end: dt.datetime = END
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named(self.name))
        builder = builder.public_key(key).serial_number(0xABC).not_valid_before(BEGIN).not_valid_after(end)
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        return builder.sign(self.key, SHA256())


def named(text_: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text_)])


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
