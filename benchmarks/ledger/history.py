"""A long history: how fast it is indexed into an empty database, and audited from the chain alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, announce
from benchmarks.ledger.parties import RELAY, Parties
from benchmarks.ledger.stage import NETWORK_ID, database_in, network
from ledger.abi import encode_batch, encode_call
from ledger.audit_chain import ChainReader, audit
from ledger.identity import pin
from ledger.leases import Lease
from ledger.operations import Operation
from ledger.sync import Sync
from ledger.transaction import Offer, sign_transaction
from ledger.typed_data import Domain
from ledger.web3_chain import Web3Chain

PRINTS = 100_000
LICENCES = 100
_BATCH = 128


def figures() -> Iterator[Figure]:
    """Yield how long indexing and auditing take."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-ledger-") as folder,
        network(Path(folder)) as (url, contract),
    ):
        events = _play(Web3Chain.http(url, mines=True), contract)
        announce(f"indexing {events} events")
        indexed_s = _index(Web3Chain.http(url), contract, Path(folder), events)
        yield Figure(f"indexing {PRINTS} events", indexed_s * PRINTS / events, "s", 10, "lower")
        announce(f"auditing {PRINTS} prints")
        began = time.perf_counter()
        report = audit(ChainReader(Web3Chain.http(url), contract))
        audited_s = time.perf_counter() - began
        if not report.ok or report.counts["prints"] != PRINTS:
            raise RuntimeError(f"the audit disagrees: {report.counts}, {report.findings[:3]}")
        yield Figure(f"audit of {PRINTS} prints", audited_s, "s", 60, "lower")


def _play(chain: Web3Chain, contract: str) -> int:
    """Put the prints on the chain, in batches straight from the relay's account; return how many events."""
    each = PRINTS // LICENCES
    parties = Parties(Domain(NETWORK_ID, contract), licences=LICENCES, prints=each)
    opening = parties.opening()
    nonce = 1
    for part in (opening[:2], opening[2:]):
        _send(chain, contract, nonce, part)
        nonce += 1
    waiting: list[Operation] = []
    announce(f"signing and playing {PRINTS} prints")
    for operation in parties.prints(range(1, each + 1)):
        waiting.append(operation)
        if len(waiting) == _BATCH:
            _send(chain, contract, nonce, waiting)
            nonce, waiting = nonce + 1, []
    if waiting:
        _send(chain, contract, nonce, waiting)
    return len(opening) + PRINTS


def _send(chain: Web3Chain, contract: str, nonce: int, operations: list[Operation]) -> None:
    data = encode_batch([encode_call(operation) for operation in operations])
    offer = Offer(gas=15_000_000, max_fee=10**11, tip=10**9)
    signed = sign_transaction(RELAY, chain_id=NETWORK_ID, nonce=nonce, to=contract, data=data, offer=offer)
    chain.send(signed.raw, time=int(time.time()) + nonce)


def _index(chain: Web3Chain, contract: str, folder: Path, events: int) -> float:
    """Return the seconds it takes to index everything into an empty database, durably."""
    database = database_in(folder)
    identity = pin(database.engine, chain, contract, first_block=0)
    lease = Lease(database.engine, "sync", "bench", time.time, alone=True)
    sync = Sync(database.engine, chain, identity, lease, confirmations=1, publish=lambda _: None)
    began = time.perf_counter()
    while sync.step():
        pass
    elapsed = time.perf_counter() - began
    with database.engine.connect() as connection:
        (count,) = connection.exec_driver_sql("SELECT count(*) FROM ledger_events").one()
    database.close()
    if count != events:
        raise RuntimeError(f"{count} events of {events} are in the index")
    return elapsed
