"""One sync for many commits: who waits for whom, and for how long."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from ledger.log_sync import LogSync
from tests.ledger.disks import have_synced

FOREVER_S = 60.0


@pytest.fixture
def database(tmp_path: Path) -> Path:
    (tmp_path / "db-wal").write_bytes(b"log")
    return tmp_path / "db"


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch, database: Path) -> list[int]:
    """Note each sync."""
    noted: list[int] = []
    have_synced(monkeypatch, database.parent, noted.append)
    return noted


def queued(database: Path, writers: int, *, gather_s: float) -> LogSync:
    """Give a log for whose turn so many writers queue."""
    log = LogSync(database, gather_s)
    for _ in range(writers):
        log.expect()
    return log


class TestWait:
    def test_syncs_at_once_when_nobody_else_comes(self, database: Path, syncs: list[int]) -> None:
        log = queued(database, 1, gather_s=FOREVER_S)
        log.wait(log.ask(), patient=True)
        assert len(syncs) == 1

    def test_shares_the_sync_of_who_comes_after(self, database: Path, syncs: list[int]) -> None:
        log = queued(database, 2, gather_s=FOREVER_S)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(log.wait, log.ask(), patient=True)
            assert wait([first], timeout=0.2).not_done
            assert syncs == []
            log.wait(log.ask(), patient=True)
            first.result()
        assert len(syncs) == 1

    def test_does_not_wait_for_company_beyond_its_time(self, database: Path, syncs: list[int]) -> None:
        log = queued(database, 2, gather_s=0.001)
        log.wait(log.ask(), patient=True)
        assert len(syncs) == 1

    def test_does_not_wait_for_company_without_patience(self, database: Path, syncs: list[int]) -> None:
        log = queued(database, 2, gather_s=FOREVER_S)
        log.wait(log.ask(), patient=False)
        assert len(syncs) == 1

    def test_does_not_wait_for_who_withdrew(self, database: Path, syncs: list[int]) -> None:
        log = queued(database, 2, gather_s=FOREVER_S)
        log.wait(log.withdraw(), patient=True)
        assert syncs == []
        log.wait(log.ask(), patient=True)
        assert len(syncs) == 1

    def test_does_not_sync_again_what_is_on_the_disk(self, database: Path, syncs: list[int]) -> None:
        log = queued(database, 1, gather_s=FOREVER_S)
        ticket = log.ask()
        log.wait(ticket, patient=True)
        log.wait(ticket, patient=True)
        log.wait(log.latest(), patient=True)
        assert len(syncs) == 1


class TestAnnounce:
    def test_has_readers_wait_for_the_commit_and_its_sync(self, database: Path, syncs: list[int]) -> None:
        log = queued(database, 1, gather_s=FOREVER_S)
        log.announce()
        with ThreadPoolExecutor(1) as pool:
            reader = pool.submit(log.wait, log.latest(), patient=True)
            assert wait([reader], timeout=0.2).not_done
            assert syncs == []
            log.wait(log.ask(), patient=True)
            reader.result()
        assert len(syncs) == 1

    def test_has_no_reader_wait_on_a_disk_that_failed(
        self, database: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_descriptor: int) -> None:
            raise OSError("the disk is gone")

        have_synced(monkeypatch, database.parent, fail)
        log = queued(database, 2, gather_s=0.0)
        with pytest.raises(OSError, match="the disk is gone"):
            log.wait(log.ask(), patient=True)
        log.announce()
        with pytest.raises(OSError, match="could not be synced before"):
            log.wait(log.latest(), patient=True)
