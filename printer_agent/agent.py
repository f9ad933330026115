"""The agent: reads, writes and waits around the pure job.

Order of a print, with what a crash after each step leaves behind:

 1. offer fetched, checked, claim signed        nothing happened
 2. claim and signature in the journal          the same token sends the same bytes again
 3. redeemed                                    the same token gets the same release again
 4. release id in the journal                   as 3
 5. verified, key opened, decrypted in memory   as 3; nothing of the part is on disk
 6. gate passed                                 as 3
 7. release id in `starts`                      never starts again; the driver is asked for the file
 8. driver started                              as 7
 9. signed outcome in the journal               it is sent when the service can be reached
10. outcome sent                                done
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from ledger.typed_data import Result, digest, print_id
from mesh_tools.sandbox import Sandbox
from printer_agent.client import PrinterClient
from printer_agent.clock import Clock
from printer_agent.drivers.base import Delivery, Driver
from printer_agent.errors import (
    AgentError,
    DriverError,
    GateRefused,
    JournalError,
    ReleaseRefused,
    ServiceProblem,
    Unreachable,
)
from printer_agent.identity import Identity
from printer_agent.job import Ending, Job, JobState, Report, make_report
from printer_agent.journal import Journal, JournalJob, already_started
from printer_agent.machine import Machine
from printer_agent.memory_file import MemoryFile
from printer_agent.offers import ClaimOffer, Release
from printer_agent.print_token import PrintToken
from printer_agent.release import PrintFile, decrypt, read_manifest
from storage.secret import DataKey
from storage.stream import Piece, decrypt_views

_SALT_BYTES = 32
AWAITING = "awaiting"
"""State of a print whose file was delivered and whose outcome the operator will give."""


class Watcher(Protocol):
    """Who is told how a print goes on."""

    def stage(self, name: str, detail: str) -> None:
        """Take that the job reached `name` (a `JobState`), with a sentence."""

    def downloaded(self, done: int, total: int) -> None:
        """Take how many bytes of ciphertext have come."""


class Silence:
    """A watcher that does nothing."""

    def stage(self, name: str, detail: str) -> None:
        """Take and forget."""

    def downloaded(self, done: int, total: int) -> None:
        """Take and forget."""


@dataclass(frozen=True)
class Summary:
    """How far a print came: the job's state, its result and the ledger's receipt where known."""

    print_id: str
    release_id: str | None
    state: str
    result: str | None
    detail: str
    sequence: int | None = None
    receipt: Mapping[str, Any] | None = None
    outcome: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the summary as JSON."""
        return {**vars(self)}


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Tools:
    """What the agent works with, built in `printer_agent.assembly`.

    warm: called when a sandbox will be needed soon
    """

    identity: Identity
    machine: Machine
    journal: Journal
    client: PrinterClient
    driver: Driver
    sandbox: Sandbox
    clock: Clock
    file_bytes_max: int
    warm: Callable[[], None] = _nothing


