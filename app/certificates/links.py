"""Where the public finds a print: the address that a certificate's QR code leads to."""

from __future__ import annotations

from fastapi import Request

from app.settings import Settings


def verification_url(settings: Settings, request: Request, print_hash: bytes) -> str:
    """Give the public page of a print, under PARTVAULT_PUBLIC_URL, or under the address it was asked at."""
    base = settings.public_url or str(request.base_url)
    return f"{base.rstrip('/')}/verify/0x{print_hash.hex()}"
