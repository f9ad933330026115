"""The embedded chain in one portable file, and the same chain made again from it without the database.

The format is `docs/formats/ledger-export.md`: JSON lines, a head, a line a block, a digest. It needs no trust
in whoever wrote it: transactions are signed, and a block that comes out with another hash is named.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rlp  # type: ignore[import-untyped]
from eth_hash.auto import keccak
from sqlalchemy import Engine, RowMapping, func, select

from ledger import tables
from ledger.abi import is_print_ledger
from ledger.chain import Header, RefusedError
from ledger.errors import LedgerError
from ledger.facts import compact_json
from ledger.identity import ChainIdentity
from ledger.replay import ReplayMismatch
from ledger.restoration import RELAY_BALANCE_WEI
from ledger.signatures import recover_signer
from ledger.web3_chain import Web3Chain

FORMAT: Final = "partvault/ledger-export/v1"
HARDFORK: Final = "osaka"
_PAGE_BLOCKS: Final = 200
_LINE_BYTES_MAX: Final = 4 << 20
_TYPED: Final = b"\x02"
_SIGNED_FIELDS: Final = 9


class ExportFault(LedgerError):  # noqa: N818 - it names what was found
    """An exported file is damaged, or does not make the chain it says. `row` names the line at fault."""

    kind = "ledger_export"

    def __init__(self, row: str, problem: str) -> None:
        super().__init__(f"{row}: {problem}; ask for the file again, from who exported it")
        self.row = row


@dataclass(frozen=True)
class ExportHead:
    """The first line: everything that makes the first block what it is, and what the blocks end in."""

    chain_id: int
    genesis_time: int
    relay: str
    relay_balance_wei: int
    contract: str
    code_hash: str
    blocks: int


@dataclass(frozen=True)
class _Block:
    """A line: the block's time and only transaction, and its hash where the exporter knew it."""

    number: int
    time: int
    transaction: bytes
    hash: bytes | None


def relay_of(engine: Engine) -> str:
    """Return the account that signed the deployment; ReplayMismatch where that row is missing or damaged."""
    row = "ledger_transactions nonce 0"
    wanted = select(tables.transactions.c.raw).where(tables.transactions.c.nonce == 0)
    with tables.reading(engine).connect() as connection:
        raw = connection.execute(wanted).scalar()
    if raw is None:
        raise ReplayMismatch(row, "the signed transaction is missing")
    try:
        return sender_of(raw)
    except LedgerError as problem:
        raise ReplayMismatch(f"{row}.raw", str(problem)) from problem


def sender_of(raw: bytes) -> str:
    """Return the account that signed an EIP-1559 transaction; LedgerError if it is none."""
    try:
        fields = rlp.decode(raw[1:])
        parity, r, s = (int.from_bytes(field, "big") for field in fields[_SIGNED_FIELDS:])
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])
        message = keccak(_TYPED + rlp.encode(fields[:_SIGNED_FIELDS]))
    except (rlp.exceptions.RLPException, ValueError, TypeError, OverflowError) as problem:
        raise LedgerError(f"these bytes are no signed transaction: {problem}") from problem
    return recover_signer(message, signature)


def indexed_blocks(engine: Engine) -> int:
    """Return the number of the newest indexed block, 0 without any."""
    with tables.reading(engine).connect() as connection:
        return int(connection.execute(select(func.max(tables.blocks.c.number))).scalar() or 0)


def export_lines(engine: Engine, identity: ChainIdentity, last: int) -> Iterator[bytes]:
    """Yield the file's lines for the blocks up to `last`. Raises ReplayMismatch where a transaction is
    missing.
    """
    digest = hashlib.sha256()
    for line in _lines(engine, identity, last):
        data = compact_json(line).encode() + b"\n"
        digest.update(data)
        yield data
    yield compact_json({"sha256": digest.hexdigest()}).encode() + b"\n"


def _lines(engine: Engine, identity: ChainIdentity, last: int) -> Iterator[dict[str, Any]]:
    yield {
        "format": FORMAT,
        "chain_id": identity.chain_id,
        "genesis_time": identity.genesis_time,
        "hardfork": HARDFORK,
        "relay": relay_of(engine),
        "relay_balance_wei": str(RELAY_BALANCE_WEI),
        "contract": identity.contract,
        "code_hash": "0x" + (identity.code_hash or b"").hex(),
        "blocks": last,
    }
    for first in range(1, last + 1, _PAGE_BLOCKS):
        yield from _page(engine, first, min(first + _PAGE_BLOCKS - 1, last))


