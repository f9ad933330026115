"""What the additional authenticated data of our packages say: product, version and path of the part.

AES-GCM vouches for them with the part, so a part of another product, of an older version or from another
place in the package does not open as this one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from mesh_tools.errors import Refused

PART_FORMAT: Final = "partvault/secure-part/v1"
NAME_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Product:
    """What a package is of. Both stand in the package in plain text."""

    name: str
    version: str

    def __post_init__(self) -> None:
        for what, text in (("product", self.name), ("version", self.version)):
            if not 0 < len(text) <= NAME_CHARS_MAX or not text.isprintable():
                message = f"The {what} must be 1 to {NAME_CHARS_MAX} printable characters, not {text[:40]!r}."
                raise Refused("package.binding", message)


def aad_of(product: Product, path: str) -> bytes:
    """The AAD of the part `path` (without leading slash): canonical JSON (RFC 8785)."""
    return rfc8785.dumps({
        "format": PART_FORMAT, "path": "/" + path, "product": product.name, "version": product.version,
    })  # fmt: skip


def check_binding(aad: bytes, path: str, product: Product | None) -> None:
    """Hold the AAD of the part `path` to where it stands, and to `product` where one is demanded.

    AAD of other programs are accepted only where none is demanded. Raises Refused(package.binding).
    """
    if product is not None:
        if aad != aad_of(product, path):
            message = f"{path!r} is not bound to {product.name!r}, version {product.version!r}."
            raise Refused("package.binding", message)
        return
    claimed = _claim(aad)
    if claimed is not None and claimed.get("path") != "/" + path:
        raise Refused("package.binding", f"{path!r} was encrypted as {str(claimed.get('path'))[:100]!r}.")


def _claim(aad: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(aad)
    except (ValueError, RecursionError):
        return None
    ours = isinstance(value, dict) and value.get("format") == PART_FORMAT
    return value if ours else None
