"""Prepared statements give and do on SQLite what SQLAlchemy's own way does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError

from ledger.prepared import Prepared

METADATA = MetaData()
TABLE = Table(
    "things",
    METADATA,
    Column("id", String, primary_key=True),
    Column("raw", LargeBinary),
    Column("n", Integer),
)
LISTED = (
    select(TABLE.c.id, TABLE.c.raw, TABLE.c.n)
    .where(TABLE.c.id.in_(bindparam("ids", expanding=True)), TABLE.c.n >= bindparam("low"), TABLE.c.id != "7")
    .order_by(TABLE.c.n.desc())
    .limit(5)
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.begin() as connection:
        rows = [{"id": str(n), "raw": bytes([n]) if n else None, "n": n} for n in range(12)]
        Prepared(insert(TABLE)).run(connection, rows)
        yield connection
    engine.dispose()


class TestRows:
    @pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 8, 9, 12])
    def test_are_those_of_the_statement(self, connection: Connection, count: int) -> None:
        ids = [str(n) for n in range(count)]
        expected = [tuple(row) for row in connection.execute(LISTED, {"ids": ids, "low": 1})]
        prepared = Prepared(LISTED, "ids")
        for _ in range(2):
            assert list(prepared.rows(connection, ids=ids, low=1)) == expected

    def test_take_constants_from_the_statement(self, connection: Connection) -> None:
        chosen = select(TABLE.c.id).where(TABLE.c.id.in_(("1", "2")), TABLE.c.n > 1).limit(3)
        assert list(Prepared(chosen).rows(connection)) == [("2",)]

    def test_fail_as_sqlalchemy_fails(self, connection: Connection) -> None:
        nowhere = Table("nowhere", MetaData(), Column("a", Integer))
        with pytest.raises(OperationalError):
            Prepared(select(nowhere.c.a)).rows(connection)


class TestRun:
    def test_changes_what_is_named(self, connection: Connection) -> None:
        change = Prepared(update(TABLE).where(TABLE.c.id == bindparam("of")).values(n=bindparam("n")))
        change.run(connection, [{"of": "1", "n": 100}, {"of": "2", "n": 200}])
        change.run(connection, [])
        found = connection.execute(select(TABLE.c.id, TABLE.c.n).where(TABLE.c.n >= 100)).all()
        assert sorted(tuple(row) for row in found) == [("1", 100), ("2", 200)]

    def test_fails_as_sqlalchemy_fails(self, connection: Connection) -> None:
        with pytest.raises(IntegrityError):
            Prepared(insert(TABLE)).run(connection, [{"id": "1", "raw": None, "n": 0}])
