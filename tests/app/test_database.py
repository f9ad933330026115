"""The unit of work, SQLite's settings, and the migrations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, event, text
from sqlalchemy.exc import OperationalError
from sqlmodel import SQLModel, select

from app.database import Database, migration_config, open_database, upgrade
from app.errors import Conflict
from app.models import Organisation
from ledger import tables
from tests.ledger.disks import syncs_noted


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'folder' / 'x.sqlite'}")
    upgrade(opened)
    yield opened
    opened.close()


def _organisation(name: str) -> Organisation:
    return Organisation(id=f"org_{name}", name=name, roles=["owner"], created_at=1)


class TestWrite:
    def test_commits_at_the_end(self, database: Database) -> None:
        with database.write() as session:
            session.add(_organisation("a"))
        with database.read() as session:
            assert session.exec(select(Organisation.name)).all() == ["a"]

    def test_keeps_nothing_of_a_block_that_raises(self, database: Database) -> None:
        def fail() -> None:
            with database.write() as session:
                session.add(_organisation("a"))
                session.flush()
                raise ValueError

        with pytest.raises(ValueError):
            fail()
        with database.read() as session:
            assert session.exec(select(Organisation)).all() == []

    def test_calls_a_taken_unique_value_a_conflict(self, database: Database) -> None:
        with database.write() as session:
            session.add(_organisation("a"))

        def again() -> None:
            with database.write() as session:
                session.add(Organisation(id="org_b", name="a", roles=[], created_at=1))

        with pytest.raises(Conflict):
            again()

    def test_lets_one_writer_in_at_a_time(self, database: Database) -> None:
        with database.write() as session:
            session.add(_organisation("counter"))

        def count() -> None:
            for _ in range(20):
                with database.write() as session:
                    row = session.get_one(Organisation, "org_counter")
                    row.created_at += 1
                    session.add(row)

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with database.read() as session:
            assert session.get_one(Organisation, "org_counter").created_at == 81


class TestRead:
    def test_stores_no_change(self, database: Database) -> None:
        with database.write() as session:
            session.add(_organisation("a"))
        with database.read() as session:
            session.get_one(Organisation, "org_a").name = "b"
        with database.read() as session:
            assert session.get_one(Organisation, "org_a").name == "a"

    def test_holds_no_writer_up(self, database: Database) -> None:
        with database.read() as reader:
            reader.exec(select(Organisation)).all()
            with database.write() as session:
                session.add(_organisation("a"))
            assert reader.exec(select(Organisation)).all() == []


class TestPostponing:
    @pytest.fixture
    def syncs(self, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        return syncs_noted(monkeypatch, tmp_path / "folder")

    def test_leaves_the_disk_to_who_settles(self, database: Database, syncs: list[str]) -> None:
        with database.postponing():
            with database.write() as session:
                session.add(_organisation("a"))
            with database.read() as session:
                assert session.get(Organisation, "org_a") is not None
        assert syncs == []
        database.settle()
        assert syncs == ["x.sqlite-wal"]

    def test_ends_with_its_block(self, database: Database, syncs: list[str]) -> None:
        with pytest.raises(KeyError), database.postponing():
            raise KeyError
        with database.write() as session:
            session.add(_organisation("a"))
        assert syncs == ["x.sqlite-wal"]

    def test_is_no_matter_of_others(self, database: Database, syncs: list[str]) -> None:
        """Another thread tells nothing that the disk does not have."""

        def look() -> bool:
            with database.read() as session:
                return session.get(Organisation, "org_a") is not None

        with database.postponing():
            with database.write() as session:
                session.add(_organisation("a"))
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(look).result()
        assert syncs == ["x.sqlite-wal"]


class TestOpenDatabase:
    @pytest.mark.parametrize(
        ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]
    )
    def test_makes_sqlite_durable(self, database: Database, pragma: str, value: object) -> None:
        with database.engine.connect() as connection:
            assert connection.execute(text(f"PRAGMA {pragma}")).scalar() == value

    def test_shows_no_parameters_in_errors(self, database: Database) -> None:
        def fail() -> None:
            with database.engine.begin() as connection:
                connection.execute(text("SELECT nothing WHERE :secret = 1"), {"secret": "hunter2"})

        with pytest.raises(Exception, match="nothing") as caught:
            fail()
        assert "hunter2" not in str(caught.value)

    def test_begins_the_ledgers_transactions_as_writers(self, database: Database) -> None:
        with database.engine.begin() as first:
            first.execute(text("SELECT 1"))
            rival = open_database(str(database.engine.url) + "?timeout=0")
            with rival.engine.connect() as second:
                assert second.execute(text("SELECT 1")).scalar() == 1
            rival.close()

    def test_tells_of_a_lock_as_sqlalchemy_does(self, database: Database) -> None:
        rival = open_database(str(database.engine.url))
        event.listen(rival.engine, "connect", lambda driver, _: driver.execute("PRAGMA busy_timeout=0"))

        def begin() -> None:
            with rival.engine.begin():
                raise AssertionError("two write at once")

        with database.engine.begin(), pytest.raises(OperationalError, match="database is locked"):
            begin()
        rival.close()


class TestMigrations:
    def test_lead_to_the_models(self, database: Database) -> None:
        both = MetaData()
        for metadata in (SQLModel.metadata, tables.metadata):
            for table in metadata.tables.values():
                table.to_metadata(both)
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, both) == []

    def test_go_down_and_up_again(self, database: Database) -> None:
        command.downgrade(migration_config(database.engine), "base")
        upgrade(database)
        with database.read() as session:
            assert session.exec(select(Organisation)).all() == []
