"""Which licence was granted in place of which print."""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class Reissue(SQLModel, table=True):
    """A licence for one print that its owner granted in place of a print; a print has one at most."""

    __tablename__ = "reissues"

    print_id: str = Field(primary_key=True, foreign_key="prints.id")
    licence_id: str = Field(unique=True, foreign_key="licences.id")
