"""Tests of what a quarantine means beside the printer."""

from __future__ import annotations

import pytest

from printer_agent.errors import NotReady, Reason, ServiceProblem
from printer_agent.quarantine import waiting_in_quarantine

HELD = Reason("printer_quarantined", "the printer is in quarantine")
OTHER = Reason("licence_expired", "the licence expired")


def refused(kind: str, *reasons: Reason) -> ServiceProblem:
    return ServiceProblem(kind, "not permitted", "ask the printer's provider", status=409, reasons=reasons)


class TestWaitingInQuarantine:
    @pytest.mark.parametrize("reasons", [(HELD,), (HELD, OTHER)])
    def test_makes_the_token_wait(self, reasons: tuple[Reason, ...]) -> None:
        with pytest.raises(NotReady) as caught, waiting_in_quarantine():
            raise refused("print-not-permitted", *reasons)
        assert caught.value.kind == "printer_quarantined"
        assert caught.value.remedy == "ask the printer's provider; the same token is tried again"

    @pytest.mark.parametrize(
        "error",
        [
            refused("print-not-permitted", OTHER),
            refused("print-not-permitted"),
            refused("token-spent", HELD),
            refused("invalid-proof", HELD),
        ],
    )
    def test_leaves_every_other_refusal_final(self, error: ServiceProblem) -> None:
        """A spent token that was withheld in a quarantine says so, and nothing is waited for."""
        with pytest.raises(ServiceProblem), waiting_in_quarantine():
            raise error
