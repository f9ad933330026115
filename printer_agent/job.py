"""A print as the printer lives it: a pure state machine without I/O, clock or randomness.

    received → claimed → released → verified → decrypted → gated → started → finished → reported
                                                       ↘ refused ↗            ↘ failed ↗

Ordering rules, each held by the machine and not by its caller:

- A claim is signed only after `claim` accepted the offer; a release is taken only for a claimed print.
- The data key exists only in `verified`: `verify` runs the whole checklist of `printer_agent.release` first.
- `decrypted` is reached only with the digest of the manifest; the digest the gate saw must be that digest.
- The printer starts only from `gated`; nothing leads back, so one job starts at most once. That one *release*
  starts at most once, over restarts and copies of the token, is the journal's part.
- From `released` on the print is consumed: whatever ends it has an outcome, and `refused` and `failed` report
  `FAILED`, so that the licence may credit it. Before `released` a refusal leaves nothing to report.

A method called in a wrong state raises RuntimeError (the program is wrong). Data that does not hold raises
ReleaseRefused or GateRefused (the operator must know) and leaves the job `refused`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeVar

from ledger.typed_data import PrintClaim, Result
from printer_agent.errors import AgentError, GateRefused, ReleaseRefused
from printer_agent.offers import ClaimOffer, Release
from printer_agent.pins import Pins
from printer_agent.print_token import PrintToken
from printer_agent.release import PrintFile, check_claim, check_release, open_key
from printer_agent.reporting import Circumstances, Ending, Report, make_report
from storage.recipients import OpeningKey
from storage.secret import DataKey

_T = TypeVar("_T")
_NO_MACHINE = "toolpath.no_machine:"


class JobState(StrEnum):
    """Where a print stands."""

    RECEIVED = "received"
    CLAIMED = "claimed"
    RELEASED = "released"
    VERIFIED = "verified"
    DECRYPTED = "decrypted"
    GATED = "gated"
    STARTED = "started"
    FINISHED = "finished"
    REPORTED = "reported"
    REFUSED = "refused"
    FAILED = "failed"


class Job:
    """One print on one printer; see the module for the order of its calls."""

    def __init__(self, pins: Pins, token: PrintToken) -> None:
        self._pins = pins
        self._token = token
        self._state = JobState.RECEIVED
        self._offer: ClaimOffer | None = None
        self._file: PrintFile | None = None
        self._release: Release | None = None
        self._started_at: int | None = None
        self._ending: Ending | None = None

    @property
    def state(self) -> JobState:
        """Where the job stands."""
        return self._state

    @property
    def consumed(self) -> bool:
        """Whether the ledger has counted this print, so that it must be reported."""
        return self._release is not None

    @property
    def offer(self) -> ClaimOffer:
        """The offer accepted by `claim`."""
        return _present(self._offer)

    @property
    def file(self) -> PrintFile:
        """The manifest's file, from `claimed` on."""
        return _present(self._file)

    @property
    def released(self) -> Release:
        """The release, from `released` on."""
        return _present(self._release)

    def claim(self, offer: ClaimOffer) -> PrintClaim:
        """Accept an offer (received → claimed); give the claim to sign."""
        self._expect(JobState.RECEIVED)
        with self._refusing():
            self._file = check_claim(offer, self._pins, self._token)
        self._offer = offer
        self._state = JobState.CLAIMED
        return offer.claim

    def release(self, release: Release) -> None:
        """Take the release of the claimed print (claimed → released); the print is consumed from here on."""
        self._expect(JobState.CLAIMED)
        self._release = release
        self._state = JobState.RELEASED

    def verify(self, sealing: OpeningKey, file_bytes_max: int) -> DataKey:
        """Run the checklist and open the key (released → verified)."""
        self._expect(JobState.RELEASED)
        with self._refusing():
            check_release(self.released, self.offer, self.file, self._pins, file_bytes_max)
            key = open_key(self.released, sealing)
        self._state = JobState.VERIFIED
        return key

    def decrypted(self, sha256: bytes, size: int) -> None:
        """Note that the whole plaintext is in memory, with this digest and size (verified → decrypted)."""
        self._expect(JobState.VERIFIED)
        with self._refusing():
            if size != self.file.size or not hmac.compare_digest(sha256, self.file.sha256):
                raise ReleaseRefused("plaintext_digest", "the decrypted file is not the one of the manifest")
        self._state = JobState.DECRYPTED

    def gated(self, verdict: str, sha256: bytes, reasons: tuple[str, ...]) -> None:
        """Take the gate's verdict about the digest it saw (decrypted → gated)."""
        self._expect(JobState.DECRYPTED)
        with self._refusing():
            if verdict != "pass":
                raise GateRefused(
                    "gate",
                    "the gate beside the printer refused the part: "
                    + ("; ".join(reasons) or "no reason given"),
                    _gate_remedy(reasons),
                )
            if not hmac.compare_digest(sha256, self.file.sha256):
                raise GateRefused("gate_digest", "the gate judged other bytes than the ones decrypted")
        self._state = JobState.GATED

    def start(self, at: int) -> None:
        """Note that the printer starts (gated → started), after the journal has taken the release id."""
        self._expect(JobState.GATED)
        self._started_at = at
        self._state = JobState.STARTED

    def finish(self, result: Result, detail: str, at: int) -> None:
        """Note how the print ended (started → finished, or → failed for any result but COMPLETED)."""
        self._expect(JobState.STARTED)
        self._ending = Ending(result, detail, self._started_at, at)
        self._state = JobState.FINISHED if result is Result.COMPLETED else JobState.FAILED

    def abandon(self, detail: str, at: int) -> None:
        """Give a consumed print up before it started (released … gated, refused → failed)."""
        self._expect(
            JobState.RELEASED, JobState.VERIFIED, JobState.DECRYPTED, JobState.GATED, JobState.REFUSED
        )
        if not self.consumed:
            raise RuntimeError("a print that was not released has no outcome")
        self._ending = Ending(Result.FAILED, detail, None, at)
        self._state = JobState.FAILED

    def report(self, made: Circumstances, salt: bytes) -> Report:
        """Give what is to be signed and sent; the job stays `finished` or `failed` until it is taken."""
        self._expect(JobState.FINISHED, JobState.FAILED)
        return make_report(self.offer, made, _present(self._ending), salt)

    def reported(self) -> None:
        """Note that the outcome is taken (finished or failed → reported)."""
        self._expect(JobState.FINISHED, JobState.FAILED)
        self._state = JobState.REPORTED

    def _expect(self, *states: JobState) -> None:
        if self._state not in states:
            wanted = " or ".join(states)
            raise RuntimeError(f"the job is {self._state}, this call belongs to {wanted}")

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except AgentError:
            self._state = JobState.REFUSED
            raise


def _gate_remedy(reasons: tuple[str, ...]) -> str:
    """Say what to do about the gate's reasons: most are the part's, one is this machine's description."""
    if any(reason.startswith(_NO_MACHINE) for reason in reasons):
        return "describe `limits` in machine.json"
    return "do not print it; the provider and the owner see this reason in the report"


def _present(value: _T | None) -> _T:
    if value is None:
        raise RuntimeError("the job has not come this far")
    return value
