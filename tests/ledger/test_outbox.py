"""The outbox: one row a statement, and calldata of exactly the bytes in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from ledger import tables
from ledger.abi import encode_call
from ledger.outbox import append, calldata_in, take_fresh
from ledger.typed_data import Domain
from tests.ledger.actors import Cast
from tests.ledger.stage import open_engine

CAST = Cast(Domain(20566, "0x" + "11" * 20))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "db")
    yield made
    made.dispose()


def bodies(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(tables.operations.c.body)).scalars())


class TestAppend:
    def test_the_first_signature_of_a_statement_stays(self, engine: Engine) -> None:
        first = CAST.record(CAST.licence(), 1)
        second = replace(first, signature=CAST.record(CAST.licence(), 2).signature)
        with engine.begin() as connection:
            assert append(connection, first) == append(connection, second)
        (body,) = bodies(engine)
        assert calldata_in(body) == encode_call(first)

    def test_calldata_is_worked_out_again_where_it_is_not_at_hand(self, engine: Engine) -> None:
        operation = CAST.record(CAST.licence(), 3)
        with engine.begin() as connection:
            append(connection, operation)
        (body,) = bodies(engine)
        assert [calldata_in(body), calldata_in(body)] == [encode_call(operation)] * 2

    def test_an_operation_is_fresh_once(self, engine: Engine) -> None:
        with engine.begin() as connection:
            operation_id = append(connection, CAST.record(CAST.licence(), 4))
        assert [take_fresh(operation_id), take_fresh(operation_id)] == [True, False]

    def test_appended_again_it_is_not_fresh(self, engine: Engine) -> None:
        operation = CAST.record(CAST.licence(), 5)
        with engine.begin() as connection:
            assert take_fresh(append(connection, operation))
            assert not take_fresh(append(connection, operation))
