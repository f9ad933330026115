"""A ledger to play on: a database in a folder, the embedded chain beside it, or an anvil that plays a
network.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from ledger import tables
from ledger.abi import artifact
from ledger.anvil import AnvilOptions, AnvilProcess, native_binary, spawn
from ledger.chain import Fees, Header, Log, Receipt, Transaction
from ledger.operations import Operation
from ledger.outbox import OperationStatus, append
from ledger.runtime import LedgerRuntime, embedded
from ledger.signer import AccountKey
from ledger.transaction import Offer, contract_address, sign_transaction
from ledger.web3_chain import Web3Chain
from ledger.writing import write_turn
from tests.ledger.actors import Cast, secret

ANVIL = Path(__file__).parents[2] / "contracts" / "node_modules" / ".bin" / "anvil"
RELAY = AccountKey.from_bytes(secret("relay"))
PATIENCE_S = 20.0


def open_engine(path: Path) -> Engine:
    """Open a database as the application does: WAL, writers begin IMMEDIATE."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(tables.READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    tables.metadata.create_all(engine)
    return engine


@dataclass
class Stage:
    """A running ledger with its cast."""

    engine: Engine
    runtime: LedgerRuntime
    cast: Cast

    def append(self, *operations: Operation) -> list[str]:
        with write_turn(self.engine), self.engine.begin() as connection:
            return [append(connection, operation) for operation in operations]

    def settle(self, *operations: Operation) -> list[OperationStatus]:
        ids = self.append(*operations)
        return [self.runtime.wait(operation_id, PATIENCE_S) for operation_id in ids]

    def open_licence(self, *, prints: int = 2, reprints: int = 1) -> Any:
        licence = self.cast.licence(prints=prints, reprints=reprints)
        found = self.settle(self.cast.publish(), self.cast.enrol(), self.cast.grant(licence))
        assert [status.state for status in found] == ["confirmed"] * 3, found
        return licence

    def used(self, licence: Any) -> int:
        state = self.runtime.licence_state(licence.struct_hash())
        assert state is not None
        return state.used


@contextmanager
def embedded_stage(folder: Path, clock: Callable[[], float] = time.time) -> Iterator[Stage]:
    """Run the embedded ledger of a folder; the same folder gives the same ledger again."""
    engine = open_engine(folder / "ledger.sqlite")
    runtime = embedded(engine, folder / "chain", RELAY, ANVIL, clock)
    try:
        runtime.start()
        yield Stage(engine, runtime, Cast(runtime.domain))
    finally:
        runtime.stop()
        engine.dispose()


class Network:
    """An anvil that keeps its history and mines when told, with the contract deployed: it stands for a
    network.
    """

    def __init__(self, folder: Path) -> None:
        self.node = _in_own_thread(folder)
        self.chain = Web3Chain.http(self.node.rpc_url)
        self.chain.tell("anvil_setBalance", RELAY.address, hex(10**24))
        self.contract = contract_address(RELAY.address, 0)
        offer = Offer(gas=6_000_000, max_fee=10**11, tip=10**9)
        code = artifact().bytecode
        signed = sign_transaction(RELAY, chain_id=31337, nonce=0, to=None, data=code, offer=offer)
        self.chain.send(signed.raw, time=0)
        self.mine()

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.chain.tell("evm_mine")

    def pooled(self) -> list[str]:
        content = self.chain.tell("txpool_content")["pending"]
        return [item["hash"] for by_nonce in content.values() for item in by_nonce.values()]


@contextmanager
def mining_network(folder: Path, every_s: float = 0.1) -> Iterator[Network]:
    """A network that makes a block now and then."""
    network, stop = Network(folder), threading.Event()

    def mine() -> None:
        while not stop.wait(every_s):
            network.mine()

    miner = threading.Thread(target=mine)
    miner.start()
    try:
        yield network
    finally:
        stop.set()
        miner.join()
        network.node.kill()


def _in_own_thread(folder: Path) -> AnvilProcess:
    """Start anvil from a thread that lives as long as the child does."""
    started: list[AnvilProcess] = []
    ready = threading.Event()
    options = AnvilOptions(31337, int(time.time()) - 3600, history=True)

    def watch() -> None:
        try:
            started.append(spawn(native_binary(ANVIL), folder, options))
        finally:
            ready.set()
        started[0].wait()

    threading.Thread(target=watch, daemon=True).start()
    assert ready.wait(PATIENCE_S)
    return started[0]


class FaultyChain:
    """A real chain whose answers can fail: `before` and `after` are told each question and may raise or not
    return.
    """

    def __init__(
        self,
        chain: Any,
        before: Callable[[str], None] = lambda _: None,
        after: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._chain = chain
        self._before = before
        self._after = after

    def _ask(self, name: str, *arguments: Any, **options: Any) -> Any:
        self._before(name)
        answer = getattr(self._chain, name)(*arguments, **options)
        self._after(name)
        return answer

    def chain_id(self) -> int:
        return int(self._ask("chain_id"))

    def code(self, address: str) -> bytes:
        return bytes(self._ask("code", address))

    def nonce(self, address: str) -> int:
        return int(self._ask("nonce", address))

    def head(self) -> Header:
        found: Header = self._ask("head")
        return found

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        return list(self._ask("headers", numbers))

    def logs(self, contract: str, first: int, last: int) -> list[Log]:
        return list(self._ask("logs", contract, first, last))

    def receipts(self, transactions: Sequence[bytes]) -> list[Receipt | None]:
        return list(self._ask("receipts", transactions))

    def transactions(self, transactions: Sequence[bytes]) -> list[Transaction | None]:
        return list(self._ask("transactions", transactions))

    def call(self, to: str, data: bytes, *, block: int | None = None) -> bytes:
        return bytes(self._ask("call", to, data, block=block))

    def query(self, to: str, calls: Sequence[bytes]) -> list[bytes]:
        return list(self._ask("query", to, calls))

    def storage(self, address: str, slots: Sequence[bytes]) -> list[int]:
        return list(self._ask("storage", address, slots))

    def simulate(self, to: str, calls: Sequence[bytes], *, time: int | None = None) -> list[bytes | None]:
        return list(self._ask("simulate", to, calls, time=time))

    def fees(self) -> Fees:
        found: Fees = self._ask("fees")
        return found

    def send(self, raw: bytes, *, time: int) -> None:
        self._ask("send", raw, time=time)
