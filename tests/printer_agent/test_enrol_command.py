"""Enrolment at a real service, ended at every write and every answer, and run again with the same code."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from printer_agent.enrol_command import MachineWishes, enrol_home
from printer_agent.errors import IdentityError, ServiceProblem
from printer_agent.identity import Identity
from printer_agent.journal import Journal
from printer_agent.machine import load_machine
from printer_agent.settings import Settings
from tests.app.parties import MACHINE, Party, new_party
from tests.app.service import Service, running_service
from tests.printer_agent.test_client_clock import Line

URL = "http://testserver"
CALLS = ("open", "replace", "rename", "fsync", "unlink", "mkdir", "rmdir")
"""What of `os` changes the disk on the way; `open` for its making files."""


class CutOffError(BaseException):
    """The process ends here."""


@dataclass
class Process:
    """An agent's process that ends at its `due`-th point, right before it, and does nothing from then on.

    Points are calls that change the disk, statements to a database, and requests before they are sent and
    after they were answered.
    """

    due: int | None
    passed: list[str] = field(default_factory=list)
    dead: bool = False
    _mine: int = field(default_factory=threading.get_ident)
    _open: list[sqlite3.Connection] = field(default_factory=list)

    def point(self, name: str) -> None:
        if threading.get_ident() != self._mine:
            return
        self.dead = self.dead or len(self.passed) == self.due
        if self.dead:
            raise CutOffError
        self.passed.append(name)

    def transport(self, service: Service) -> httpx2.MockTransport:
        line = Line(service)

        def carry(request: httpx2.Request) -> httpx2.Response:
            self.point("request")
            answer = line.carry(request)
            self.point("answer")
            return answer

        return httpx2.MockTransport(carry)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the calls of this thread; at the end close what a dead process would have let go of."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._counted(name, getattr(os, name)))
            patch.setattr(sqlite3, "connect", self._connect(sqlite3.connect))
            try:
                yield
            finally:
                for connection in self._open:
                    connection.close()

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*words: Any, **options: Any) -> Any:
            self.point(name)
            return call(*words, **options)

        return counted

    def _connect(self, connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
        process = self

        class Counted(sqlite3.Connection):
            def execute(self, *words: Any) -> sqlite3.Cursor:
                process.point("database")
                return super().execute(*words)

        def connected(*words: Any, **options: Any) -> sqlite3.Connection:
            self.point("connect")
            made = (
                connect(*words, **options) if self._foreign() else connect(*words, factory=Counted, **options)
            )
            self._open += [] if self._foreign() else [made]
            return made

        return connected

    def _foreign(self) -> bool:
        return threading.get_ident() != self._mine


@dataclass
class Beside:
    """A provider, and machines that somebody enrols beside themselves."""

    service: Service
    provider: Party

    def code(self) -> tuple[str, str]:
        """A new printer's id and code."""
        body = {"name": "P", "machine": MACHINE}
        made = self.provider.expect(201, "POST", "/v1/printers", json=body)
        return made["id"], made["enrolment_code"]

    def enrol(self, home: Path, code: str, process: Process) -> dict[str, Any]:
        with process.running():
            return enrol_home(
                Settings.read({}, home=home),
                URL,
                code,
                suite="X25519",
                provider=None,
                machine=MachineWishes(model="MK4"),
                transport=process.transport(self.service),
            )

    def state(self, printer_id: str) -> str:
        return str(self.provider.expect(200, "GET", f"/v1/printers/{printer_id}")["state"])

    def approve(self, printer_id: str) -> None:
        answer = self.provider.call("POST", f"/v1/printers/{printer_id}/approve", json={})
        assert answer.status_code in (200, 202), answer.text


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    with running_service(tmp_path_factory.mktemp("enrolments")) as service:
        yield Beside(service, new_party(service, "provider"))


def keys_of(home: Path) -> bytes | None:
    """The signing key that a home has made durable, if any."""
    try:
        return Identity.load(home).signing.x
    except IdentityError:
        return None


class TestEnrolHome:
    @pytest.mark.parametrize("approved", [False, True], ids=["waiting", "approved"])
    def test_goes_on_wherever_it_was_cut_off(self, beside: Beside, tmp_path: Path, approved: bool) -> None:
        whole = Process(due=None)
        beside.enrol(tmp_path / "whole", beside.code()[1], whole)
        assert {"request", "answer", "database", "replace", "fsync"} <= set(whole.passed)
        used = ended = 0
        for due in range(len(whole.passed)):
            home, (printer_id, code) = tmp_path / str(due), beside.code()
            with pytest.raises(CutOffError):
                beside.enrol(home, code, Process(due))
            kept, state = keys_of(home), beside.state(printer_id)
            if approved and state == "awaiting_approval":
                beside.approve(printer_id)
                used += 1
            done = kept is not None and Identity.load(home).pins is not None
            ended += done
            if done:
                with pytest.raises(IdentityError, match=f"is enrolled as {printer_id}"):
                    beside.enrol(home, code, Process(due=None))
            else:
                beside.enrol(home, code, Process(due=None))
            identity = Identity.load(home)
            assert identity.enrolled.printer_id == printer_id
            assert kept in (None, identity.signing.x), "the keys made first are the keys enrolled"
            assert load_machine(home).model == "MK4"
            with Journal.open(home) as journal:
                assert journal.undecided() == []
        assert (used > 0) == approved
        assert ended < 5, "pins are written last"

    def test_refuses_a_used_code_from_another_home(self, beside: Beside, tmp_path: Path) -> None:
        printer_id, code = beside.code()
        beside.enrol(tmp_path / "one", code, Process(due=None))
        beside.approve(printer_id)
        with pytest.raises(ServiceProblem, match="unknown, used up or expired"):
            beside.enrol(tmp_path / "two", code, Process(due=None))

    def test_keeps_a_journal_that_is_there(self, beside: Beside, tmp_path: Path) -> None:
        """Whoever lost a home's identity still has its memory of what was started."""
        tmp_path.chmod(0o700)
        with Journal.create(tmp_path) as journal:
            journal.remember_claim("job_1", b"1" * 32, {}, b"", 1)
        beside.enrol(tmp_path, beside.code()[1], Process(due=None))
        with Journal.open(tmp_path) as journal:
            assert journal.job("job_1").print_id == "job_1"
