"""The print token as the printer holds it: a secret that shows only its digest."""

from __future__ import annotations

import base64
import hashlib

from ledger.commitment import part_token
from printer_agent.errors import ReleaseRefused

_KEY_CONTEXT = b"partvault/redeem/v1\x00"
_PLATE_PREFIX = "pvp_"
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

    @property
    def is_plate(self) -> bool:
        """Whether it is for a plate of several prints."""
        return self._text.startswith(_PLATE_PREFIX)

    def claimed(self, part: int = 0) -> bytes:
        """What a claim carries for this token: its digest; for a plate, what the part gets of it."""
        return part_token(self.digest(), part) if self.is_plate else self.digest()

    def part(self, part: int) -> PartToken:
        """Give what stands for one part of a plate."""
        return PartToken(self, part)

    def idempotency_key(self) -> str:
        """Derive the Idempotency-Key of its redemption: the same token always retries the same request."""
        digest = hashlib.sha256(_KEY_CONTEXT + self._text.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def __repr__(self) -> str:
        return "PrintToken(***)"


class PartToken(PrintToken):
    """One part of a plate: what its claim carries, and nothing that could be redeemed."""

    __slots__ = ("_claimed",)

    def __init__(self, token: PrintToken, part: int) -> None:
        super().__init__("part")
        self._claimed = token.claimed(part)

    def digest(self) -> bytes:
        """Give what the part's claim carries."""
        return self._claimed
