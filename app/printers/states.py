"""The states of a printer, and the words for them."""

from __future__ import annotations

from enum import StrEnum


class PrinterState(StrEnum):
    """awaiting_key → awaiting_approval → approving → enrolled → retiring → retired."""

    AWAITING_KEY = "awaiting_key"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVING = "approving"
    ENROLLED = "enrolled"
    RETIRING = "retiring"
    RETIRED = "retired"
