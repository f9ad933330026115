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

A driver that follows prints stays in (8) until the machine has ended, over restarts; what its host keeps of
the part is wiped between (9) and (10), again and again until the host lets it (`printer_agent.started`).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from ledger.typed_data import Result, digest
from printer_agent.errors import AgentError, DriverError, GateRefused, JournalError, ReleaseRefused
from printer_agent.job import Job, JobState
from printer_agent.journal import already_started
from printer_agent.memory_file import MemoryFile
from printer_agent.offers import ClaimOffer, Release
from printer_agent.outcomes import Outcomes, Summary, fresh_salt
from printer_agent.particulars import NOTHING_SAID, Particulars
from printer_agent.plate import PlatePrinting
from printer_agent.preparing import Preparing
from printer_agent.print_token import PrintToken
from printer_agent.quarantine import waiting_in_quarantine
from printer_agent.remote_job import RemoteJob
from printer_agent.slicing.preparation import Preparation
from printer_agent.started import AWAITING, Started, delivery_for
from printer_agent.tools import Silence, Tools, Watcher


class Agent:
    """Prints tokens, one at a time; not for use by several threads."""

    def __init__(self, tools: Tools, watcher: Watcher | None = None) -> None:
        self._tools = tools
        self._watcher = watcher or Silence()
        self._pins = tools.identity.enrolled
        self._steps = Preparing(tools, self._watcher)
        self._preparation = Preparation(tools.driver, tools.machine, tools.sandbox, tools.slicer)
        self._outcomes = Outcomes(tools.identity, tools.machine, tools.journal, tools.client, tools.clock)
        self._started = Started(
            journal=tools.journal,
            driver=tools.driver,
            outcomes=self._outcomes,
            clock=tools.clock,
            viewer=self._watcher,
            stop=tools.stop,
            poll_s=tools.poll_s,
            patience=tools.patience,
        )
        self._plates = PlatePrinting(
            tools, self._watcher, self._steps, self._preparation, self._outcomes, self._started
        )

    def print(
        self,
        token: PrintToken,
        result: Result | None = Result.COMPLETED,
        particulars: Particulars = NOTHING_SAID,
    ) -> Summary:
        """Redeem a token and print what it releases; `result` None leaves the outcome to `report`.

        `particulars` go into the report, now or after a restart. A driver that follows prints gives the
        result itself. A print that was redeemed and cannot be printed is reported as failed, then the reason
        is raised: ReleaseRefused, GateRefused or DriverError. After Unreachable and NotReady the same token
        continues; after Detached the next start does.
        """
        self.resume()
        self._steps.require_ready()
        if token.is_plate:
            return self._plates.print(token, result, particulars)
        job = Job(self._pins, token)
        with waiting_in_quarantine():
            self._claim(job, token)
            self._preparation.require(job.file)
            self._outcomes.note(job.offer.print_id, particulars)
            self._redeem(job, token)
            try:
                delivered = self._build(job, result)
            except (ReleaseRefused, GateRefused, DriverError) as error:
                self._give_up(job, error)
                raise
        self._finish(job, delivered, result)
        return replace(self.summary(job.offer.print_id), receipt=dict(job.released.receipt))

    def report(
        self, print_id_: str, result: Result, detail: str, particulars: Particulars = NOTHING_SAID
    ) -> Summary:
        """Give the outcome of a print that was left to the operator, or whose report the service refused.

        What lies on the host is wiped.
        """
        stored = self._tools.journal.job(print_id_)
        if stored.release_id is None or not self._tools.journal.was_started(stored.release_id):
            raise JournalError("not_started", f"print {print_id_} has not started here", "nothing to report")
        if self._tools.driver.follows and stored.state == JobState.STARTED:
            raise JournalError(
                "still_printing", f"print {print_id_} still runs on its host", "cancel it first"
            )
        self._outcomes.note(print_id_, particulars)
        self._outcomes.judge(stored, self._tools.driver.name, result, detail)
        self._started.wipe(self._tools.journal.job(print_id_))
        self.send_outcomes()
        return self.summary(print_id_)

    def recover(self) -> list[str]:
        """Judge and wipe after a crash, without waiting; give the ids of those now reported."""
        return self._started.recover()

    def resume(self) -> None:
        """Follow a print that still runs from before; Detached where the agent is to stop meanwhile."""
        self._started.resume()

    def send_outcomes(self) -> int:
        """Send the outcomes that wait; give how many still wait afterwards."""
        return self._outcomes.send()

    def summary(self, print_id_: str) -> Summary:
        """Give what the journal knows of a print."""
        return self._outcomes.summary(print_id_)

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

    def _build(self, job: Job, result: Result | None) -> RemoteJob:
        """Take the print to the machine; give how its life there begins."""
        tools = self._tools
        with ExitStack() as memory:
            # (5) in memory alone
            plaintext = memory.enter_context(MemoryFile())
            self._steps.fill(plaintext, job)
            # (6) judged for this machine, sliced where it must be
            self._steps.gate(job, plaintext)
            printable = self._prepared(job, plaintext, memory)
            # (7) the point of no return
            now = self._steps.not_before(job)
            intended, release_id = None if result is None else result.name, job.released.release_id
            size = None if printable is plaintext else printable.size
            tools.journal.begin(job.offer.print_id, release_id, intended, tools.driver.name, now, size)
            job.start(now)
            # (8) the machine has it
            return self._start(job, printable)

    def _prepared(self, job: Job, plaintext: MemoryFile, memory: ExitStack) -> MemoryFile:
        """What the driver gets: the file, or what is made of it."""
        made = self._preparation.prepared(job.file, plaintext.pieces())
        if made is None:
            return plaintext
        self._watcher.stage(job.state, f"made {len(made)} bytes for the machine, which the gate passed")
        printable = memory.enter_context(MemoryFile())
        printable.fill([made])
        return printable

    def _start(self, job: Job, plaintext: MemoryFile) -> RemoteJob:
        driver = self._tools.driver
        delivery = delivery_for(job.released.release_id, job.file, driver)
        remote, detail = self._steps.start(delivery, plaintext)
        self._watcher.stage(job.state, detail)
        if not driver.follows:
            self._tools.journal.note(
                job.offer.print_id, JobState.STARTED, detail, self._tools.clock.seconds()
            )
        return remote

    def _finish(self, job: Job, remote: RemoteJob, result: Result | None) -> None:
        name, now = job.offer.print_id, self._tools.clock.seconds()
        stored = self._tools.journal.job(name)
        # (9) signed and kept
        if self._tools.driver.follows:
            self._started.to_the_end(stored, remote)
        elif result is None:
            self._tools.journal.note(name, AWAITING, stored.detail, now)
        else:
            job.finish(result, stored.detail, now)
            report = job.report(self._outcomes.circumstances(name, self._tools.driver.name), fresh_salt())
            self._outcomes.queue(name, job.state, stored.detail, report)
            self._started.wipe(self._tools.journal.job(name))
        # (10) sent, now or later
        self.send_outcomes()
        found = self.summary(name)
        if found.result is not None:
            self._watcher.stage(found.state, f"outcome {found.result}")

    def _give_up(self, job: Job, error: AgentError) -> None:
        now, detail = self._steps.not_before(job), f"{error.kind}: {error.message}"
        if job.state is JobState.STARTED:
            job.finish(Result.FAILED, detail, now)
        else:
            job.abandon(detail, now)
        made = self._outcomes.circumstances(job.offer.print_id, self._tools.driver.name)
        self._outcomes.queue(job.offer.print_id, job.state, detail, job.report(made, fresh_salt()))
        self._started.recover()
        self.send_outcomes()
        self._watcher.stage(job.state, detail)
