"""Rotation of an agent's keys against a real service: every step, every place to be cut off."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ledger.typed_data import Result
from mesh_tools.sandbox import Sandbox
from printer_agent import private_files, rotation
from printer_agent.assembly import open_agent
from printer_agent.clock import Clock
from printer_agent.enrol_command import MachineWishes, enrol_home
from printer_agent.errors import AgentError, IdentityError, ServiceProblem, Unreachable
from printer_agent.identity import Identities, Identity, make_successor, switch
from printer_agent.journal import Journal
from printer_agent.print_token import PrintToken
from printer_agent.settings import Settings
from printer_agent.status import describe
from tests.app.parties import MACHINE, Party, Printer, new_party
from tests.app.printers.rotating import opened, until_state
from tests.app.service import Service, running_service
from tests.printer_agent.conftest import Hands
from tests.printer_agent.test_client_clock import Line

URL = "http://testserver"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("rotations")) as service:
        yield service


@pytest.fixture(scope="module")
def parties(running: Service) -> tuple[Party, Party, dict[str, Any]]:
    owner, provider = new_party(running, "owner"), new_party(running, "provider")
    return owner, provider, owner.published()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@dataclass
class Beside:
    """An agent beside its machine, and its provider; `cuts` end the line at requests for `cutting`."""

    service: Service
    provider: Party
    owner: Party
    revision: dict[str, Any]
    settings: Settings
    sandbox: Sandbox
    cuts: list[str | None] = field(default_factory=list)
    cutting: str = "/v1/printers/enrol"
    sent: list[str] = field(default_factory=list)

    @property
    def transport(self) -> httpx2.MockTransport:
        line = Line(self.service)

        def carry(request: httpx2.Request) -> httpx2.Response:
            cut = self.cuts.pop(0) if self.cuts and request.url.path == self.cutting else None
            self.sent.append(request.url.path)
            if cut == "before":
                raise httpx2.ConnectError("cut")
            answer = line.carry(request)
            if cut == "after":
                raise httpx2.ReadError("cut")
            return answer

        return httpx2.MockTransport(carry)

    @property
    def clock(self) -> Clock:
        return Clock(pause=lambda _: None)

    @property
    def home(self) -> Path:
        return self.settings.home

    def printer(self, identity: Identity | None = None) -> Printer:
        """The service's side of an identity."""
        held = identity or Identity.load(self.home)
        return Printer(self.service, held.enrolled.printer_id)

    def code(self) -> str:
        return str(opened(self.provider, self.printer())["enrolment_code"])

    def rotate(self, code: str, **options: Any) -> dict[str, Any]:
        return rotation.rotate(self.settings, code, transport=self.transport, **options)

    def settle(self) -> Identities:
        return rotation.settle(self.settings, clock=self.clock, transport=self.transport)

    def approve(self, printer_id: str) -> None:
        answer = self.provider.call("POST", f"/v1/printers/{printer_id}/approve", json={})
        assert answer.status_code in (200, 202), answer.text
        until_state(self.provider, Printer(self.service, printer_id), "enrolled")

    def token(self, printer: Printer, licence: dict[str, Any] | None = None) -> PrintToken:
        granted = licence or self.owner.license(self.revision, self.provider)
        return PrintToken(self.provider.authorise(granted, printer)["token"])

    def print(self, token: PrintToken, result: Result | None = Result.COMPLETED) -> Any:
        found = Identities.load(self.home)
        owner = rotation.identity_for(self.settings, found, token, clock=self.clock, transport=self.transport)
        with open_agent(
            self.settings, identity=owner, clock=self.clock, transport=self.transport, sandbox=self.sandbox
        ) as agent:
            return agent.print(token, result)

    def alarms(self) -> int:
        return len(self.provider.expect(200, "GET", "/v1/alarms")["items"])


@pytest.fixture
def beside(
    running: Service, parties: tuple[Party, Party, dict[str, Any]], tmp_path: Path, sandbox: Sandbox
) -> Beside:
    owner, provider, revision = parties
    settings = Settings.read({}, home=tmp_path / "home", watch=tmp_path / "watch")
    agent = Beside(running, provider, owner, revision, settings, sandbox)
    made = provider.expect(201, "POST", "/v1/printers", json={"name": "P", "machine": MACHINE})
    wishes = MachineWishes(build_volume="250x210x210")
    code = made["enrolment_code"]
    enrol_home(settings, URL, code, suite="X25519", provider=None, machine=wishes, transport=agent.transport)
    agent.approve(made["id"])
    agent.sent.clear()
    return agent