def _page(engine: Engine, first: int, last: int) -> Iterator[dict[str, Any]]:
    signed, blocks = tables.transactions.c, tables.blocks.c
    of_page = select(signed.nonce, signed.raw, signed.block_time).where(
        signed.attempt == 0, signed.nonce.between(first - 1, last - 1)
    )
    around = select(tables.blocks).where(blocks.number.between(first - 1, last + 1))
    with tables.reading(engine).connect() as connection:
        rows = {row["nonce"] + 1: row for row in connection.execute(of_page).mappings()}
        headers = {row["number"]: row for row in connection.execute(around).mappings()}
    for number in range(first, last + 1):
        if number not in rows:
            raise ReplayMismatch(
                f"ledger_transactions nonce {number - 1}", "the signed transaction is missing"
            )
        yield {
            "block": number,
            "time": rows[number]["block_time"],
            "transaction": "0x" + rows[number]["raw"].hex(),
            "hash": _hash(headers, number),
            "parent": _hash(headers, number - 1),
        }


def _hash(headers: dict[int, RowMapping], number: int) -> str | None:
    """Return a block's hash, from its own row or as the parent of the next; None where neither is indexed."""
    for row, field in ((number, "hash"), (number + 1, "parent")):
        if row in headers:
            known: bytes = headers[row][field]
            return "0x" + known.hex()
    return None


def read_head(path: Path) -> ExportHead:
    """Read the first line; ExportFault if it is not this format's, OSError if there is no file."""
    with path.open("rb") as file:
        line = file.readline(_LINE_BYTES_MAX)
    try:
        data = json.loads(line)
        if (data.pop("format"), data.pop("hardfork")) != (FORMAT, HARDFORK):
            raise ExportFault("line 1", f"is not of the format {FORMAT}")
        return ExportHead(**{**data, "relay_balance_wei": int(data["relay_balance_wei"])})
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise ExportFault("line 1", f"is no head of the format {FORMAT}: {problem!r}") from problem


def rebuild(
    node: Web3Chain, path: Path, head: ExportHead, advance: Callable[[int], None] = lambda _: None
) -> Header:
    """Make the chain of a file in a fresh node of the head's chain id and time; return its newest block.

    1. Every line is a block, in order, and the digest at the end is that of all lines.
    2. The node takes every transaction, and every block has the hash that its line says.
    3. The contract is the print ledger, with the code hash that the head says.

    Raises ExportFault naming the first line at fault.
    """
    node.tell("anvil_setBalance", head.relay, hex(head.relay_balance_wei))
    page: list[_Block] = []
    for block in _blocks(path, head):
        try:
            node.send(block.transaction, time=block.time)
        except RefusedError as refusal:
            _compare(node, page)  # a block before it may be the reason
            raise ExportFault(f"line {block.number + 1}", str(refusal)) from refusal
        page.append(block)
        if len(page) == _PAGE_BLOCKS or block.number == head.blocks:
            _compare(node, page)
            advance(len(page))
            page = []
    newest, code = node.head(), node.code(head.contract)
    if newest.number != head.blocks:
        raise ExportFault("line 1", f"says {head.blocks} blocks, the transactions made {newest.number}")
    if not is_print_ledger(code) or "0x" + keccak(code).hex() != head.code_hash:
        raise ExportFault("line 1", f"the code at {head.contract} is not the print ledger it says")
    return newest


def _compare(node: Web3Chain, page: Sequence[_Block]) -> None:
    headers = node.headers([block.number for block in page])
    for block, header in zip(page, headers, strict=True):
        if header is None or (block.hash is not None and header.hash != block.hash):
            raise ExportFault(f"line {block.number + 1}", f"makes another block {block.number} than it says")


def _blocks(path: Path, head: ExportHead) -> Iterator[_Block]:
    """Yield the blocks of a file, each in its place, and check the digest behind them."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.readline(_LINE_BYTES_MAX))
        for number in range(1, head.blocks + 1):
            line = file.readline(_LINE_BYTES_MAX)
            digest.update(line)
            yield _block(line, number)
        end, more = file.readline(_LINE_BYTES_MAX), file.read(1)
    name = f"line {head.blocks + 2}"
    try:
        said = json.loads(end)["sha256"]
        whole = hmac.compare_digest(said, digest.hexdigest()) and not more
    except (ValueError, TypeError, KeyError) as problem:
        raise ExportFault(name, "is not the digest that ends the file: it is cut short") from problem
    if not whole:
        raise ExportFault(name, "the digest is not that of the lines before it, or more follows")


def _block(line: bytes, number: int) -> _Block:
    name = f"line {number + 1}"
    try:
        data = json.loads(line)
        hash_ = data["hash"]
        block = _Block(
            number=data["block"],
            time=data["time"],
            transaction=bytes.fromhex(data["transaction"].removeprefix("0x")),
            hash=None if hash_ is None else bytes.fromhex(hash_.removeprefix("0x")),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise ExportFault(name, f"is no block: {problem!r}") from problem
    if block.number != number or type(block.time) is not int:
        raise ExportFault(name, f"is not block {number}")
    return block
