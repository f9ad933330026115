"""Checks a certificate that somebody shows, against the service's own ledger; nothing of it is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.errors import Invalid, Unavailable
from app.evidence import print_bundle
from app.wiring import Services
from ledger import certificate
from ledger.certificate_audit import Expected, Verification, verify
from ledger.evidence import EvidenceError

AT_ONCE: Final = 2
_TURNS: Final = threading.BoundedSemaphore(AT_ONCE)
"""Anybody may ask, so no more than this many checks run at one time in a process."""


def check(services: Services, print_hash: bytes, content: bytes) -> Verification:
    """Verify a certificate, and that it is of this print on this service's ledger.

    Raises Invalid where it is no certificate, Unavailable while too many are being checked, ChainError while
    no node answers.
    """
    try:
        shown = certificate.parse(content)
    except EvidenceError as error:
        raise Invalid(
            f"this is no certificate: {error}", field=error.field, remedy="send the JSON certificate as it is"
        ) from None
    expected = Expected(contract=services.ledger.domain.contract, print="0x" + print_hash.hex())
    with _turn():
        return verify(shown, print_bundle.node(services), expected)


@contextmanager
def _turn() -> Iterator[None]:
    if not _TURNS.acquire(blocking=False):
        raise Unavailable("other certificates are being checked", remedy="try again in a moment")
    try:
        yield
    finally:
        _TURNS.release()
