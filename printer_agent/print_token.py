"""The print token as the printer holds it: a secret that shows only its digest."""

from __future__ import annotations

import base64
import hashlib

from printer_agent.errors import ReleaseRefused

_KEY_CONTEXT = b"partvault/redeem/v1\x00"
_LENGTH_MAX = 512


class PrintToken:
    """A print token; its text form is `***`.

    Raises ReleaseRefused ("malformed_token") for text that can be no token.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        text = text.strip()
        printable = text.isascii() and text.isprintable() and " " not in text
        if not text or len(text) > _LENGTH_MAX or not printable:
            raise ReleaseRefused(
                "malformed_token",
                "that is no print token",
                "copy the token once more from the provider's answer",
            )
        self._text = text

    def reveal(self) -> str:
        """Give the token, for the Authorization header alone."""
        return self._text

    def digest(self) -> bytes:
        """SHA-256 of the token, the value a print claim carries and the journal keeps."""
        return hashlib.sha256(self._text.encode()).digest()

    def idempotency_key(self) -> str:
        """Derive the Idempotency-Key of its redemption: the same token always retries the same request."""
        digest = hashlib.sha256(_KEY_CONTEXT + self._text.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def __repr__(self) -> str:
        return "PrintToken(***)"
