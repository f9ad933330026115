"""Cursor pagination: ids sort by time, so the last id of a page is the cursor of the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from sqlmodel import Session, SQLModel, col
from sqlmodel.sql.expression import SelectOfScalar

Row = TypeVar("Row", bound=SQLModel)
View = TypeVar("View", bound=BaseModel)


class Page(BaseModel, Generic[View]):
    """One page of a list; `next_cursor` is null on the last one."""

    items: list[View]
    next_cursor: str | None = None


def page(
    session: Session,
    query: SelectOfScalar[Row],
    id_column: Any,
    view: Callable[[Row], View],
    limit: int,
    cursor: str | None,
) -> Page[View]:
    """Read the rows after `cursor`, oldest first."""
    if cursor is not None:
        query = query.where(col(id_column) > cursor)
    rows = session.exec(query.order_by(col(id_column)).limit(limit + 1)).all()
    shown = rows[:limit]
    more = len(rows) > limit
    last = getattr(shown[-1], id_column.key) if more else None
    return Page(items=[view(row) for row in shown], next_cursor=last)
