"""What a database keeps of deleted rows, and how it is made to forget."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from app.database import BUSY_TIMEOUT_S, Database
from app.errors import Unavailable

_PATIENCE_MS = 250
"""How long readers are waited for; as long nobody else can write."""


def erase(database: Database) -> None:
    """Have the old pages gone from SQLite's write-ahead log.

    In the database file itself `secure_delete` has overwritten what was deleted. Raises Unavailable while
    somebody still reads an older state. PostgreSQL keeps old row versions until they are vacuumed, and its
    write-ahead log as long as its archive is told to: docs/operations.md, "Shredding".
    """
    if database.engine.dialect.name != "sqlite":
        return
    with closing(database.engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(f"PRAGMA busy_timeout={_PATIENCE_MS}")
        try:
            busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            raise _busy(str(error)) from error
        finally:
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
    if busy:
        raise _busy("it is being read")


def _busy(reason: str) -> Unavailable:
    return Unavailable(
        f"the database's write-ahead log cannot be emptied now: {reason}", remedy="try again later"
    )
