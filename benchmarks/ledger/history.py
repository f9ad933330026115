"""A long history: how fast it is indexed into an empty database, and audited, from the chain alone and by
`partvault audit` over a data folder that holds every row of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.database import Database
from app.settings import Settings
from app.wiring import Services, build
from benchmarks.figures import Figure, announce
from benchmarks.ledger import inventory
from benchmarks.ledger.parties import OWNER, PROVIDER, RELAY, Parties
from benchmarks.ledger.stage import NETWORK_ID, database_in, network
from ledger.abi import encode_batch, encode_call
from ledger.audit_chain import ChainReader, audit
from ledger.identity import pin
from ledger.leases import Lease
from ledger.operations import Operation, RecordPrint
from ledger.outbox import append
from ledger.sync import Sync
from ledger.transaction import Offer, sign_transaction
from ledger.typed_data import Domain
from ledger.web3_chain import Web3Chain

PRINTS = 100_000
LICENCES = 100
_BATCH = 128
_AT_ONCE = 5_000


def figures(prints: int = PRINTS) -> Iterator[Figure]:
    """Yield how long indexing and auditing take."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-ledger-") as folder,
        network(Path(folder)) as (url, contract),
    ):
        services = build(Settings(data_dir=Path(folder) / "data"))
        revision = inventory.upload(services, OWNER.address, PROVIDER.address)
        committed = {"commitment": revision.commitment or b"", "terms": inventory.TERMS}
        domain = Domain(NETWORK_ID, contract)
        parties = Parties(domain, licences=LICENCES, prints=prints // LICENCES, **committed)
        announce(f"signing and playing {prints} prints")
        recorded = list(parties.prints(range(1, prints // LICENCES + 1)))
        operations = [*parties.opening(), *recorded]
        _play(Web3Chain.http(url, mines=True), contract, operations)
        yield _indexing(url, contract, Path(folder), len(operations), prints)
        yield _chain_alone(url, contract, prints)
        announce("writing the service's rows")
        _fill(services, url, contract, operations)
        inventory.write(services, revision, parties, recorded)
        services.database.close()
        yield from _with_rows(Path(folder) / "data", url, contract, recorded)


def _indexing(url: str, contract: str, folder: Path, events: int, prints: int) -> Figure:
    announce(f"indexing {events} events")
    database = database_in(folder)
    took_s = _index(database, Web3Chain.http(url), contract)
    with database.engine.connect() as connection:
        (count,) = connection.exec_driver_sql("SELECT count(*) FROM ledger_events").one()
    database.close()
    if count != events:
        raise RuntimeError(f"{count} events of {events} are in the index")
    return Figure(f"indexing {prints} events", took_s * prints / events, "s", 10, "lower")


def _chain_alone(url: str, contract: str, prints: int) -> Figure:
    announce(f"auditing {prints} prints")
    began = time.perf_counter()
    report = audit(ChainReader(Web3Chain.http(url), contract))
    took_s = time.perf_counter() - began
    if not report.ok or report.counts["prints"] != prints:
        raise RuntimeError(f"the audit disagrees: {report.counts}, {report.findings[:3]}")
    return Figure(f"audit of {prints} prints", took_s, "s", 60, "lower")


def _with_rows(data: Path, url: str, contract: str, prints: Sequence[RecordPrint]) -> Iterator[Figure]:
    """Run the command as an operator does, and see what it takes."""
    announce(f"auditing {len(prints)} prints and their rows")
    program = Path(sys.executable).with_name("partvault")
    environment = {**os.environ, "PARTVAULT_RPC_URL": url, "PARTVAULT_CONTRACT": contract}
    began = time.perf_counter()
    command: list[str | Path] = [program, "audit", "--data-dir", data, "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = running.stdout.read()
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    took_s = time.perf_counter() - began
    if running.returncode != 0:
        raise RuntimeError(f"the audit disagrees: {said[:2000]}")
    yield Figure(f"audit of {len(prints)} prints with the database's rows", took_s, "s", 60, "lower")
    announce(f"processor time of that audit: {usage.ru_utime + usage.ru_stime:.1f} s")
    yield Figure("memory of that audit", usage.ru_maxrss / 1024, "MiB", None, "lower")


def _play(chain: Web3Chain, contract: str, operations: Sequence[Operation]) -> None:
    """Put operations on the chain, in batches straight from the relay's account."""
    opening = LICENCES + 2
    parts = [operations[:2], operations[2:opening]]
    parts += [operations[at : at + _BATCH] for at in range(opening, len(operations), _BATCH)]
    for nonce, part in enumerate(parts, start=1):
        _send(chain, contract, nonce, part)


def _send(chain: Web3Chain, contract: str, nonce: int, operations: Sequence[Operation]) -> None:
    data = encode_batch([encode_call(operation) for operation in operations])
    offer = Offer(gas=15_000_000, max_fee=10**11, tip=10**9)
    signed = sign_transaction(RELAY, chain_id=NETWORK_ID, nonce=nonce, to=contract, data=data, offer=offer)
    chain.send(signed.raw, time=int(time.time()) + nonce)


def _fill(services: Services, url: str, contract: str, operations: Sequence[Operation]) -> None:
    """Write outbox and index as if the service had had the operations carried."""
    for first in range(0, len(operations), _AT_ONCE):
        with services.database.write() as session:
            for operation in operations[first : first + _AT_ONCE]:
                append(session.connection(), operation)
    _index(services.database, Web3Chain.http(url), contract)


def _index(database: Database, chain: Web3Chain, contract: str) -> float:
    """Return the seconds it takes to index everything into a database, durably."""
    identity = pin(database.engine, chain, contract, first_block=0)
    lease = Lease(database.engine, "sync", "bench", time.time, alone=True)
    sync = Sync(database.engine, chain, identity, lease, confirmations=1, publish=lambda _: None)
    began = time.perf_counter()
    while sync.step():
        pass
    return time.perf_counter() - began
