"""Key back ends behind one port, chosen by address: `file:`, `awskms:`, `vault:` and `pkcs11:`."""

from __future__ import annotations

from pathlib import Path

from storage.errors import UriInvalid
from storage.keys.base import KeyBackend, WrappedKey
from storage.keys.file import FileKeys

__all__ = ["KeyBackend", "WrappedKey", "open_keys"]


def open_keys(uri: str) -> KeyBackend:
    """Open the key back end at `uri`; raises `UriInvalid` for an address no back end understands.

    Addresses hold no secrets: `vault:` and `pkcs11:` name an owner-only file with the token or PIN, `awskms:`
    uses the SDK's credentials. Each back end is loaded only where it is asked for.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == "file" and rest:
        return FileKeys(Path(rest))
    if scheme == "vault":
        from storage.keys.vault import open_vault

        return open_vault(uri, rest)
    if scheme == "awskms":
        from storage.keys.awskms import open_kms

        return open_kms(uri, rest)
    if scheme == "pkcs11":
        from storage.keys.pkcs11 import open_pkcs11

        return open_pkcs11(uri, rest)
    raise UriInvalid(f"key back end {uri!r} is not understood; use file:, awskms:, vault: or pkcs11:")