class TestRotate:
    def test_leads_to_new_keys_and_back_to_one_identity(self, beside: Beside) -> None:
        old = Identity.load(beside.home)
        made = beside.rotate(beside.code())
        waiting = Identities.load(beside.home)
        assert waiting.enrolling.signing.x == old.signing.x, "the old keys serve until the approval"
        assert isinstance(waiting.successor, Identity)
        assert (made["predecessor_id"], made["switched"]) == (old.enrolled.printer_id, False)
        assert made["sealing_suite"] == "X25519"
        beside.approve(made["printer_id"])
        assert beside.settle().enrolling.enrolled.printer_id == made["printer_id"]
        until_state(beside.provider, beside.printer(old), "retired")
        settled = beside.settle()
        assert (settled.predecessors, settled.successor) == ((), None)
        assert settled.enrolling.signing.x != old.signing.x
        content = (beside.home / "identity.json").read_text()
        assert len(json.loads(content)["predecessors"]) == 0

    def test_prints_by_either_key_while_both_live(self, beside: Beside) -> None:
        old, before = Identity.load(beside.home), beside.alarms()
        licence = beside.owner.license(beside.revision, beside.provider)
        waiting = beside.print(beside.token(beside.printer(old), licence), None)
        made = beside.rotate(beside.code())
        beside.approve(made["printer_id"])
        beside.settle()
        assert beside.print(beside.token(beside.printer())).result == "completed"
        held = rotation.identity_of(beside.settings, waiting.print_id)
        assert held.enrolled.printer_id == old.enrolled.printer_id
        assert [each.enrolled.printer_id for each in beside.settle().predecessors] == [
            old.enrolled.printer_id
        ], "kept while its print has no outcome"
        with open_agent(
            beside.settings,
            identity=held,
            clock=beside.clock,
            transport=beside.transport,
            sandbox=beside.sandbox,
        ) as agent:
            assert agent.report(waiting.print_id, Result.COMPLETED, "looked at").result == "completed"
        until_state(beside.provider, beside.printer(old), "retired")
        assert beside.settle().predecessors == ()
        assert beside.alarms() == before, "no token was tried with a key it was not issued to"

    def test_finds_whose_a_token_is(self, beside: Beside, hands: Hands) -> None:
        old = Identity.load(beside.home)
        mine = beside.token(beside.printer(old))
        made = beside.rotate(beside.code())
        beside.approve(made["printer_id"])
        found = beside.settle()
        new = beside.token(beside.printer())
        ask = {"clock": beside.clock, "transport": beside.transport}
        assert rotation.identity_for(beside.settings, found, mine, **ask).signing.x == old.signing.x
        assert rotation.identity_for(beside.settings, found, new, **ask).signing.x != old.signing.x
        beside.cuts, beside.cutting = ["before"] * 200, "/v1/printers/self"
        with pytest.raises(Unreachable):
            rotation.identity_for(beside.settings, found, mine, clock=hands.clock, transport=beside.transport)

    def test_goes_on_with_the_same_keys_wherever_the_line_breaks(self, beside: Beside) -> None:
        code, made = beside.code(), []
        for number, cut in itertools.product(range(2), ("before", "after")):
            beside.cuts = [*[None] * number, cut]
            with pytest.raises(Unreachable):
                beside.rotate(code)
            beside.cuts = []
            successor = Identities.load(beside.home).successor
            assert isinstance(successor, Identity)
            made.append(successor.signing.x)
        assert beside.rotate(code)["switched"] is False
        successor = Identities.load(beside.home).successor
        assert isinstance(successor, Identity)
        assert {*made, successor.signing.x} == {made[0]}

    def test_goes_on_where_the_last_answer_never_came(self, beside: Beside) -> None:
        """The service has the keys and the provider approves them before the agent asks again."""
        made = opened(beside.provider, beside.printer())
        beside.cuts = [None, "after"]
        with pytest.raises(Unreachable):
            beside.rotate(made["enrolment_code"])
        beside.approve(made["id"])
        again = beside.rotate(made["enrolment_code"])
        assert (again["printer_id"], again["switched"]) == (made["id"], True)

    def test_says_the_same_again(self, beside: Beside) -> None:
        code = beside.code()
        assert beside.rotate(code) == beside.rotate(code)

    def test_is_told_from_an_enrolment(self, beside: Beside) -> None:
        fresh = beside.provider.expect(201, "POST", "/v1/printers", json={"name": "P", "machine": MACHINE})
        with pytest.raises(IdentityError) as caught:
            beside.rotate(fresh["enrolment_code"])
        assert caught.value.kind == "enrolment_code"
        with pytest.raises(ServiceProblem, match="unknown, used up or expired"):
            beside.rotate("pve_" + "0" * 64)

    def test_is_no_enrolment(self, beside: Beside, tmp_path: Path) -> None:
        settings, wishes = Settings.read({}, home=tmp_path / "other"), MachineWishes()
        with pytest.raises(IdentityError) as caught:
            enrol_home(
                settings,
                URL,
                beside.code(),
                suite="X25519",
                provider=None,
                machine=wishes,
                transport=beside.transport,
            )
        assert caught.value.kind == "rotation_code"

    def test_begins_anew_where_the_successor_was_withdrawn(self, beside: Beside) -> None:
        made = beside.rotate(beside.code())
        beside.provider.expect(200, "POST", f"/v1/printers/{made['printer_id']}/retire", json={})
        again = beside.rotate(beside.code())
        assert again["printer_id"] != made["printer_id"]
        assert again["key_thumbprint"] != made["key_thumbprint"]

    def test_is_shown_by_status(self, beside: Beside) -> None:
        nothing = {"successor": None, "keys_made": False, "predecessors": []}
        assert describe(beside.settings)["rotation"] == nothing
        old, made = Identity.load(beside.home), beside.rotate(beside.code())
        seen = describe(beside.settings)["rotation"]
        assert (seen["successor"], seen["keys_made"]) == (made["printer_id"], True)
        switch(beside.home, made["printer_id"])
        assert describe(beside.settings)["rotation"]["predecessors"] == [old.enrolled.printer_id]


