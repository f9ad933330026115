"""What a quarantine means beside the printer: wait. It is lifted by people, and the token may outlive it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from printer_agent.errors import NotReady, ServiceProblem

_REFUSAL, _REASON = "print-not-permitted", "printer_quarantined"


@contextmanager
def waiting_in_quarantine() -> Iterator[None]:
    """Turn the service's refusal of a printer in quarantine into NotReady; the same token continues later.

    A print whose number the chain counted during the quarantine is refused for good: its token says so then.
    """
    try:
        yield
    except ServiceProblem as error:
        if error.kind != _REFUSAL or _REASON not in {reason.code for reason in error.reasons}:
            raise
        remedy = f"{error.remedy or 'ask its provider'}; the same token is tried again"
        raise NotReady(_REASON, error.message, remedy) from error
