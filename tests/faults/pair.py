"""Two `partvault serve` processes over one database, one object store, one keyring and one network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, select

from ledger.tables import leases
from tests.e2e.conftest import Market
from tests.e2e.parties import Printer
from tests.e2e.service_process import ServiceProcess
from tests.faults.postgresql import INSTALLED, PACKAGES, running_postgresql
from tests.ledger.stage import RELAY, Network

SQLITE, POSTGRESQL = "sqlite", "postgresql"
DATABASES = [
    pytest.param(SQLITE, marks=[pytest.mark.slow] if INSTALLED else []),
    pytest.param(
        POSTGRESQL, marks=pytest.mark.skipif(not INSTALLED, reason=f"needs {' and '.join(PACKAGES)}")
    ),
]
"""What two services may share: a server, or on one machine a file; quick tests take the first there is."""


@dataclass
class Pair:
    """A market whose parties use the first service; the second serves the same data."""

    first: ServiceProcess
    second: ServiceProcess
    market: Market
    network: Network
    engine: Engine

    @property
    def urls(self) -> tuple[str, str]:
        return self.first.url, self.second.url

    @property
    def services(self) -> tuple[ServiceProcess, ServiceProcess]:
        return self.first, self.second

    def at(self, service: ServiceProcess, printer: Printer) -> Printer:
        """The machine as a client of one of the services."""
        return Printer(service.url, printer.domain, printer.id, printer.key, printer.sealing)

    def leader_first(self) -> tuple[ServiceProcess, ServiceProcess]:
        """The service that carries operations to the chain, then the other."""
        with self.engine.connect() as connection:
            query = select(leases.c.holder).where(leases.c.name == "relay")
            holder = connection.execute(query).scalar_one()
        leads = int(holder.split(":")[1]) == self.first.pid
        return (self.first, self.second) if leads else (self.second, self.first)


@contextmanager
def running_pair(folder: Path, database: str) -> Iterator[Pair]:
    """Run the two, and what they share; both are started at the same moment, on nothing."""
    with ExitStack() as stack:
        if database == POSTGRESQL:
            server = stack.enter_context(running_postgresql())
            url = server.render_as_string(hide_password=False)
        else:
            url = f"sqlite:///{folder / 'shared.sqlite'}"
        network = _network(folder / "node")
        stack.callback(network.node.kill)
        shared = {
            "database_url": url,
            "objects": f"local:{folder / 'objects'}",
            "keys": f"file:{folder / 'keyring.json'}",
            "rpc_url": network.node.rpc_url,
            "contract": network.contract,
            "relay_key": RELAY.reveal().hex(),
        }
        services = [ServiceProcess(folder / name, **shared) for name in ("first", "second")]
        for service in services:
            stack.callback(service.stop)
            service.launch()
        for service in services:
            service.await_ready()
        founder, follower = sorted(services, key=lambda service: not service.founded)
        engine = create_engine(url)
        stack.callback(engine.dispose)
        yield Pair(founder, follower, Market.open(founder), network, engine)


def _network(folder: Path) -> Network:
    """A network of this moment that makes a block for every transaction."""
    folder.mkdir()
    network = Network(folder)
    network.chain.tell("evm_setNextBlockTimestamp", hex(int(time.time())))
    network.mine()
    network.chain.tell("evm_setAutomine", True)
    return network
