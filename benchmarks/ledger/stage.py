"""Ledgers to measure: the database as the service opens it, an embedded chain or a network."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.database import Database, open_database
from benchmarks.ledger.parties import RELAY
from ledger import tables
from ledger.abi import artifact
from ledger.anvil import AnvilOptions, AnvilProcess, native_binary, spawn
from ledger.operations import Operation
from ledger.outbox import append
from ledger.runtime import LedgerRuntime, embedded, remote
from ledger.transaction import Offer, contract_address, sign_transaction
from ledger.web3_chain import Web3Chain
from ledger.writing import write_turn

ANVIL = Path(__file__).parents[2] / "contracts" / "node_modules" / ".bin" / "anvil"
PATIENCE_S = 60.0
NETWORK_ID = 31337


@dataclass(frozen=True)
class Stage:
    """A running ledger over its database."""

    database: Database
    runtime: LedgerRuntime

    def append(self, *operations: Operation) -> list[str]:
        """Write operations in one durable transaction, as a request of the service does."""
        engine = self.database.engine
        with write_turn(engine), engine.begin() as connection:
            return [append(connection, operation) for operation in operations]

    def settle(self, operations: Sequence[Operation]) -> None:
        """Append operations and wait until all are confirmed; RuntimeError if one is not."""
        for operation_id in self.append(*operations):
            found = self.runtime.wait(operation_id, PATIENCE_S)
            if found.state != "confirmed":
                raise RuntimeError(f"{operation_id} is {found.state}: {found.reason}")


@contextmanager
def embedded_stage(folder: Path) -> Iterator[Stage]:
    """Run the embedded ledger of a folder."""
    database = database_in(folder)
    with _running(database, embedded(database.engine, folder / "chain", RELAY, ANVIL)) as stage:
        yield stage


@contextmanager
def network_stage(folder: Path, *, block_s: int) -> Iterator[Stage]:
    """Run a ledger over a network that makes a block every so many seconds, final at once."""
    with network(folder) as (url, contract):
        Web3Chain.http(url).tell("evm_setIntervalMining", block_s)
        database = database_in(folder)
        with _running(database, remote(database.engine, [url], contract, RELAY, 1, poll_s=0.05)) as stage:
            yield stage


@contextmanager
def network(folder: Path) -> Iterator[tuple[str, str]]:
    """Run a node that makes blocks when told; give its address and the contract's."""
    node = _node(folder)
    try:
        yield node.rpc_url, _deploy(Web3Chain.http(node.rpc_url))
    finally:
        node.kill()


@contextmanager
def _running(database: Database, runtime: LedgerRuntime) -> Iterator[Stage]:
    try:
        runtime.start()
        yield Stage(database, runtime)
    finally:
        runtime.stop()
        database.close()


def database_in(folder: Path) -> Database:
    """Open a new database as the service does."""
    database = open_database(f"sqlite:///{folder / 'ledger.sqlite'}")
    tables.metadata.create_all(database.engine)
    return database


def _node(folder: Path) -> AnvilProcess:
    """Start a node from a thread that lives as long as it does: it ends with the thread that started it."""
    started: list[AnvilProcess] = []
    ready = threading.Event()

    def watch() -> None:
        try:
            options = AnvilOptions(NETWORK_ID, int(time.time()) - 3600, history=True)
            started.append(spawn(native_binary(ANVIL), folder, options))
        finally:
            ready.set()
        started[0].wait()

    threading.Thread(target=watch, daemon=True).start()
    if not ready.wait(PATIENCE_S) or not started:
        raise RuntimeError("the node did not start")
    return started[0]


def _deploy(chain: Web3Chain) -> str:
    chain.tell("anvil_setBalance", RELAY.address, hex(10**24))
    offer = Offer(gas=6_000_000, max_fee=10**11, tip=10**9)
    code = artifact().bytecode
    signed = sign_transaction(RELAY, chain_id=NETWORK_ID, nonce=0, to=None, data=code, offer=offer)
    chain.send(signed.raw, time=0)
    chain.tell("evm_mine")
    return contract_address(RELAY.address, 0)
