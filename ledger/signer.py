"""An account's secp256k1 key: the managed accounts of organisations and the relay's own."""

from __future__ import annotations

from typing import NoReturn

import coincurve

from ledger.address import address_of_key
from ledger.errors import SignatureError


class AccountKey:
    """A private key that shows itself only to who asks for it by `reveal`; not picklable, not copyable."""

    __slots__ = ("_address", "_key")

    def __init__(self, key: coincurve.PrivateKey) -> None:
        self._key = key
        self._address = address_of_key(key.public_key.format(compressed=False)[1:])

    @classmethod
    def generate(cls) -> AccountKey:
        """Return a new key from the system's randomness."""
        return cls(coincurve.PrivateKey())

    @classmethod
    def from_bytes(cls, secret: bytes) -> AccountKey:
        """Return the key of 32 bytes; SignatureError if they are no key, without repeating them."""
        if len(secret) != 32:
            raise SignatureError(f"an account key is 32 bytes, this one {len(secret)}")
        try:
            return cls(coincurve.PrivateKey(secret))
        except ValueError:
            raise SignatureError(
                "these 32 bytes are no secp256k1 key (zero, or not below the order)"
            ) from None

    @property
    def address(self) -> str:
        """The account's address, EIP-55."""
        return self._address

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest; return r ‖ s ‖ v, 65 bytes, s in the lower half of the order, v 27 or 28
        (RFC 6979).
        """
        if len(digest) != 32:
            raise SignatureError(f"a digest is 32 bytes, this one {len(digest)}")
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([signature[64] + 27])

    def reveal(self) -> bytes:
        """Return the 32 secret bytes; the caller must not log, store or send them unsealed."""
        return self._key.secret

    def __repr__(self) -> str:
        return "AccountKey(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an account key is not to be copied or pickled; use reveal() and from_bytes()")
