"""Outcomes of prints: signed, kept, sent; and the summary of a print that people and programs are shown."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import TypedDataError
from ledger.print_report import PrintReport
from ledger.typed_data import Result, digest
from printer_agent.client import PrinterClient
from printer_agent.clock import Clock
from printer_agent.errors import ServiceProblem, Unreachable
from printer_agent.identity import Identity
from printer_agent.job import JobState
from printer_agent.journal import Journal, JournalJob
from printer_agent.machine import Machine
from printer_agent.offers import ClaimOffer
from printer_agent.particulars import NOTHING_SAID, Particulars
from printer_agent.reporting import Circumstances, Ending, Report, make_report

_SALT_BYTES = 32
_REFUSALS = frozenset({"invalid-request", "conflict"})
"""What the service answers where it has not kept a report and will not take it as it is."""


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


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of one printer."""

    identity: Identity
    machine: Machine
    journal: Journal
    client: PrinterClient
    clock: Clock

    def queue(self, name: str, state: str, detail: str, report: Report) -> None:
        """Sign a report and keep it until the service took it."""
        signature = self.identity.signing.sign(digest(self.identity.enrolled.domain, report.outcome))
        body = {
            "outcome": report.outcome.to_json(),
            "report": report.report,
            "report_salt": "0x" + report.salt.hex(),
            "signature": "0x" + signature.hex(),
        }
        self.journal.queue_outcome(name, state, detail, body, self.clock.seconds())

    def judge(self, stored: JournalJob, driver: str, result: Result, detail: str) -> None:
        """Queue the outcome of a print known from the journal alone; a corrected one keeps its end."""
        ended_at = int(min(self.clock.seconds(), self._end_told(stored.print_id)))
        ending = Ending(result, detail, stored.started_at, ended_at)
        made = self.circumstances(stored.print_id, driver)
        report = make_report(ClaimOffer.from_json(stored.offer), made, ending, fresh_salt())
        state = JobState.FINISHED if result is Result.COMPLETED else JobState.FAILED
        self.queue(stored.print_id, state, detail, report)

    def circumstances(self, print_id: str, driver: str) -> Circumstances:
        """Give what a print was made with, and what people have said of it so far."""
        said = Particulars.from_json(self.journal.particulars(print_id))
        return Circumstances(self.identity.enrolled.printer_hash, self.machine, driver, said)

    def note(self, print_id: str, said: Particulars) -> None:
        """Keep what people say of a print, over what they said before."""
        if said == NOTHING_SAID:
            return
        earlier = Particulars.from_json(self.journal.particulars(print_id))
        self.journal.keep_particulars(print_id, said.over(earlier).to_json())

    def _end_told(self, print_id: str) -> float:
        """Give the end that an earlier report of the print tells, Unix seconds; infinity where none does."""
        earlier = self.journal.outcome(print_id)
        try:
            return math.inf if earlier is None else PrintReport.from_json(earlier.body["report"]).ended_at
        except TypedDataError:
            return math.inf

    def send(self) -> int:
        """Send the outcomes that wait; give how many still wait afterwards."""
        for waiting in self.journal.waiting_outcomes():
            try:
                answer = self.client.report(waiting.print_id, waiting.body)
            except Unreachable as error:
                self.journal.outcome_delayed(waiting.print_id, f"{error.kind}: {error.message}")
                continue
            except ServiceProblem as error:
                refused = error.kind in _REFUSALS
                self.journal.outcome_delayed(
                    waiting.print_id, f"{error.kind}: {error.message}", refused=refused
                )
                continue
            self.journal.outcome_taken(waiting.print_id, answer, self.clock.seconds())
        return len(self.journal.waiting_outcomes())

    def summary(self, print_id_: str) -> Summary:
        """Give what the journal knows of a print."""
        stored = self.journal.job(print_id_)
        outcome = self.journal.outcome(print_id_)
        return Summary(
            print_id=print_id_,
            release_id=stored.release_id,
            state=stored.state,
            result=None if outcome is None else str(outcome.body["report"]["result"]),
            detail=stored.detail,
            sequence=ClaimOffer.from_json(stored.offer).claim.sequence,
            outcome=None if outcome is None else outcome.answer,
        )


def fresh_salt() -> bytes:
    """Give 32 random bytes that open a report's commitment."""
    return secrets.token_bytes(_SALT_BYTES)
