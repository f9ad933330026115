"""Which prints of a printer are under way.

The words are those of the states of `app.prints.lifecycle`, which builds on this package and so cannot be
imported here; a test holds them together.
"""

from __future__ import annotations

from sqlmodel import Session, col, select

from app.models import Print

WAITING = ("authorised", "redeeming")
"""States of a print whose token is to be redeemed, or is being."""

RELEASED = "redeemed"
"""State of a print that was released and has no outcome on chain yet."""


def under_way(session: Session, printer_id: str) -> bool:
    """Tell whether a printer has a print that is neither over nor reported."""
    query = select(Print.id).where(Print.printer_id == printer_id)
    return session.exec(query.where(col(Print.state).in_((*WAITING, RELEASED))).limit(1)).first() is not None


def live_tokens(session: Session, printer_id: str, released_since: int) -> list[bytes]:
    """Give the SHA-256 of the tokens a printer may come with: unused, or released not longer ago."""
    waiting = col(Print.state).in_(WAITING)
    again = (col(Print.state) == RELEASED) & (col(Print.redeemed_at) >= released_since)
    query = select(Print.token_sha256).where(Print.printer_id == printer_id).where(waiting | again)
    return list(session.exec(query).all())
