"""The states of a licence, and the words for them."""

from __future__ import annotations

from enum import StrEnum


class LicenceState(StrEnum):
    """pending → active | rejected; active → revoking → revoked, or back to active when rejected."""

    PENDING = "pending"
    ACTIVE = "active"
    REJECTED = "rejected"
    REVOKING = "revoking"
    REVOKED = "revoked"
