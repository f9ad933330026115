"""Tests of the job's order: what may follow what, and that nothing else may."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger.commitment import canonical_json, report_commitment
from ledger.print_report import PrintReport
from ledger.typed_data import Result, print_id
from printer_agent.client import PrinterClient
from printer_agent.clock import Clock
from printer_agent.errors import GateRefused, ReleaseRefused
from printer_agent.identity import Identity
from printer_agent.job import Job, JobState
from printer_agent.machine import Machine
from printer_agent.offers import ClaimOffer, Release
from printer_agent.particulars import Particulars
from printer_agent.pins import Pins
from printer_agent.print_token import PrintToken
from printer_agent.reporting import Circumstances
from printer_agent.settings import Settings
from tests.printer_agent.fake_service import DOMAIN, PROVIDER, URL, FakeService


class Scene:
    """An enrolled printer, an honest offer and release, and every call of a job with good arguments."""

    def __init__(self) -> None:
        self.service = FakeService()
        self.identity = Identity.generate("X25519")
        self.service.enrolment = _enrolment(self.identity)
        self.service.key_numbers = (self.identity.signing.x, self.identity.signing.y)
        self.service.suite, self.service.public = "X25519", self.identity.sealing.public
        self.pins = Pins(URL, "prt_1", PROVIDER, DOMAIN, self.service.enrolment.struct_hash())
        machine = Machine("MK4", (250, 210, 220), ("MEX",), serial="M-7", batches={"PLA": "LOT 3"})
        said = Particulars(serials=("SN-1",), mass_g="12.4")
        self.made = Circumstances(self.pins.printer_hash, machine, "folder", said)
        self.token = PrintToken(self.service.authorise())
        settings = Settings.read({})
        with PrinterClient(
            URL, self.identity.signing, "prt_1", settings, clock=Clock(), transport=self.service.transport
        ) as client:
            self.offer = ClaimOffer.from_json(client.claim(self.token))
        self.release = Release.from_json(json.loads(self.service._release(1).content))
        self.sha256 = hashlib.sha256(self.service.plaintext).digest()
        self.size = len(self.service.plaintext)

    def job(self) -> Job:
        return Job(self.pins, self.token)

    def calls(self, job: Job) -> dict[str, Callable[[], Any]]:
        """Every call, good in its right place."""
        return {
            "claim": lambda: job.claim(self.offer),
            "release": lambda: job.release(self.release),
            "verify": lambda: job.verify(self.identity.sealing, 10**6),
            "decrypted": lambda: job.decrypted(self.sha256, self.size),
            "gated": lambda: job.gated("pass", self.sha256, ()),
            "start": lambda: job.start(100),
            "finish": lambda: job.finish(Result.COMPLETED, "done", 200),
            "report": lambda: job.report(self.made, bytes(32)),
            "reported": lambda: job.reported(),
            "abandon": lambda: job.abandon("given up", 150),
        }

    def at(self, state: JobState) -> Job:
        """A job brought to a state on the straight way."""
        job = self.job()
        calls = self.calls(job)
        for name in ("claim", "release", "verify", "decrypted", "gated", "start", "finish", "reported"):
            if job.state is state:
                break
            calls[name]()
        assert job.state is state
        return job


def _enrolment(identity: Identity) -> Any:
    from ledger.typed_data import Enrolment

    return Enrolment(provider=PROVIDER, key_x=identity.signing.x, key_y=identity.signing.y)


SCENE = Scene()
STRAIGHT = {
    "claim": (JobState.RECEIVED, JobState.CLAIMED),
    "release": (JobState.CLAIMED, JobState.RELEASED),
    "verify": (JobState.RELEASED, JobState.VERIFIED),
    "decrypted": (JobState.VERIFIED, JobState.DECRYPTED),
    "gated": (JobState.DECRYPTED, JobState.GATED),
    "start": (JobState.GATED, JobState.STARTED),
    "finish": (JobState.STARTED, JobState.FINISHED),
    "reported": (JobState.FINISHED, JobState.REPORTED),
}


class TestOrder:
    @pytest.mark.parametrize("name", STRAIGHT)
    def test_leads_straight_on(self, name: str) -> None:
        before, after = STRAIGHT[name]
        job = SCENE.at(before)
        SCENE.calls(job)[name]()
        assert job.state is after

    @pytest.mark.parametrize("name", STRAIGHT)
    def test_allows_no_call_elsewhere(self, name: str) -> None:
        for state in (pair[0] for pair in STRAIGHT.values()):
            if state is STRAIGHT[name][0]:
                continue
            job = SCENE.at(state)
            with pytest.raises(RuntimeError):
                SCENE.calls(job)[name]()
            assert job.state is state

    def test_shows_nothing_it_does_not_have(self) -> None:
        job = SCENE.job()
        for read in (lambda: job.offer, lambda: job.file, lambda: job.released):
            with pytest.raises(RuntimeError):
                read()


class TestRefusal:
    def test_before_the_release_leaves_nothing_to_report(self) -> None:
        job = Job(SCENE.pins, PrintToken("another"))
        with pytest.raises(ReleaseRefused):
            job.claim(SCENE.offer)
        assert (job.state, job.consumed) == (JobState.REFUSED, False)
        with pytest.raises(RuntimeError, match="no outcome"):
            job.abandon("given up", 1)

    @pytest.mark.parametrize(
        ("state", "wrong", "error"),
        [
            (
                JobState.RELEASED,
                lambda job: job.verify(Identity.generate("X25519").sealing, 10**6),
                ReleaseRefused,
            ),
            (JobState.RELEASED, lambda job: job.verify(SCENE.identity.sealing, 1), ReleaseRefused),
            (JobState.VERIFIED, lambda job: job.decrypted(bytes(32), SCENE.size), ReleaseRefused),
            (JobState.VERIFIED, lambda job: job.decrypted(SCENE.sha256, 1), ReleaseRefused),
            (JobState.DECRYPTED, lambda job: job.gated("refuse", SCENE.sha256, ("open",)), GateRefused),
            (JobState.DECRYPTED, lambda job: job.gated("", SCENE.sha256, ()), GateRefused),
            (JobState.DECRYPTED, lambda job: job.gated("pass", bytes(32), ()), GateRefused),
        ],
    )
    def test_after_the_release_is_reported_as_failed(
        self, state: JobState, wrong: Callable[[Job], None], error: type[Exception]
    ) -> None:
        job = SCENE.at(state)
        with pytest.raises(error):
            wrong(job)
        assert (job.state, job.consumed) == (JobState.REFUSED, True)
        job.abandon("refused", 9)
        report = job.report(SCENE.made, bytes(32))
        assert (report.outcome.result, report.report["detail"]) == (Result.FAILED, "refused")


class TestReport:
    def test_commits_to_what_it_says(self) -> None:
        job = SCENE.at(JobState.FINISHED)
        report = job.report(SCENE.made, b"s" * 32)
        claim = SCENE.offer.claim
        assert report.outcome.print == print_id(claim.licence, claim.sequence)
        assert report.outcome.report == report_commitment(b"s" * 32, canonical_json(report.report))
        assert report.report == {
            "format": "partvault/report/v1",
            "print": "0x" + report.outcome.print.hex(),
            "printer": "0x" + SCENE.pins.printer_hash.hex(),
            "revision": "0x" + SCENE.service.revision_hash.hex(),
            "part": {"design": "dsn_1", "revision": 1, "file": "cap.stl"},
            "agent": f"partvault-printer {version('partvault')}",
            "driver": "folder",
            "machine": {"model": "MK4", "serial": "M-7"},
            "material": {"name": "PLA", "batch": "LOT 3"},
            "serials": ["SN-1"],
            "started_at": "1970-01-01T00:01:40Z",
            "ended_at": "1970-01-01T00:03:20Z",
            "measurements": [],
            "mass_g": "12.4",
            "result": "completed",
            "detail": "done",
        }
        assert PrintReport.from_json(report.report).to_json() == report.report

    def test_takes_any_word_about_the_ending(self) -> None:
        job = SCENE.at(JobState.STARTED)
        job.finish(Result.FAILED, "  jammed\n\x00" + "x" * 5000, 90)
        report = PrintReport.from_json(job.report(SCENE.made, bytes(32)).report)
        assert (report.detail[:9], len(report.detail)) == ("jammed··x", 1000)
        assert report.ended_at == report.started_at == 100

    @pytest.mark.parametrize("result", [Result.FAILED, Result.CANCELLED])
    def test_tells_of_a_print_that_went_wrong(self, result: Result) -> None:
        job = SCENE.at(JobState.STARTED)
        job.finish(result, "jammed", 200)
        assert job.state is JobState.FAILED
        assert job.report(SCENE.made, bytes(32)).outcome.result == result


class AnyOrder(RuleBasedStateMachine):
    """Calls in any order: the job starts once at most, and only after everything before it was done."""

    def __init__(self) -> None:
        super().__init__()
        self.job = SCENE.job()
        self.done: list[str] = []

    @rule(name=st.sampled_from(sorted(SCENE.calls(SCENE.job()))))
    def call(self, name: str) -> None:
        before = self.job.state
        try:
            SCENE.calls(self.job)[name]()
        except RuntimeError:
            assert self.job.state is before
        else:
            self.done.append(name)

    @invariant()
    def starts_once_after_all_checks(self) -> None:
        assert self.done.count("start") <= 1
        if "start" in self.done:
            assert self.done[:6] == ["claim", "release", "verify", "decrypted", "gated", "start"]

    @invariant()
    def reports_only_what_was_consumed(self) -> None:
        assert "report" not in self.done or self.job.consumed


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = hypothesis_settings(max_examples=50, deadline=None)
