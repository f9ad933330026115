"""What the contract's views answer about licences, printers and revisions, None where it knows none. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.address import checksum_address

_NOBODY: Final = "0x" + "00" * 20


@dataclass(frozen=True)
class LicenceState:
    """What the contract keeps of a licence; see `IPrintLedger.LicenceState`."""

    provider: str
    starts_at: int
    expires_at: int
    prints: int
    reprints: int
    credited: int
    used: int
    base: int
    window: int
    revoked: bool
    printers: bytes


@dataclass(frozen=True)
class PrinterState:
    """What the contract keeps of a printer."""

    provider: str
    retired: bool


def licence_state(answer: Sequence[Any]) -> LicenceState | None:
    """Read the answer of `licenceState`; a licence without provider was never granted."""
    (values,) = answer
    if values[0] == _NOBODY:
        return None
    return LicenceState(checksum_address("provider", values[0]), *values[1:])


def printer_state(answer: Sequence[Any]) -> PrinterState | None:
    """Read the answer of `printerState`; a printer without provider was never enrolled."""
    provider, retired = answer
    return None if provider == _NOBODY else PrinterState(checksum_address("provider", provider), retired)


def revision_owner(answer: Sequence[Any]) -> str | None:
    """Read the answer of `revisionOwner`; a revision without owner was never published."""
    (owner,) = answer
    return None if owner == _NOBODY else checksum_address("owner", owner)
