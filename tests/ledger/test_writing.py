"""Turns to write: one at a time, on the disk when they end, one sync for all who committed meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text

from ledger.writing import settle, settled_reading, write_turn, writing
from tests.ledger.disks import have_synced, syncs_noted

FULL, NORMAL = 2, 1


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path / 'db'}", connect_args={"check_same_thread": False})

    @event.listens_for(made, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    with made.begin() as connection:
        connection.execute(text("CREATE TABLE numbers (number INTEGER)"))
    yield made
    made.dispose()


def level(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())


def add(connection: Connection) -> None:
    connection.execute(text("INSERT INTO numbers VALUES (1)"))


@pytest.fixture
def syncs(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    return syncs_noted(monkeypatch, tmp_path)


class TestTurn:
    def test_a_turn_syncs_the_log_after_its_commit(self, engine: Engine, syncs: list[str]) -> None:
        with write_turn(engine):
            with engine.begin() as connection:
                assert level(connection) == NORMAL
                add(connection)
            assert syncs == []
        assert syncs == ["db-wal"]

    def test_a_turn_may_leave_the_sync_to_others(self, engine: Engine, syncs: list[str]) -> None:
        for _ in range(3):
            with write_turn(engine, settle=False), engine.begin() as connection:
                assert level(connection) == NORMAL
                add(connection)
        assert syncs == []
        settle(engine)
        settle(engine)
        assert syncs == ["db-wal"]

    @pytest.mark.parametrize("by", ["a turn", "the loops' turn", "a settled reading"])
    def test_a_sync_left_to_others_comes_with_theirs(self, engine: Engine, syncs: list[str], by: str) -> None:
        with write_turn(engine, settle=False), engine.begin() as connection:
            add(connection)
        if by == "a turn":
            with write_turn(engine), engine.begin() as connection:
                add(connection)
        elif by == "the loops' turn":
            with writing(engine) as connection:
                add(connection)
        else:
            with settled_reading(engine):
                assert _count(engine) == 1
        assert syncs == ["db-wal"]
        settle(engine)
        assert syncs == ["db-wal"]

    def test_a_disk_that_fails_is_told_to_who_settles(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def fail(_descriptor: int) -> None:
            raise OSError("the disk is gone")

        have_synced(monkeypatch, tmp_path, fail)
        with write_turn(engine, settle=False), engine.begin() as connection:
            add(connection)
        for _ in range(2):
            with pytest.raises(OSError, match="the disk is gone"):
                settle(engine)

    def test_the_loops_turn_syncs_too(self, engine: Engine, syncs: list[str]) -> None:
        with writing(engine) as connection:
            add(connection)
        assert syncs == ["db-wal"]

    def test_a_transaction_outside_a_turn_syncs_for_itself(self, engine: Engine) -> None:
        with writing(engine) as connection:
            assert level(connection) == NORMAL
        with engine.begin() as connection:
            assert level(connection) == FULL

    def test_another_thread_is_outside_the_turn(self, engine: Engine) -> None:
        def look() -> int:
            with engine.connect() as connection:
                return level(connection)

        with write_turn(engine), ThreadPoolExecutor(1) as pool:
            assert pool.submit(look).result() == FULL

    def test_the_turn_is_free_while_the_disk_works(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        reached, release, syncs = threading.Event(), threading.Event(), []

        def slow(_descriptor: int) -> None:
            syncs.append(1)
            reached.set()
            assert release.wait(10)

        def write() -> None:
            with writing(engine) as connection:
                add(connection)

        have_synced(monkeypatch, tmp_path, slow)
        with ThreadPoolExecutor(9) as pool:
            first = pool.submit(write)
            assert reached.wait(10)
            others = [pool.submit(write) for _ in range(8)]
            while _count(engine) < 9:
                pass
            assert not any(done.done() for done in (first, *others))
            release.set()
            for done in (first, *others):
                done.result()
        assert len(syncs) < 9

    def test_a_reader_tells_nothing_that_is_not_on_the_disk(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        reached, release = threading.Event(), threading.Event()

        def slow(_descriptor: int) -> None:
            reached.set()
            assert release.wait(10)

        def write() -> None:
            with writing(engine) as connection:
                add(connection)

        def read() -> int:
            with settled_reading(engine):
                seen.append(_count(engine))
            return seen[0]

        seen: list[int] = []
        have_synced(monkeypatch, tmp_path, slow)
        with ThreadPoolExecutor(2) as pool:
            writer = pool.submit(write)
            assert reached.wait(10)
            reader = pool.submit(read)
            assert wait([reader], timeout=0.3).not_done
            assert seen == [1]
            release.set()
            assert (reader.result(), writer.result()) == (1, None)

    def test_a_reader_waits_for_a_turn_that_has_committed(self, engine: Engine) -> None:
        def read() -> int:
            with settled_reading(engine):
                seen.append(_count(engine))
            return seen[0]

        seen: list[int] = []
        with ThreadPoolExecutor(1) as pool:
            with write_turn(engine):
                with engine.begin() as connection:
                    add(connection)
                reader = pool.submit(read)
                assert wait([reader], timeout=0.3).not_done
                assert seen == [1]
            assert reader.result() == 1

    def test_a_reader_waits_for_no_turn_that_has_not(self, engine: Engine) -> None:
        def read() -> int:
            with settled_reading(engine):
                return _count(engine)

        with ThreadPoolExecutor(1) as pool, write_turn(engine), engine.begin() as connection:
            add(connection)
            assert pool.submit(read).result() == 0

    def test_a_turn_reads_what_it_wrote_itself(self, engine: Engine) -> None:
        with write_turn(engine):
            with engine.begin() as connection:
                add(connection)
            with settled_reading(engine):
                assert _count(engine) == 1

    def test_a_new_log_is_named_on_the_disk_once(
        self, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folders: list[Path] = []
        sync = os.fsync

        def note(descriptor: int) -> None:
            folders.append(Path(f"/proc/self/fd/{descriptor}").resolve())
            sync(descriptor)

        monkeypatch.setattr("os.fsync", note)
        for _ in range(3):
            with writing(engine) as connection:
                add(connection)
        assert [folder for folder in folders if folder == tmp_path] == [tmp_path]  # others sync theirs

    def test_a_database_that_is_not_where_its_name_says_is_no_success(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        def lose() -> None:
            with write_turn(engine):
                for path in tmp_path.glob("db*"):
                    path.unlink()

        with pytest.raises(FileNotFoundError):
            lose()

    def test_a_failing_disk_is_told_to_everyone(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        failed: list[int] = []

        def fail(_descriptor: int) -> None:
            failed.append(1)
            raise OSError("the disk is gone")

        have_synced(monkeypatch, tmp_path, fail)

        def write() -> None:
            with writing(engine) as connection:
                add(connection)

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(write) for _ in range(4)]:
                with pytest.raises(OSError, match="the disk is gone"):
                    done.result()
        with pytest.raises(OSError, match="could not be synced before"):
            write()
        assert len(failed) == 1


def _count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM numbers")).scalar_one())
