"""The row that says which contract a database belongs to, against what the chain shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ledger.audit import Finding, History
from ledger.identity import ChainIdentity

_ROW = "ledger_chain 1"


def findings(known: ChainIdentity | None, rows: Sequence[int], history: History) -> Iterator[Finding]:
    """Yield the columns of `ledger_chain`, which has one row, that do not fit the chain; `rows` are the ids
    of those there are.
    """
    if len(rows) > 1:
        yield Finding("ledger_chain", "row", f"there are {len(rows)}; a database belongs to one contract")
    yield from (Finding(f"ledger_chain {row}", "id", "the one row has the id 1") for row in rows if row != 1)
    if known is None:
        yield Finding(_ROW, "row", "is missing")
        return
    domain = history.domain
    said = {
        "chain_id": (known.chain_id, domain.chain_id),
        "contract": (known.contract, domain.contract),
        "code_hash": (known.code_hash, history.code_hash),
        "embedded": (known.embedded, known.genesis_time is not None),
    }
    if known.embedded:
        said["first_block"] = (known.first_block, 0)
        first = history.headers.get(0)
        if first is not None:
            said["genesis_time"] = (known.genesis_time, first.timestamp)
    for column, (value, wanted) in said.items():
        if value != wanted:
            yield Finding(_ROW, column, f"says {value!r}, the chain says {wanted!r}")
