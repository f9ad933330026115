"""The database: one engine, one place that begins and commits.

`Database.write()` is the unit of work: every change of one request or one worker step is in one transaction,
together with the ledger's outbox rows. On SQLite it begins IMMEDIATE, as does `engine.begin()`, so it never
fails half
way for a lock; `Database.read()` and `engine.connect()` begin DEFERRED and hold nobody up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session

from app.errors import Conflict
from ledger.writing import settle, settled_reading, write_turn

_WRITES = "partvault_writes"
_GUARD: ContextVar[Iterator[Callable[[Session], None]] | None] = ContextVar("guard", default=None)
_POSTPONED: ContextVar[bool] = ContextVar("postponed", default=False)
BUSY_TIMEOUT_S = 30
_FOUNDING_LOCK = 0x70760002
"""PostgreSQL advisory lock, held by who makes what there is once: the schema, the first rows."""


class Database:
    """Sessions on one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing = engine.execution_options(**{_WRITES: True})

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a unit of work: committed when the block ends well, rolled back when it raises.

        Raises Conflict where another transaction took the same unique value first.
        """
        turn = write_turn(self.engine, settle=not _POSTPONED.get())
        with turn, Session(self._writing, expire_on_commit=False) as session:
            try:
                session.connection()
                for check in _GUARD.get() or ():
                    check(session)
                yield session
                session.commit()
            except IntegrityError as error:
                raise Conflict(
                    "another request changed the same rows at the same moment", remedy="repeat the request"
                ) from error

    @contextmanager
    def guarded(self, check: Callable[[Session], None]) -> Iterator[None]:
        """Have the block's first unit of work begin with a check; it changes nothing where that raises."""
        outer = _GUARD.set(iter((check,)))
        try:
            yield
        finally:
            _GUARD.reset(outer)

    @contextmanager
    def founding(self) -> Iterator[Session]:
        """Open a unit of work for what is made once; processes that start at the same moment take turns."""
        with self.write() as session:
            take_turn(session.connection())
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a view of one moment; changes to its rows are never stored.

        What it showed is on the disk when the block ends.
        """
        reading = nullcontext() if _POSTPONED.get() else settled_reading(self.engine)
        with reading, Session(self.engine, autoflush=False, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def postponing(self) -> Iterator[None]:
        """Let the block's units of work, and views, end before the disk has what they wrote, or showed.

        Nothing may be answered by them, nor sent anywhere, before `settle`, or before a later unit of work
        without postponement: what that writes is on the disk no earlier.
        """
        outer = _POSTPONED.set(True)
        try:
            yield
        finally:
            _POSTPONED.reset(outer)

    def settle(self) -> None:
        """Wait until whatever was committed by now is on the disk."""
        settle(self.engine)

    def ping(self) -> None:
        """Ask the database for an answer; raises what the driver raises."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


class _SqliteEngine(Engine):
    """An engine whose `begin()` says beforehand that it is going to write."""

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a connection in a writing transaction; committed when the block ends well."""
        with self.connect() as connection:
            writing = connection.execution_options(**{_WRITES: True})
            with writing.begin():
                yield writing


def open_database(url: str, connections_max: int = 32) -> Database:
    """Build the engine; SQLite gets WAL, synchronous=FULL and foreign keys.

    A server's connections are shared by all processes, so this one takes `connections_max` of them and no
    more; threads beyond that wait.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return Database(
            create_engine(
                parsed, hide_parameters=True, pool_pre_ping=True, pool_size=connections_max, max_overflow=0
            )
        )
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = create_engine(
        parsed,
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        pool_use_lifo=True,  # turns to write share one connection, whose page cache so stays valid
        pool_size=32,
        max_overflow=64,
    )
    engine = _SqliteEngine(made.pool, made.dialect, made.url, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine)


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    driver: Any = connection
    driver.isolation_level = None  # BEGIN is ours, not the driver's
    cursor = driver.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    statement = "BEGIN IMMEDIATE" if writes else "BEGIN"
    driver: Any = connection.connection.dbapi_connection
    try:
        driver.execute(statement)  # a third of what SQLAlchemy's own way costs, at every transaction
    except sqlite3.Error as error:
        raise DBAPIError.instance(statement, None, error, sqlite3.Error) from error


def migration_config(engine: Engine) -> Config:
    """Give Alembic's configuration, bound to this engine."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = engine
    return config


def take_turn(connection: Connection) -> None:
    """Hold what founding transactions take turns with until this one ends; on SQLite writing is that."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _FOUNDING_LOCK})


def upgrade(database: Database) -> None:
    """Bring the schema to the newest revision, one process at a time."""
    command.upgrade(migration_config(database.engine), "head")
