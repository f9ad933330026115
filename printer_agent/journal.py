"""The agent's durable memory: claims before they are sent, releases before they start, outcomes until they
are taken.

One SQLite file, mode 0600. Every method returns only after its change would survive a loss of power
(`synchronous=EXTRA`, rollback journal), and changes nothing when it raises. The file is made at enrolment and
never silently again: an agent that lost its memory could start a release twice, so it refuses instead.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from printer_agent.errors import JournalError
from printer_agent.journal_tables import VERSION, growth
from printer_agent.private_files import require_private, sync_folder

_NAME = "journal.sqlite"
_MINE = "(printer IS NULL OR ? IS NULL OR printer = ?)"
"""Jobs of the printer the journal was opened for; of every printer where it was opened for none."""


@dataclass(frozen=True)
class JournalJob:
    """One print as the journal knows it; `offer` and `signature` are the claim as it was or will be sent.

    `printer` is the id of the printer that claimed it, None for the one before any rotation of keys.
    """

    print_id: str
    state: str
    offer: Mapping[str, Any]
    signature: bytes
    release_id: str | None
    started_at: int | None
    detail: str
    updated_at: int
    printer: str | None = None


@dataclass(frozen=True)
class JournalOutcome:
    """One signed outcome: the request's body, when it was taken, the service's answer or its last problem."""

    print_id: str
    body: Mapping[str, Any]
    queued_at: int
    sent_at: int | None
    answer: Mapping[str, Any] | None
    problem: str | None


class Journal:
    """The open journal; close it, or use it as a context manager.

    Opened for a `printer`, what is to be done next is what that printer has to do: its keys alone can.
    """

    def __init__(self, connection: sqlite3.Connection, printer: str | None = None) -> None:
        self._connection = connection
        self._printer = printer

    @classmethod
    def create(cls, home: Path) -> Self:
        """Make the journal of a newly enrolled printer, or open the one that is there."""
        path = home / _NAME
        if path.exists():
            return cls.open(home)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        journal = cls(_connect(path))
        journal._grow(0)
        sync_folder(home)
        return journal

    @classmethod
    def open(cls, home: Path, printer: str | None = None) -> Self:
        """Open the journal; JournalError where missing or damaged, IdentityError where others may use it."""
        path = home / _NAME
        if not path.exists():
            raise JournalError(
                "missing",
                f"{path} is missing, so the agent cannot know which releases were started",
                "restore it from a backup, or enrol this printer anew with another --home",
            )
        require_private(path)
        journal = cls(_connect(path), printer)
        try:
            version = journal._connection.execute("PRAGMA user_version").fetchone()[0]
            sound = journal._connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"
        except sqlite3.DatabaseError:
            version, sound = 0, False
        if sound and 0 < version < VERSION:
            journal._grow(version)
            version = VERSION
        if not sound or version != VERSION:
            journal.close()
            raise JournalError(
                "damaged", f"{path} is damaged or of another version ({version})", "restore it from a backup"
            )
        return journal

    def remember_claim(
        self, print_id: str, token_sha256: bytes, offer: Mapping[str, Any], signature: bytes, at: int
    ) -> None:
        """Keep a signed claim before it is sent, so that a retry sends the same bytes."""
        with self._change() as connection:
            connection.execute("DELETE FROM jobs WHERE print_id = ? AND release_id IS NULL", (print_id,))
            try:
                connection.execute(
                    "INSERT INTO jobs (print_id, token_sha256, state, offer, signature, updated_at, printer)"
                    " VALUES (?, ?, 'claimed', ?, ?, ?, ?)",
                    (print_id, token_sha256, json.dumps(offer), signature, at, self._printer),
                )
            except sqlite3.IntegrityError as error:
                raise JournalError("already_claimed", f"print {print_id} was claimed here before") from error

    def find_claim(self, token_sha256: bytes) -> JournalJob | None:
        """Give the claim made with the token of this digest, if there is one."""
        rows = self._jobs("WHERE token_sha256 = ?", (token_sha256,))
        return rows[0] if rows else None

    def released(self, print_id: str, release_id: str, at: int) -> None:
        """Note the release of a claimed print; JournalError where the print has another release already."""
        with self._change() as connection:
            try:
                changed = connection.execute(
                    "UPDATE jobs SET state = 'released', release_id = ?, updated_at = ?"
                    " WHERE print_id = ? AND (release_id IS NULL OR release_id = ?)",
                    (release_id, at, print_id, release_id),
                ).rowcount
            except sqlite3.IntegrityError:
                changed = 0
            if changed != 1:
                raise JournalError(
                    "other_release", f"print {print_id} does not belong to release {release_id}"
                )

    def begin(
        self,
        print_id: str,
        release_id: str,
        intended: str | None,
        driver: str,
        at: int,
        size: int | None = None,
    ) -> None:
        """Note that the release starts, before it does; JournalError ("already_started") where it ever did.

        `intended` is the result to report once the machine has the file; None leaves it to the operator.
        `driver` names the one that starts it, `size` the bytes it gets where they are not the file's.
        """
        row = (release_id, print_id, at, intended, driver, size)
        with self._change() as connection:
            try:
                connection.execute("INSERT INTO starts VALUES (?, ?, ?, ?, ?, ?)", row)
            except sqlite3.IntegrityError as error:
                raise already_started(release_id) from error
            connection.execute(
                "UPDATE jobs SET state = 'started', started_at = ?, updated_at = ? WHERE print_id = ?",
                (at, at, print_id),
            )

    def was_started(self, release_id: str) -> bool:
        """Whether the release ever started on this printer."""
        query = "SELECT 1 FROM starts WHERE release_id = ?"
        return self._connection.execute(query, (release_id,)).fetchone() is not None

    def intended(self, release_id: str) -> str | None:
        """Give what `begin` was told to report on delivery."""
        query = "SELECT intended FROM starts WHERE release_id = ?"
        row = self._connection.execute(query, (release_id,)).fetchone()
        return None if row is None else row[0]

    def started_by(self, release_id: str) -> str | None:
        """Give the name of the driver that started the release; None where it was not noted."""
        query = "SELECT driver FROM starts WHERE release_id = ?"
        row = self._connection.execute(query, (release_id,)).fetchone()
        return None if row is None else row[0]

    def delivered_size(self, release_id: str) -> int | None:
        """Give how many bytes the machine got; None where they are the file's."""
        row = self._connection.execute(
            "SELECT size FROM starts WHERE release_id = ?", (release_id,)
        ).fetchone()
        return None if row is None else row[0]

    def ask_cancel(self, print_id: str, at: int) -> None:
        """Keep the wish that a started print be cancelled; JournalError where nothing of it can be."""
        if print_id not in {job.print_id for job in self.undecided()}:
            raise JournalError(
                "not_printing", f"print {print_id} is not printing here", "see `partvault-printer status`"
            )
        with self._change() as connection:
            connection.execute("INSERT OR IGNORE INTO cancels VALUES (?, ?)", (print_id, at))

    def cancel_asked(self, print_id: str) -> bool:
        """Whether somebody wants the print cancelled."""
        query = "SELECT 1 FROM cancels WHERE print_id = ?"
        return self._connection.execute(query, (print_id,)).fetchone() is not None

    def wiped(self, release_id: str, at: int) -> None:
        """Note that nothing of the release is left for the agent to wipe."""
        with self._change() as connection:
            connection.execute("INSERT OR IGNORE INTO wipes VALUES (?, ?)", (release_id, at))

    def unwiped(self) -> list[JournalJob]:
        """Give the started jobs that have ended, reported or awaiting a word, and are not wiped."""
        return self._jobs(
            "WHERE release_id IN (SELECT release_id FROM starts)"  # noqa: S608  fixed clauses
            " AND release_id NOT IN (SELECT release_id FROM wipes)"
            " AND (state = 'awaiting' OR print_id IN (SELECT print_id FROM outcomes))"
            f" AND {_MINE} ORDER BY updated_at",
            (self._printer, self._printer),
        )

    def note(self, print_id: str, state: str, detail: str, at: int) -> None:
        """Note a job's state and a word about it."""
        with self._change() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, detail = ?, updated_at = ? WHERE print_id = ?",
                (state, detail, at, print_id),
            )

    def keep_particulars(self, print_id: str, particulars: Mapping[str, Any]) -> None:
        """Keep what people say of a print for its report, in place of what they said before."""
        with self._change() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO particulars VALUES (?, ?)", (print_id, json.dumps(particulars))
            )

    def particulars(self, print_id: str) -> dict[str, Any]:
        """Give what people said of a print; nothing where they said nothing."""
        query = "SELECT body FROM particulars WHERE print_id = ?"
        row = self._connection.execute(query, (print_id,)).fetchone()
        return {} if row is None else dict(json.loads(row[0]))

    def queue_outcome(self, print_id: str, state: str, detail: str, body: Mapping[str, Any], at: int) -> None:
        """Keep a signed outcome until the service took it; in place of one that the service refused.

        A second of the same print is a JournalError otherwise.
        """
        with self._change() as connection:
            connection.execute(
                "DELETE FROM outcomes WHERE print_id = ? AND sent_at IS NULL AND refused", (print_id,)
            )
            try:
                connection.execute(
                    "INSERT INTO outcomes (print_id, body, queued_at) VALUES (?, ?, ?)",
                    (print_id, json.dumps(body), at),
                )
            except sqlite3.IntegrityError as error:
                raise JournalError(
                    "already_reported",
                    f"print {print_id} has an outcome already",
                    "see `partvault-printer status`",
                ) from error
            connection.execute(
                "UPDATE jobs SET state = ?, detail = ?, updated_at = ? WHERE print_id = ?",
                (state, detail, at, print_id),
            )

    def outcome_taken(self, print_id: str, answer: Mapping[str, Any], at: int) -> None:
        """Note that the service has the outcome."""
        with self._change() as connection:
            connection.execute(
                "UPDATE outcomes SET sent_at = ?, answer = ?, problem = NULL WHERE print_id = ?",
                (at, json.dumps(answer), print_id),
            )
            connection.execute(
                "UPDATE jobs SET state = 'reported', updated_at = ? WHERE print_id = ?", (at, print_id)
            )

    def outcome_delayed(self, print_id: str, problem: str, *, refused: bool = False) -> None:
        """Note why the service has not taken the outcome yet; it stays queued.

        `refused` tells that the service will not take it as it is, so that another may take its place.
        """
        with self._change() as connection:
            connection.execute(
                "UPDATE outcomes SET problem = ?, refused = ? WHERE print_id = ?",
                (problem, refused, print_id),
            )

    def waiting_outcomes(self) -> list[JournalOutcome]:
        """Give the outcomes the service does not have yet, oldest first."""
        mine = f"print_id IN (SELECT print_id FROM jobs WHERE {_MINE})"  # noqa: S608  fixed clauses
        clause = f"WHERE sent_at IS NULL AND {mine} ORDER BY queued_at, print_id"
        return self._outcomes(clause, (self._printer, self._printer))

    def outcome(self, print_id: str) -> JournalOutcome | None:
        """Give the outcome of a print, if it has one."""
        rows = self._outcomes("WHERE print_id = ?", (print_id,))
        return rows[0] if rows else None

    def jobs(self) -> list[JournalJob]:
        """Give every job, newest first."""
        return self._jobs("ORDER BY updated_at DESC, print_id", ())

    def job(self, print_id: str) -> JournalJob:
        """Give one job; JournalError ("unknown_print") where this printer never claimed it."""
        rows = self._jobs("WHERE print_id = ?", (print_id,))
        if not rows:
            raise JournalError(
                "unknown_print", f"no print {print_id} on this printer", "see `partvault-printer status`"
            )
        return rows[0]

    def undecided(self) -> list[JournalJob]:
        """Give the jobs that started and have no outcome: delivered and not judged, or cut off by a crash."""
        return self._jobs(
            "WHERE release_id IN (SELECT release_id FROM starts)"  # noqa: S608  fixed clauses
            f" AND print_id NOT IN (SELECT print_id FROM outcomes) AND {_MINE} ORDER BY updated_at",
            (self._printer, self._printer),
        )

    def adopt(self, printer: str) -> None:
        """Note, before keys rotate, whose the prints are for which no printer is noted."""
        with self._change() as connection:
            connection.execute("UPDATE jobs SET printer = ? WHERE printer IS NULL", (printer,))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _grow(self, version: int) -> None:
        with self._change() as connection:
            for statement in filter(str.strip, growth(version).split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all changes within one: whatever cuts it off, all of them are kept or none."""
        with self._change():
            yield

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        if self._connection.in_transaction:
            yield self._connection
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _jobs(self, clause: str, values: tuple[object, ...]) -> list[JournalJob]:
        columns = "print_id, state, offer, signature, release_id, started_at, detail, updated_at, printer"
        rows = self._connection.execute(f"SELECT {columns} FROM jobs {clause}", values)  # noqa: S608  fixed clauses
        return [JournalJob(row[0], row[1], json.loads(row[2]), *row[3:]) for row in rows]

    def _outcomes(self, clause: str, values: tuple[object, ...]) -> list[JournalOutcome]:
        columns = "print_id, body, queued_at, sent_at, answer, problem"
        rows = self._connection.execute(f"SELECT {columns} FROM outcomes {clause}", values)  # noqa: S608
        return [
            JournalOutcome(row[0], json.loads(row[1]), row[2], row[3], row[4] and json.loads(row[4]), row[5])
            for row in rows
        ]


def already_started(release_id: str) -> JournalError:
    """Make the error for a release that started before."""
    return JournalError(
        "already_started",
        f"release {release_id} was started on this printer before; it never starts again",
        "ask the provider for a new print token if the part did not come out",
    )


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10.0, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError:
        connection.close()
        raise JournalError("damaged", f"{path} is no journal", "restore it from a backup") from None
    connection.execute("PRAGMA synchronous = EXTRA")
    return connection
