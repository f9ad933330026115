"""Tests of the journal: what it remembers, what it refuses, what survives a crash."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from printer_agent.errors import IdentityError, JournalError
from printer_agent.journal import Journal
from printer_agent.journal_tables import _FIRST, _SECOND
from printer_agent.private_files import make_private_folder

OFFER: dict[str, Any] = {"claim": {"sequence": 1}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_private_folder(tmp_path / "home")
    Journal.create(tmp_path / "home").close()
    return tmp_path / "home"


def claimed(journal: Journal, name: str = "job_1", token: bytes = b"t" * 32) -> None:
    journal.remember_claim(name, token, OFFER, b"signature", 10)


class TestOpen:
    def test_refuses_a_missing_journal(self, tmp_path: Path) -> None:
        with pytest.raises(JournalError, match="cannot know which releases were started"):
            Journal.open(tmp_path)

    @pytest.mark.parametrize("damage", [b"", b"not a database, but long enough to be one" * 100])
    def test_refuses_a_damaged_journal(self, home: Path, damage: bytes) -> None:
        (home / "journal.sqlite").write_bytes(damage)
        with pytest.raises(JournalError) as caught:
            Journal.open(home)
        assert caught.value.kind == "damaged"

    def test_refuses_a_journal_others_may_read(self, home: Path) -> None:
        (home / "journal.sqlite").chmod(0o644)
        with pytest.raises(IdentityError):
            Journal.open(home)

    def test_is_kept_by_a_second_create(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
        with Journal.create(home) as journal:
            assert len(journal.jobs()) == 1


class TestClaims:
    def test_are_found_by_token(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
            found = journal.find_claim(b"t" * 32)
            assert found is not None
            assert (found.print_id, found.offer, found.signature, found.state) == (
                "job_1",
                OFFER,
                b"signature",
                "claimed",
            )
            assert journal.find_claim(b"u" * 32) is None

    def test_give_way_to_a_new_token_of_the_same_print(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
            claimed(journal, token=b"u" * 32)
            assert journal.find_claim(b"t" * 32) is None

    def test_stay_once_released(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
            journal.released("job_1", "rel_1", 11)
            with pytest.raises(JournalError, match="claimed here before"):
                claimed(journal, token=b"u" * 32)


class TestReleased:
    def test_takes_the_same_release_again(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
            journal.released("job_1", "rel_1", 11)
            journal.released("job_1", "rel_1", 12)
            assert journal.job("job_1").release_id == "rel_1"

    def test_refuses_another_release(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
            claimed(journal, "job_2", b"u" * 32)
            journal.released("job_1", "rel_1", 11)
            for name, release in (("job_1", "rel_2"), ("job_2", "rel_1"), ("job_9", "rel_9")):
                with pytest.raises(JournalError, match="does not belong"):
                    journal.released(name, release, 12)


class TestBegin:
    def test_lets_a_release_start_once(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
            journal.released("job_1", "rel_1", 11)
            journal.begin("job_1", "rel_1", "COMPLETED", "folder", 12)
        with Journal.open(home) as journal:
            assert journal.was_started("rel_1")
            assert journal.intended("rel_1") == "COMPLETED"
            with pytest.raises(JournalError) as caught:
                journal.begin("job_1", "rel_1", "COMPLETED", "folder", 13)
            assert caught.value.kind == "already_started"
            assert journal.job("job_1").started_at == 12

    def test_survives_a_process_that_dies_right_after(self, home: Path) -> None:
        script = (
            "import os, sys, pathlib\n"
            "from printer_agent.journal import Journal\n"
            "journal = Journal.open(pathlib.Path(sys.argv[1]))\n"
            "journal.remember_claim('job_1', b't' * 32, {}, b's', 1)\n"
            "journal.released('job_1', 'rel_1', 2)\n"
            "journal.begin('job_1', 'rel_1', None, 'folder', 3)\n"
            "os.kill(os.getpid(), 9)\n"
        )
        run = subprocess.run([sys.executable, "-c", script, str(home)], check=False)
        assert run.returncode == -9
        with Journal.open(home) as journal:
            assert journal.was_started("rel_1")
            assert [job.print_id for job in journal.undecided()] == ["job_1"]


class TestOutcomes:
    def test_wait_until_they_are_taken(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
            journal.queue_outcome("job_1", "finished", "delivered", {"a": 1}, 20)
            journal.outcome_delayed("job_1", "no_answer: offline")
            (waiting,) = journal.waiting_outcomes()
            assert (waiting.body, waiting.problem) == ({"a": 1}, "no_answer: offline")
            journal.outcome_taken("job_1", {"state": "reported"}, 30)
            assert journal.waiting_outcomes() == []
            taken = journal.outcome("job_1")
            assert taken is not None
            assert (taken.sent_at, taken.answer, taken.problem) == (30, {"state": "reported"}, None)
            assert journal.job("job_1").state == "reported"

    def test_are_given_once_a_print(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
            journal.queue_outcome("job_1", "failed", "jammed", {"a": 1}, 20)
            with pytest.raises(JournalError) as caught:
                journal.queue_outcome("job_1", "finished", "fine", {"a": 2}, 21)
            assert caught.value.kind == "already_reported"
            assert journal.job("job_1").state == "failed"

    def test_go_out_in_the_order_they_came(self, home: Path) -> None:
        with Journal.open(home) as journal:
            for number in (3, 1, 2):
                claimed(journal, f"job_{number}", bytes([number]) * 32)
                journal.queue_outcome(f"job_{number}", "finished", "", {}, number)
            assert [waiting.print_id for waiting in journal.waiting_outcomes()] == ["job_1", "job_2", "job_3"]


class TestJob:
    def test_refuses_an_unknown_print(self, home: Path) -> None:
        with Journal.open(home) as journal, pytest.raises(JournalError, match="no print job_7"):
            journal.job("job_7")


class TestGrowth:
    def test_takes_over_a_journal_of_version_1(self, tmp_path: Path) -> None:
        home = tmp_path / "old"
        home.mkdir(mode=0o700)
        path = home / "journal.sqlite"
        path.touch(0o600)
        with closing(sqlite3.connect(path, isolation_level=None)) as old:
            for statement in filter(str.strip, _FIRST.split(";")):
                old.execute(statement)
            old.execute("INSERT INTO starts VALUES ('rel_1', 'job_1', 5, 'COMPLETED')")
            old.execute("PRAGMA user_version = 1")
        for _ in range(2):
            with Journal.open(home) as journal:
                assert journal.was_started("rel_1")
                assert (journal.intended("rel_1"), journal.started_by("rel_1")) == ("COMPLETED", None)
                assert journal.unwiped() == []

    def test_takes_over_a_journal_of_version_2(self, tmp_path: Path) -> None:
        home = tmp_path / "old"
        home.mkdir(mode=0o700)
        path = home / "journal.sqlite"
        path.touch(0o600)
        with closing(sqlite3.connect(path, isolation_level=None)) as old:
            for statement in filter(str.strip, (_FIRST + _SECOND).split(";")):
                old.execute(statement)
            old.execute("INSERT INTO outcomes (print_id, body, queued_at) VALUES ('job_1', '{}', 5)")
            old.execute("PRAGMA user_version = 2")
        with Journal.open(home) as journal:
            kept = journal.outcome("job_1")
            assert kept is not None
            assert (kept.sent_at, kept.body) == (None, {})
            assert journal.particulars("job_1") == {}


class TestParticulars:
    def test_are_kept_over_restarts(self, home: Path) -> None:
        with Journal.open(home) as journal:
            journal.keep_particulars("job_1", {"batch": "LOT 1"})
            journal.keep_particulars("job_1", {"batch": "LOT 2"})
        with Journal.open(home) as journal:
            assert journal.particulars("job_1") == {"batch": "LOT 2"}
            assert journal.particulars("job_2") == {}


class TestRefusedOutcome:
    def test_gives_way_to_another_only_while_it_is_refused(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
            journal.queue_outcome("job_1", "finished", "", {"n": 1}, 20)
            for problem, refused in (("unreachable", False), ("conflict", True), ("unreachable", False)):
                journal.outcome_delayed("job_1", problem, refused=refused)
            with pytest.raises(JournalError):
                journal.queue_outcome("job_1", "finished", "", {"n": 2}, 21)
            journal.outcome_delayed("job_1", "conflict", refused=True)
            journal.queue_outcome("job_1", "finished", "", {"n": 3}, 22)
            assert [each.body for each in journal.waiting_outcomes()] == [{"n": 3}]
            journal.outcome_delayed("job_1", "conflict", refused=True)
            journal.outcome_taken("job_1", {}, 23)
            with pytest.raises(JournalError):
                journal.queue_outcome("job_1", "finished", "", {"n": 4}, 24)


class TestCancel:
    def test_is_for_prints_that_run(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
            journal.released("job_1", "rel_1", 11)
            with pytest.raises(JournalError) as caught:
                journal.ask_cancel("job_1", 12)
            assert (caught.value.kind, journal.cancel_asked("job_1")) == ("not_printing", False)
            journal.begin("job_1", "rel_1", "COMPLETED", "octoprint", 12)
            journal.ask_cancel("job_1", 13)
            journal.ask_cancel("job_1", 14)
            assert journal.cancel_asked("job_1")


class TestWipes:
    def test_are_due_from_the_end_until_they_are_noted(self, home: Path) -> None:
        with Journal.open(home) as journal:
            claimed(journal)
            journal.released("job_1", "rel_1", 11)
            journal.begin("job_1", "rel_1", "COMPLETED", "octoprint", 12)
            assert journal.unwiped() == []
            journal.queue_outcome("job_1", "finished", "", {}, 13)
            assert [job.print_id for job in journal.unwiped()] == ["job_1"]
            journal.wiped("rel_1", 14)
            assert journal.unwiped() == []