class Agent:
    """Prints tokens, one at a time; not for use by several threads."""

    def __init__(self, tools: Tools, watcher: Watcher | None = None) -> None:
        self._tools = tools
        self._watcher = watcher or Silence()
        self._pins = tools.identity.enrolled

    def print(self, token: PrintToken, result: Result | None = Result.COMPLETED) -> Summary:
        """Redeem a token and print what it releases; `result` None leaves the outcome to `report`.

        A print that was redeemed and cannot be printed is reported as failed, then the reason is raised:
        ReleaseRefused, GateRefused or DriverError. After Unreachable the same token continues.
        """
        job = Job(self._pins, token)
        self._claim(job, token)
        self._redeem(job, token)
        try:
            return self._build(job, result)
        except (ReleaseRefused, GateRefused, DriverError) as error:
            self._give_up(job, error)
            raise

    def report(self, print_id_: str, result: Result, detail: str) -> Summary:
        """Give the outcome of a print that was delivered and left to the operator."""
        stored = self._tools.journal.job(print_id_)
        if stored.release_id is None or not self._tools.journal.was_started(stored.release_id):
            raise JournalError("not_started", f"print {print_id_} has not started here", "nothing to report")
        report = self._report_of(stored, result, detail)
        self._queue(print_id_, _state_of(result), detail, report)
        self.send_outcomes()
        return self.summary(print_id_)

    def recover(self) -> list[str]:
        """Judge the prints a crash cut off after they started; give the ids of those now reported.

        A file that arrived whole gets the result intended, or waits for the operator's word; one that did not
        arrive is reported as failed. Neither ever starts again.
        """
        judged = []
        for stored in self._tools.journal.undecided():
            if stored.state == AWAITING or stored.release_id is None:
                continue
            intended = self._tools.journal.intended(stored.release_id)
            if not self._tools.driver.arrived(_delivery_of(stored)):
                result, detail = Result.FAILED, "interrupted before the file was delivered"
            elif intended is None:
                self._tools.journal.note(stored.print_id, AWAITING, "delivered", self._tools.clock.seconds())
                continue
            else:
                result, detail = Result[intended], "delivered before an interruption"
            report = self._report_of(stored, result, detail)
            self._queue(stored.print_id, _state_of(result), detail, report)
            judged.append(stored.print_id)
        return judged

    def send_outcomes(self) -> int:
        """Send the outcomes that wait; give how many still wait afterwards."""
        journal = self._tools.journal
        for waiting in journal.waiting_outcomes():
            try:
                answer = self._tools.client.report(waiting.print_id, waiting.body)
            except (Unreachable, ServiceProblem) as error:
                journal.outcome_delayed(waiting.print_id, f"{error.kind}: {error.message}")
                continue
            journal.outcome_taken(waiting.print_id, answer, self._tools.clock.seconds())
        return len(journal.waiting_outcomes())

    def summary(self, print_id_: str) -> Summary:
        """Give what the journal knows of a print."""
        stored = self._tools.journal.job(print_id_)
        outcome = self._tools.journal.outcome(print_id_)
        return Summary(
            print_id=print_id_,
            release_id=stored.release_id,
            state=stored.state,
            result=None if outcome is None else str(outcome.body["report"]["result"]),
            detail=stored.detail,
            sequence=ClaimOffer.from_json(stored.offer).claim.sequence,
            outcome=None if outcome is None else outcome.answer,
        )

    def _claim(self, job: Job, token: PrintToken) -> None:
        # (1) an earlier claim of this token is sent again as it was
        stored = self._tools.journal.find_claim(token.digest())
        value = dict(stored.offer) if stored is not None else self._tools.client.claim(token)
        claim = job.claim(ClaimOffer.from_json(value))
        # (2) kept before it is sent
        if stored is None:
            signature = self._tools.identity.signing.sign(digest(self._pins.domain, claim))
            now = self._tools.clock.seconds()
            self._tools.journal.remember_claim(job.offer.print_id, token.digest(), value, signature, now)
        name = "0x" + claim.licence.hex()[:16]
        self._watcher.stage(job.state, f"print {claim.sequence} of licence {name}… claimed")

    def _redeem(self, job: Job, token: PrintToken) -> None:
        journal, clock = self._tools.journal, self._tools.clock
        stored = journal.job(job.offer.print_id)
        if stored.release_id is not None and journal.was_started(stored.release_id):
            raise already_started(stored.release_id)
        self._tools.warm()
        # (3) the same bytes each time
        body = {"claim": job.offer.claim.to_json(), "signature": "0x" + stored.signature.hex()}
        release = Release.from_json(self._tools.client.redeem(token, body))
        # (4) consumed from here on
        job.release(release)
        journal.released(stored.print_id, release.release_id, clock.seconds())
        where = release.receipt.get("block_number", "?")
        self._watcher.stage(job.state, f"release {release.release_id}, counted in block {where}")

    def _build(self, job: Job, result: Result | None) -> Summary:
        tools = self._tools
        with MemoryFile() as plaintext:
            # (5) in memory alone
            with job.verify(tools.identity.sealing, tools.file_bytes_max) as key:
                self._watcher.stage(job.state, "claim, licence, manifest and commitment agree; key opened")
                plaintext.fill(self._plaintext(job, key))
            job.decrypted(plaintext.sha256, plaintext.size)
            self._watcher.stage(job.state, f"{plaintext.size} bytes in memory, digest as in the manifest")
            # (6) judged for this machine
            self._gate(job, plaintext)
            # (7) the point of no return
            now = tools.clock.seconds()
            intended = None if result is None else result.name
            tools.journal.begin(job.offer.print_id, job.released.release_id, intended, now)
            job.start(now)
            # (8) the machine has it
            detail = tools.driver.start(_delivery(job.released.release_id, job.file), plaintext.pieces())
        self._watcher.stage(job.state, detail)
        return self._finish(job, result, detail)

    def _finish(self, job: Job, result: Result | None, detail: str) -> Summary:
        name, now = job.offer.print_id, self._tools.clock.seconds()
        if result is None:
            self._tools.journal.note(name, AWAITING, detail, now)
        else:
            job.finish(result, detail, now)
            # (9) signed and kept
            self._queue(name, job.state, detail, job.report(self._tools.driver.name, _salt()))
            # (10) sent, now or later
            self.send_outcomes()
            self._watcher.stage(self.summary(name).state, f"outcome {result.name.lower()}")
        return replace(self.summary(name), receipt=dict(job.released.receipt))

    def _gate(self, job: Job, plaintext: MemoryFile) -> None:
        policy = self._tools.machine.policy(job.file.recipe)
        seen = self._tools.sandbox.inspect(
            plaintext.pieces(), filename=job.file.filename, policy=policy, pictures=False
        )
        reasons = tuple(f"{found.code}: {found.message}" for found in seen.reasons)
        job.gated(seen.verdict, seen.sha256, reasons)
        self._watcher.stage(job.state, f"the gate passed it for {self._tools.machine.model}")

    def _plaintext(self, job: Job, key: DataKey) -> Iterator[Piece]:
        target = job.released.object
        pieces = self._watched(self._tools.client.download(target.url, target.size), target.size)
        return decrypt(pieces, target, partial(decrypt_views, key=key, context=target.context))

    def _watched(self, pieces: Iterator[bytes], total: int) -> Iterator[bytes]:
        done = 0
        for piece in pieces:
            done += len(piece)
            self._watcher.downloaded(done, total)
            yield piece

    def _give_up(self, job: Job, error: AgentError) -> None:
        now, detail = self._tools.clock.seconds(), f"{error.kind}: {error.message}"
        if job.state is JobState.STARTED:
            job.finish(Result.FAILED, detail, now)
        else:
            job.abandon(detail, now)
        self._queue(job.offer.print_id, job.state, detail, job.report(self._tools.driver.name, _salt()))
        self.send_outcomes()
        self._watcher.stage(job.state, detail)

    def _queue(self, name: str, state: str, detail: str, report: Report) -> None:
        signature = self._tools.identity.signing.sign(digest(self._pins.domain, report.outcome))
        body = {
            "outcome": report.outcome.to_json(),
            "report": report.report,
            "report_salt": "0x" + report.salt.hex(),
            "signature": "0x" + signature.hex(),
        }
        self._tools.journal.queue_outcome(name, state, detail, body, self._tools.clock.seconds())

    def _report_of(self, stored: JournalJob, result: Result, detail: str) -> Report:
        offer = ClaimOffer.from_json(stored.offer)
        facts = {
            "print": stored.print_id,
            "release": stored.release_id,
            "printer": self._pins.printer_id,
            "file_sha256": read_manifest(offer.terms.manifest).sha256.hex(),
            "driver": self._tools.driver.name,
        }
        ending = Ending(result, detail, stored.started_at, self._tools.clock.seconds())
        return make_report(print_id(offer.claim.licence, offer.claim.sequence), ending, facts, _salt())


def _delivery(release_id: str, file: PrintFile) -> Delivery:
    return Delivery.of(release_id, file.filename, file.format, file.size)


def _delivery_of(stored: JournalJob) -> Delivery:
    if stored.release_id is None:
        raise RuntimeError(f"print {stored.print_id} started without a release")
    return _delivery(stored.release_id, read_manifest(ClaimOffer.from_json(stored.offer).terms.manifest))


def _state_of(result: Result) -> str:
    return JobState.FINISHED if result is Result.COMPLETED else JobState.FAILED


def _salt() -> bytes:
    return secrets.token_bytes(_SALT_BYTES)