class CutOffError(BaseException):
    """The process ends here."""


class TestCutOff:
    """Every replacement of a file on the way, ended before and after it is durable."""

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_loses_no_keys(self, beside: Beside, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
        code, old = beside.code(), Identity.load(beside.home)
        write = private_files.write_private

        def cutting(at: int) -> Callable[[Path, bytes], None]:
            calls = itertools.count(1)

            def cut(path: Path, content: bytes) -> None:
                due = next(calls) == at
                if due and moment == "before":
                    raise CutOffError
                write(path, content)
                if due:
                    raise CutOffError

            return cut

        for at in itertools.count(1):
            monkeypatch.setattr("printer_agent.identity.write_private", cutting(at))
            try:
                done = beside.rotate(code)
                break
            except CutOffError:
                found = Identities.load(beside.home)
                assert found.enrolling.signing.x == old.signing.x, "the old keys are there at every moment"
        assert at > 1
        beside.approve(done["printer_id"])
        for at in itertools.count(1):
            monkeypatch.setattr("printer_agent.identity.write_private", cutting(at))
            try:
                beside.settle()
                break
            except CutOffError:
                alive = {each.enrolled.printer_id for each in Identities.load(beside.home).alive}
                assert old.enrolled.printer_id in alive
        monkeypatch.undo()
        settled = Identities.load(beside.home)
        assert settled.enrolling.enrolled.printer_id == done["printer_id"]
        assert [each.signing.x for each in settled.predecessors] == [old.signing.x]


class TestJournal:
    def test_gives_each_identity_its_own_prints(self, beside: Beside) -> None:
        old = Identity.load(beside.home).enrolled.printer_id
        with Journal.open(beside.home, old) as journal:
            journal.remember_claim("job_1", b"1" * 32, {}, b"", 1)
            journal.released("job_1", "rel_1", 1)
            journal.begin("job_1", "rel_1", None, "folder", 1)
        with Journal.open(beside.home, "prt_new") as journal:
            assert journal.undecided() == []
            assert journal.job("job_1").printer == old
        with Journal.open(beside.home) as journal:
            assert [job.print_id for job in journal.undecided()] == ["job_1"]

    def test_adopts_what_was_claimed_before_printers_were_noted(self, beside: Beside) -> None:
        with Journal.open(beside.home) as journal:
            journal.remember_claim("job_2", b"2" * 32, {}, b"", 1)
            assert journal.job("job_2").printer is None
            journal.adopt("prt_old")
            assert journal.job("job_2").printer == "prt_old"


class TestMakeSuccessor:
    def test_plans_before_it_makes(self, beside: Beside) -> None:
        made = make_successor(beside.home)
        again = make_successor(beside.home)
        assert made.signing.x == again.signing.x

    def test_leaves_the_old_keys_where_new_ones_cannot_be_made(self, beside: Beside) -> None:
        with pytest.raises(AgentError):
            make_successor(beside.home, "pkcs11:token=absent?module-path=/absent.so")
        found = Identities.load(beside.home)
        assert found.successor is None
        assert make_successor(beside.home).sealing.suite == "X25519"
