"""How Alembic runs here: on the engine it is given, over the service's tables and the ledger's."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Engine
from sqlmodel import SQLModel

import app.models  # noqa: F401  # registers the tables
from app.database import take_turn
from ledger import tables

TARGET = [SQLModel.metadata, tables.metadata]

engine: Engine = context.config.attributes["engine"]
with engine.begin() as connection:
    take_turn(connection)
    context.configure(
        connection=connection,
        target_metadata=TARGET,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
