"""Rotation and destruction on PostgreSQL: the same tests, and what only several writers at a time show."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text

from app.custody import destruction, rotation, wraps
from tests.app.custody import test_destruction, test_rotation, test_wraps
from tests.app.custody.holding import Holding, context, holding
from tests.app.service import until
from tests.faults.postgresql import INSTALLED, PACKAGES, running_postgresql

pytestmark = pytest.mark.skipif(not INSTALLED, reason=f"needs {' and '.join(PACKAGES)}")
_numbers = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[URL]:
    """The address of an empty server that listens on a socket of its own."""
    with running_postgresql() as address:
        yield address


@pytest.fixture
def held(server: URL, tmp_path: Path) -> Iterator[Holding]:
    """Twelve wraps under version 1, in a database of their own."""
    name = f"partvault_{next(_numbers)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    url = server.set(database=name).render_as_string(hide_password=False)
    with holding(tmp_path / "data", 12, url) as made:
        yield made


class TestKeep(test_wraps.TestKeep):
    """On PostgreSQL."""


class TestSwap(test_wraps.TestSwap):
    """On PostgreSQL."""


@pytest.mark.slow
class TestRotate(test_rotation.TestRotate):
    """On PostgreSQL."""


@pytest.mark.slow
class TestStopped(test_rotation.TestStopped):
    """On PostgreSQL."""


@pytest.mark.slow
class TestUnopened(test_rotation.TestUnopened):
    """On PostgreSQL."""


@pytest.mark.slow
class TestDestroy(test_destruction.TestDestroy):
    """On PostgreSQL."""


class TestTwoRuns:
    def test_make_one_version_and_move_each_wrap_once(self, held: Holding) -> None:
        held.fill(500)
        start = threading.Barrier(2)

        def run(_: int) -> rotation.Outcome:
            start.wait()
            return held.rotate("1")

        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(run, range(2)))
        assert all(outcome.complete for outcome in outcomes)
        assert held.keys.versions() == ["1", "2"]
        assert [row.rewrapped for row in held.rotations()] == [512]
        assert held.unopened() == []


class TestLock:
    """Who is writing a wrap is waited for, by the maker of a version and by its destroyer."""

    WAITING = "select count(*) from pg_locks where locktype = 'advisory' and not granted"

    def test_a_rotation_waits_for_a_wrap_that_is_being_written(self, held: Holding) -> None:
        new = context(900)
        with ThreadPoolExecutor(1) as pool:
            with held.database.write() as session:
                held.secrets[new], wrapped = held.keys.generate(new)
                wraps.keep(session, held.keys, new, wrapped, 1)
                running = pool.submit(held.rotate)
                until(lambda: held.rows(self.WAITING) == [(1,)])
                assert held.keys.versions() == ["1"]
            assert running.result().complete
        assert held.under() == {"2": 13}
        assert held.unopened() == []

    def test_a_destruction_waits_for_a_wrap_that_is_being_written(self, held: Holding) -> None:
        new = context(900)
        held.secrets[new], wrapped = held.keys.generate(new)
        held.rotate()
        with ThreadPoolExecutor(1) as pool:
            with held.database.write() as session:
                wraps.keep(session, held.keys, new, wrapped, 1)
                running = pool.submit(destruction.destroy, held.database, held.keys, held.clock, "1")
                until(lambda: held.rows(self.WAITING) == [(1,)])
                assert held.keys.versions() == ["1", "2"]
            assert running.result().destroyed_at
        assert held.keys.versions() == ["2"]
        assert held.under() == {"2": 13}
        assert held.unopened() == []
