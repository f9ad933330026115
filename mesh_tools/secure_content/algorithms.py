"""The algorithms that a key store may name (Secure Content 2.2.1.1 and 2.2.2.1), by their URIs."""

from __future__ import annotations

from typing import Final

from mesh_tools.errors import Refused

AES_256_GCM: Final = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
RSA_OAEP: Final = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
RSA_OAEP_MGF1P: Final = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"

IV_BYTES: Final = 12
TAG_BYTES: Final = 16
WRITTEN_HASH: Final = "sha256"
WEAK_HASH: Final = "sha1"

MASKS: Final = {f"http://www.w3.org/2009/xmlenc11#mgf1{name}": name
                for name in ("sha1", "sha256", "sha384", "sha512")}  # fmt: skip
DIGESTS: Final = {
    "http://www.w3.org/2000/09/xmldsig#sha1": "sha1",
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}


def hash_of(wrapping: str, mask: str | None, digest: str | None) -> str:
    """The one hash that the attributes of `kekparams` mean; Refused(package.algorithm) for any other.

    Absent attributes mean SHA-1. Message and mask must use the same hash (2.2.2.1).
    """
    if wrapping not in (RSA_OAEP, RSA_OAEP_MGF1P):
        raise unknown("key wrapping", wrapping)
    masked = "sha1" if mask is None else MASKS.get(mask)
    hashed = "sha1" if digest is None else DIGESTS.get(digest)
    if masked is None:
        raise unknown("mask generation", mask)
    if hashed is None:
        raise unknown("message digest", digest)
    if wrapping == RSA_OAEP_MGF1P and masked != "sha1":
        raise Refused("package.algorithm", "rsa-oaep-mgf1p fixes the mask's hash, yet another one is named.")
    if masked != hashed:
        raise Refused("package.algorithm", f"The mask uses {masked}, the digest {hashed}: they must agree.")
    return hashed


def unknown(what: str, name: str | None) -> Refused:
    """The refusal of an algorithm that is not in the tables."""
    return Refused("package.algorithm", f"The {what} {str(name)[:100]!r} is not one that is accepted.")
