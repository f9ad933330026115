"""May prints of a licence be passed on? A pure decision with reasons, for the owner's consent and for the
transfer.

Codes are stable; where the contract has an error for the same thing the code is that error's name in snake
case. The contract enforces the consent's signature and the count; that the terms allow it, and that the
prints could be printed where they go, is policy of the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.clock import rfc3339
from app.errors import Reason
from app.licences.states import LicenceState

TERM = "transferable"
"""The key of a licence's terms that has to be `true`."""


@dataclass(frozen=True)
class Source:
    """The licence that prints are to be taken from: as the row says, and as the chain says.

    `consented` says whether its owner consented, `listed` whether it lists printers, `owner_held` whether its
    owner holds the data key.
    """

    state: str
    expires_at: int
    terms: Mapping[str, Any]
    consented: bool
    listed: bool
    owner_held: bool
    on_chain: bool
    revoked_on_chain: bool


@dataclass(frozen=True)
class Numbers:
    """How many numbers a licence has, and the highest that is printed or that a live print holds."""

    allowed: int
    highest: int

    @property
    def left(self) -> int:
        """How many prints can go."""
        return max(self.allowed - self.highest, 0)


def judge_consent(source: Source, now: int) -> tuple[Reason, ...]:
    """Give every reason why the owner's consent would be against the terms, or of no use."""
    reasons = [*_in_force(source, now)]
    if source.terms.get(TERM) is not True:
        message = f"the licence's terms do not allow transfers: they lack {TERM}: true"
        reasons.append(Reason("terms_not_transferable", message))
    if source.listed:
        message = "the licence lists printers of its provider, and no printer of another is on that list"
        if source.owner_held:
            message += "; nor did the design's owner, who holds its key, seal it to any other"
        reasons.append(Reason("printers_listed", f"{message}; have its owner grant the receiver a licence"))
    return tuple(reasons)


def judge_transfer(source: Source, numbers: Numbers, prints: int, now: int) -> tuple[Reason, ...]:
    """Give every reason why this many prints may not be transferred."""
    reasons = [*judge_consent(source, now)]
    if not source.consented:
        message = "the licence's owner has not consented to transfers; ask the owner for its consent"
        reasons.append(Reason("not_consented", message))
    if prints > numbers.left:
        message = f"{numbers.left} of {numbers.allowed} prints are above the highest number in use"
        reasons.append(Reason("not_transferable", f"{message} ({numbers.highest}), so {prints} cannot go"))
    return tuple(reasons)


def _in_force(source: Source, now: int) -> tuple[Reason, ...]:
    reasons = []
    if source.state in {LicenceState.REVOKING, LicenceState.REVOKED} or source.revoked_on_chain:
        reasons.append(Reason("licence_revoked", "the licence was revoked by its owner"))
    elif source.state != LicenceState.ACTIVE or not source.on_chain:
        reasons.append(Reason("unknown_licence", f"the licence is {source.state}, not active on the ledger"))
    if now >= source.expires_at:
        reasons.append(Reason("licence_expired", f"the licence expired at {rfc3339(source.expires_at)}"))
    return tuple(reasons)
