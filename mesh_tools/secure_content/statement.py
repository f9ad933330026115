"""The signed statement of a package: a compact JWS (RFC 7515) by ES256 over product, version and every part.

It is checked before a byte of XML is parsed, and it is strict: one spelling of header, payload and base64url.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import rfc8785

from mesh_tools.errors import Refused
from mesh_tools.secure_content.binding import Product
from mesh_tools.secure_content.keys import SigningKey, TrustedSigner

STATEMENT_NAME: Final = "Secure/statement.jws"
STATEMENT_TYPE: Final = "application/jose"
STATEMENT_RELATION: Final = "urn:partvault:secure-package:statement"
PACKAGE_FORMAT: Final = "partvault/secure-package/v1"
TOKEN_TYPE: Final = "partvault-package+jws"  # noqa: S105 - a media type
STATEMENT_BYTES_MAX: Final = 1 << 20


def sign_statement(product: Product, parts: Mapping[str, bytes], key: SigningKey) -> bytes:
    """The statement over `parts`, the bytes of every other part by name, in the package's order."""
    header = _header(key.public)
    payload = rfc8785.dumps({
        "format": PACKAGE_FORMAT, "parts": _rows(parts), "product": product.name, "version": product.version,
    })  # fmt: skip
    message = f"{_encoded(header)}.{_encoded(payload)}".encode()
    return message + b"." + _encoded(key.sign(message)).encode()


def verify_statement(
    token: bytes, parts: Mapping[str, bytes], trusted: Sequence[TrustedSigner]
) -> tuple[Product, TrustedSigner]:
    """Who says what the package is of; Refused(package.signature) where anything stands against it.

    1. The token is a JWS of three canonical base64url parts, of bounded size.
    2. Its header is, byte for byte, a trusted signer's: algorithm and type are not the token's to choose.
    3. The signature is that signer's.
    4. The payload, believed from here on, lists exactly these parts in this order with these digests.
    """
    # (1) form
    if len(token) > STATEMENT_BYTES_MAX or token.count(b".") != 2:
        raise _refused("The package's statement is not a JWS of bounded size.")
    message, _, tail = token.rpartition(b".")
    header, payload = (_decoded(field) for field in message.split(b"."))
    signature = _decoded(tail)
    # (2) signer
    signer = next((one for one in trusted if hmac.compare_digest(header, _header(one))), None)
    if signer is None:
        raise _refused("The package is signed by nobody who is trusted.")
    # (3) signature
    if not signer.signed(message, signature):
        raise _refused("The package's signature does not verify: it was altered after signing.")
    # (4) parts
    claim = _claim(payload)
    if claim["parts"] != _rows(parts):
        raise _refused("The parts of the package are not those that were signed.")
    return Product(claim["product"], claim["version"]), signer


def _header(signer: TrustedSigner) -> bytes:
    return rfc8785.dumps({"alg": "ES256", "kid": signer.thumbprint, "typ": TOKEN_TYPE})


def _rows(parts: Mapping[str, bytes]) -> list[dict[str, str]]:
    return [{"path": "/" + name, "sha256": hashlib.sha256(part).hexdigest()} for name, part in parts.items()]


def _claim(payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        raise _refused("The statement is not JSON.") from None
    if not isinstance(value, dict) or value.get("format") != PACKAGE_FORMAT:
        raise _refused("The statement is of another format.")
    if set(value) != {"format", "parts", "product", "version"}:
        raise _refused("The statement does not hold what its format demands.")
    if not isinstance(value["product"], str) or not isinstance(value["version"], str):
        raise _refused("The statement's product and version are no texts.")
    return value


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _decoded(field: bytes) -> bytes:
    try:
        value = base64.b64decode(field + b"=" * (-len(field) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _refused("The package's statement is not base64url.") from None
    if _encoded(value).encode() != field:
        raise _refused("The package's statement is not canonical base64url.")
    return value


def _refused(message: str) -> Refused:
    return Refused("package.signature", message)
