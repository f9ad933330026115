"""Column types shared by the tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger
from sqlmodel import Field


def json_field(**options: Any) -> Any:
    """Declare a JSON column."""
    return Field(sa_type=JSON(none_as_null=True), **options)


def time_field(**options: Any) -> Any:
    """Declare a column of seconds since 1970."""
    return Field(sa_type=BigInteger, **options)
