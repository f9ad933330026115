"""A plate as the agent prints it: every release verified as for a print, one mesh of all parts, one start.

Order, with what a crash after each step leaves behind:

 1. offers fetched and checked, the plate signed     nothing happened
 2. all claims and the signature in the journal      the same token sends the same bytes again
 3. redeemed                                         the same token gets the same releases again
 4. release ids in the journal                       as 3
 5. each verified, decrypted in memory, gated        as 3; nothing of any part is on disk
 6. turned as their recipes say, arranged into one
    mesh, which the gate passed                      as 3
 7. all release ids in `starts`, at once             none ever starts again; the driver is asked for the file
 8. driver started, once                             as 7

The machine knows the plate by its first print; the others share that one's end (`printer_agent.started`), and
each has an outcome of its own. A part whose outcome is to differ is left to the operator (`later`, `report`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from ledger.typed_data import Plate, Result, digest
from mesh_tools.canonical_words import FILE, checked
from mesh_tools.errors import Refused, SandboxUnavailable
from printer_agent.errors import AgentError, DriverError, GateRefused, ReleaseRefused
from printer_agent.job import Job, JobState
from printer_agent.journal import JournalJob, already_started
from printer_agent.memory_file import MemoryFile
from printer_agent.offers import ClaimOffer, PlateOffer, Release
from printer_agent.outcomes import Outcomes, Summary, fresh_salt
from printer_agent.particulars import Particulars
from printer_agent.preparing import Preparing
from printer_agent.print_token import PrintToken
from printer_agent.quarantine import waiting_in_quarantine
from printer_agent.remote_job import RemoteJob
from printer_agent.slicing.preparation import Preparation
from printer_agent.started import AWAITING, Started, plate_delivery
from printer_agent.tools import Tools, Watcher

_NAME = "plate.stl"
_TURNED_NAME = "turned.stl"
_SHARED = ("process", "material", "parameters")


@dataclass(frozen=True)
class PlatePrinting:
    """Prints the plates of one printer."""

    tools: Tools
    watcher: Watcher
    steps: Preparing
    preparation: Preparation
    outcomes: Outcomes
    started: Started

    def print(self, token: PrintToken, result: Result | None, particulars: Particulars) -> Summary:
        """Redeem a plate's token and print what it releases, as `Agent.print` does with a print's.

        Gives the first print's summary. Where any part cannot be printed none is, and all are reported as
        failed.
        """
        with waiting_in_quarantine():
            jobs = self._claim(token)
            for job in jobs:
                self.outcomes.note(job.offer.print_id, particulars)
            self._redeem(jobs, token)
            try:
                remote, detail = self._build(jobs, result)
            except (ReleaseRefused, GateRefused, DriverError) as error:
                self._give_up(jobs, error)
                raise
        self._finish(jobs, remote, detail, result)
        lead = jobs[0]
        return replace(self.outcomes.summary(lead.offer.print_id), receipt=dict(lead.released.receipt))

    def _claim(self, token: PrintToken) -> list[Job]:
        # (1) an earlier claim of this token is sent again as it was
        stored = self._stored(token)
        if stored:
            parts = tuple(dict(each.offer) for each in stored)
        else:
            parts = PlateOffer.from_json(self.tools.client.claim_plate(token)).parts
        jobs = [Job(self.tools.identity.enrolled, token.part(at)) for at in range(len(parts))]
        claims = [job.claim(ClaimOffer.from_json(part)) for job, part in zip(jobs, parts, strict=True)]
        self._require_printable(jobs)
        # (2) kept before it is sent
        if not stored:
            pins, journal, now = self.tools.identity.enrolled, self.tools.journal, self.tools.clock.seconds()
            signature = self.tools.identity.signing.sign(digest(pins.domain, Plate.of(claims)))
            with journal.together():
                for at, (job, part) in enumerate(zip(jobs, parts, strict=True)):
                    name = job.offer.print_id
                    journal.remember_claim(name, token.claimed(at), part, signature, now)
        self.watcher.stage(JobState.CLAIMED, f"{len(jobs)} prints of a plate claimed")
        return jobs

    def _stored(self, token: PrintToken) -> list[JournalJob]:
        """Give what the journal has of this token's claims: all of them or none."""
        lead = self.tools.journal.find_claim(token.claimed())
        if lead is None:
            return []
        found = [
            self.tools.journal.find_claim(token.claimed(at)) for at in range(lead.offer["plate"]["parts"])
        ]
        return [each for each in found if each is not None]

    def _require_printable(self, jobs: Sequence[Job]) -> None:
        """Refuse, while nothing is consumed, what cannot be one build on this machine for certain."""
        first = jobs[0].file.recipe
        for at, job in enumerate(jobs):
            if "gcode" in job.file.format:
                raise GateRefused("plate_toolpath", f"part {at} is a toolpath, and nobody merges toolpaths")
            for name in _SHARED:
                if (job.file.recipe.get(name) or None) != (first.get(name) or None):
                    raise GateRefused("plate_recipe", f"part {at} has another {name} than part 0")
            self.preparation.require(job.file)

    def _redeem(self, jobs: Sequence[Job], token: PrintToken) -> None:
        journal, clock = self.tools.journal, self.tools.clock
        stored = [journal.job(job.offer.print_id) for job in jobs]
        for each in stored:
            if each.release_id is not None and journal.was_started(each.release_id):
                raise already_started(each.release_id)
        self.tools.warm()
        # (3) the same bytes each time
        claims = [job.offer.claim.to_json() for job in jobs]
        body = {"claims": claims, "signature": "0x" + stored[0].signature.hex()}
        answer = self.tools.client.redeem_plate(token, body).get("releases")
        if not isinstance(answer, list) or len(answer) != len(jobs):
            raise ReleaseRefused("malformed_release", f"the service sent no {len(jobs)} releases")
        # (4) consumed from here on
        with journal.together():
            for job, release in zip(jobs, map(Release.from_json, answer), strict=True):
                job.release(release)
                journal.released(job.offer.print_id, release.release_id, clock.seconds())
        where = jobs[0].released.receipt.get("block_number", "?")
        self.watcher.stage(JobState.RELEASED, f"{len(jobs)} releases, counted in block {where}")

    def _build(self, jobs: Sequence[Job], result: Result | None) -> tuple[RemoteJob, str]:
        """Take the plate to the machine; give how its life there begins."""
        with ExitStack() as memory:
            # (5) in memory alone, judged one by one
            files = [memory.enter_context(MemoryFile()) for _ in jobs]
            for job, plaintext in zip(jobs, files, strict=True):
                self.steps.fill(plaintext, job)
                self.steps.gate(job, plaintext)
            # (6) one mesh, judged as a whole
            plate = memory.enter_context(MemoryFile())
            plate.fill([self._arranged(jobs, files)])
            file = replace(jobs[0].file, filename=_NAME, format="stl-binary", recipe=self._recipe(jobs))
            made = self.preparation.prepared(file, plate.pieces())
            if made is not None:
                self.watcher.stage(JobState.GATED, f"made {len(made)} bytes for the machine")
                plate = memory.enter_context(MemoryFile())
                plate.fill([made])
            # (7) the point of no return
            self._begin(jobs, result, plate.size)
            # (8) the machine has it
            lead = jobs[0].released.release_id
            remote, detail = self.steps.start(plate_delivery(lead, self.tools.driver), plate)
            self.watcher.stage(JobState.STARTED, detail)
            if not self.tools.driver.follows:
                for job in jobs:
                    name, now = job.offer.print_id, self.tools.clock.seconds()
                    self.tools.journal.note(name, JobState.STARTED, detail, now)
            return remote, detail

    def _arranged(self, jobs: Sequence[Job], files: Sequence[MemoryFile]) -> bytes:
        """Put the meshes at their spots; GateRefused where they do not fit or the gate refuses the whole."""
        machine, recipe = self.tools.machine, self._recipe(jobs)
        standing = [self._standing(job, file) for job, file in zip(jobs, files, strict=True)]
        options = {
            "spots": [self._spot(job) for job in jobs],
            "room_mm": list(machine.build_volume_mm),
            "unit_mm": [unit_mm for _, _, unit_mm in standing],
        }
        try:
            answer = self.tools.sandbox.run(
                "arrange",
                [(name, content) for name, content, _ in standing],
                options,
                answer_bytes_max=self.tools.file_bytes_max,
            )
            form = checked(answer)
        except (Refused, SandboxUnavailable, ValueError) as error:
            raise GateRefused("plate", f"the parts cannot be put on one plate: {error}") from error
        if not form["sound"]:
            raise GateRefused("plate", "the parts cut each other on the plate, or rounding spoiled one")
        policy = replace(machine.policy(recipe), rotations="none", canonical=False)
        whole = replace(policy, shells_max=policy.shells_max * len(jobs))
        seen = self.tools.sandbox.inspect([answer.blobs[FILE]], filename=_NAME, policy=whole, pictures=False)
        if seen.verdict != "pass":
            reasons = "; ".join(f"{found.code}: {found.message}" for found in seen.reasons)
            raise GateRefused("plate", f"the gate refused the plate as a whole: {reasons}")
        self.watcher.stage(JobState.GATED, f"{len(jobs)} parts arranged; the gate passed the plate")
        return answer.blobs[FILE]

    def _standing(self, job: Job, file: MemoryFile) -> tuple[str, Iterable[bytes], float]:
        """Give a part as its recipe stands it: a file's name, its content, and the unit in mm."""
        turned = self.preparation.standing(job.file, file.pieces())
        if turned is not None:
            return _TURNED_NAME, [turned], 1.0
        return job.file.filename, file.pieces(), self.tools.machine.policy(job.file.recipe).unit_mm

    def _spot(self, job: Job) -> dict[str, float]:
        stored = self.tools.journal.job(job.offer.print_id)
        return dict(stored.offer["plate"]["spot"])

    @staticmethod
    def _recipe(jobs: Sequence[Job]) -> dict[str, object]:
        """The recipe that the parts share; the plate's mesh is in millimetres and stands as it is."""
        return {**jobs[0].file.recipe, "units": "mm", "canonical": False, "orientation": None}

    def _begin(self, jobs: Sequence[Job], result: Result | None, size: int) -> None:
        """(7) all release ids at once, before the machine gets anything."""
        intended, driver = None if result is None else result.name, self.tools.driver.name
        with self.tools.journal.together():
            for job in jobs:
                now, name = self.steps.not_before(job), job.offer.print_id
                self.tools.journal.begin(name, job.released.release_id, intended, driver, now, size)
        for job in jobs:
            job.start(self.steps.not_before(job))

    def _finish(self, jobs: Sequence[Job], remote: RemoteJob, detail: str, result: Result | None) -> None:
        """Report every print; the first last, as the others are found by it after a crash."""
        journal, now = self.tools.journal, self.tools.clock.seconds()
        if self.tools.driver.follows:
            self.started.to_the_end(journal.job(jobs[0].offer.print_id), remote)
        for job in () if self.tools.driver.follows else reversed(jobs):
            name = job.offer.print_id
            if result is None:
                journal.note(name, AWAITING, detail, now)
                continue
            job.finish(result, detail, now)
            self._queue(job, detail)
            self.started.wipe(journal.job(name))
        self.outcomes.send()

    def _give_up(self, jobs: Sequence[Job], error: AgentError) -> None:
        """Report every print of a plate that was counted and is not printed as failed."""
        detail = f"{error.kind}: {error.message}"
        for job in reversed(jobs):
            if job.state is JobState.STARTED:
                job.finish(Result.FAILED, detail, self.steps.not_before(job))
            else:
                job.abandon(detail, self.steps.not_before(job))
            self._queue(job, detail)
        self.started.recover()
        self.outcomes.send()
        self.watcher.stage(JobState.FAILED, detail)

    def _queue(self, job: Job, detail: str) -> None:
        name = job.offer.print_id
        made = self.outcomes.circumstances(name, self.tools.driver.name)
        self.outcomes.queue(name, job.state, detail, job.report(made, fresh_salt()))
