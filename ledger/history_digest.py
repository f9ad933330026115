"""One digest over everything stored about the embedded chain up to a block.

A snapshot holds the digest of the rows that were proved when it was taken; rows that still have it need no
second proof. It covers what a replay from the first block would compare: each signed transaction with the
time of its block, every event, and the blocks that hold events. Blocks without events may be forgotten by the
index and are compared with the chain instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Column, Engine, Select, select, tuple_

from ledger import tables

_PAGE_ROWS: Final = 5000


def history_digest(engine: Engine, block: int) -> str:
    """Return the SHA-256, in hexadecimal, of the rows up to a block. Memory stays constant."""
    signed, events, blocks = tables.transactions.c, tables.events.c, tables.blocks.c
    with_events = select(events.block_number).where(events.block_number == blocks.number).exists()
    parts: Iterable[tuple[Select[Any], list[Column[Any]]]] = (
        (
            select(signed.nonce, signed.raw, signed.block_time).where(
                signed.attempt == 0, signed.nonce < block
            ),
            [signed.nonce],
        ),
        (
            select(*tables.events.c).where(events.block_number <= block),
            [events.block_number, events.log_index],
        ),
        (select(*tables.blocks.c).where(blocks.number <= block, with_events), [blocks.number]),
    )
    digest = hashlib.sha256()
    for chosen, key in parts:
        digest.update(b"\0table\0")
        for row in _rows(engine, chosen, key):
            digest.update(b"".join(map(_field, row)))
    return digest.hexdigest()


def _rows(engine: Engine, chosen: Select[Any], key: list[Column[Any]]) -> Iterator[tuple[Any, ...]]:
    """Yield rows in the order of their key, a page a transaction, so that no read stays open for long."""
    places = [list(chosen.selected_columns.keys()).index(column.key) for column in key]
    page_of = chosen.order_by(*key).limit(_PAGE_ROWS)
    after: tuple[Any, ...] | None = None
    while True:
        page = page_of if after is None else page_of.where(tuple_(*key) > after)
        with tables.reading(engine).connect() as connection:
            rows = connection.execute(page).all()
        yield from map(tuple, rows)
        if len(rows) < _PAGE_ROWS:
            return
        after = tuple(rows[-1][place] for place in places)


def _field(value: object) -> bytes:
    """Give a value with its kind and length, so that no two rows run together into the same bytes."""
    data = value if isinstance(value, bytes) else str(value).encode()
    kind = b"b" if isinstance(value, bytes) else b"n" if value is None else b"t"
    return kind + len(data).to_bytes(8, "big") + data
