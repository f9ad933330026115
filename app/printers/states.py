"""The states of a printer, and the words for them."""

from __future__ import annotations

from enum import StrEnum


class PrinterState(StrEnum):
    """awaiting_key → awaiting_approval → approving → enrolled → retiring → retired.

    A row holds these, as the chain has them. `quarantined` is how an enrolled printer is shown while a
    quarantine is open: the chain knows nothing of it, and a printer can be retired out of it.
    """

    AWAITING_KEY = "awaiting_key"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVING = "approving"
    ENROLLED = "enrolled"
    QUARANTINED = "quarantined"
    RETIRING = "retiring"
    RETIRED = "retired"
