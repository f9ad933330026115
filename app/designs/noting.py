"""Noting a new object in its row: afterwards the row refers to the object, or the object is gone.

A commit may be stored although it was reported failed, so after a failure the row is asked, not the error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.models import Revision
from app.wiring import Services
from storage.errors import StorageError
from storage.vault import StoredObject

Column = Literal["file_object", "thumbnail_object"]
_log = structlog.get_logger("app.designs")


@contextmanager
def noting(services: Services, stored: StoredObject, revision_id: str, column: Column) -> Iterator[None]:
    """Run the transaction that notes `stored` in a column of its revision.

    1. It ends well: done.
    2. It fails, but the row refers to the object: it was stored after all; done.
    3. It fails, and the row does not refer to the object: the object is removed, the failure goes on.
    4. It fails, and the database does not answer: the object is left to the sweeper, the failure goes on.
    """
    try:
        yield
    except Exception:
        if not _noted(services, stored, revision_id, column):
            raise


def _noted(services: Services, stored: StoredObject, revision_id: str, column: Column) -> bool:
    """Tell whether the row refers to the object; where it surely does not, remove the object.

    The row is read under its lock, so that a commit still under way in the database is waited for.
    """
    try:
        with services.database.write() as session:
            row = session.get(Revision, revision_id, with_for_update=True)
            record = getattr(row, column, None) or {}
    except SQLAlchemyError as error:
        _log.warning("object left to the sweeper", revision=revision_id, error=type(error).__name__)
        return False
    if record.get("object_key") == stored.object_key:
        return True
    with suppress(StorageError):  # the sweeper tries again
        services.vault.discard(stored)
    return False
