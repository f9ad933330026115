"""The ledger as the application sees it: append to the outbox, wake, wait, ask.

`embedded(...)` and `remote(...)` build it; `start` restores or checks the chain before anything is carried to
it.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from ledger import identity as identities
from ledger import tables, wallets
from ledger.abi import ContractError, decode_error, decode_query, encode_call, encode_query
from ledger.chain import Chain
from ledger.contract_state import LicenceState, PrinterState, licence_state, printer_state, revision_owner
from ledger.courier import Courier
from ledger.embedded import EmbeddedChain
from ledger.embedded_health import EmbeddedHealth, embedded_health
from ledger.endpoint_health import EndpointHealth
from ledger.errors import LedgerError
from ledger.identity import ChainIdentity
from ledger.indexer import finalised
from ledger.leases import Lease
from ledger.loop import Loop
from ledger.operations import Operation
from ledger.outbox import OperationStatus, status, take_fresh
from ledger.quorum import Endpoint, QuorumChain, endpoint_names
from ledger.relay import Relay, RelayLimits
from ledger.signer import AccountKey
from ledger.sync import Sync, pending_count, unsettled
from ledger.typed_data import Domain
from ledger.waiting import Waiting
from ledger.web3_chain import Web3Chain

_IDLE_S: Final = 0.5
_HELD_S: Final = 0.05


class LedgerStopped(LedgerError):  # noqa: N818 - it names the state
    """The runtime was asked before `start` or after `stop`."""

    kind = "ledger_stopped"


@dataclass(frozen=True)
class LedgerHealth:
    """How the ledger does. `ok` False means: issue nothing now; `reason` says why.

    Block numbers are -1 before there is a block; `lag_blocks` is what the index has yet to read. `endpoints`
    are those of several that must agree: without one that is outvoted the ledger goes on, find out why.
    """

    head: int
    indexed: int
    finalised: int
    lag_blocks: int
    pending: int
    chain_id: int
    contract: str
    embedded: bool
    ok: bool
    reason: str | None
    restarts: int = 0
    endpoints: tuple[EndpointHealth, ...] = ()


class LedgerRuntime:
    """Owns the relay's and the indexer's threads, and the embedded chain where there is one.

    Every method is safe from any thread. A process that does not `start` it may still `wait` and know the
    `domain`: the database tells what the leader's process did.
    """

    def __init__(
        self,
        engine: Engine,
        relay_key: AccountKey,
        clock: Callable[[], float],
        *,
        connect: Callable[[], tuple[Chain, ChainIdentity]],
        embedded: EmbeddedChain | None,
        confirmations: int,
        limits: RelayLimits | None,
        poll_s: float,
        endpoints: Callable[[], tuple[EndpointHealth, ...]] = tuple,
    ) -> None:
        self._engine = engine
        self._reading = tables.reading(engine)
        self._key = relay_key
        self._clock = clock
        self._connect = connect
        self._embedded = embedded
        self._confirmations = confirmations
        self._limits = limits
        self._poll_s = poll_s
        self._endpoints = endpoints
        self._waiting = Waiting(time.monotonic)
        self._identity: ChainIdentity | None = None
        self._chain: Chain | None = None
        self._sync: Sync | None = None
        self._leases: list[Lease] = []
        self._loops: list[Loop] = []

    def start(self) -> None:
        """Restore or check the chain, then carry and index from now on.

        Raises IdentityMismatch, ReplayMismatch, ChainInUse or ChainError where that must not or cannot be.
        """
        self._chain, self._identity = self._connect()
        holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        alone = self._embedded is not None
        relay_lease, sync_lease = (
            Lease(self._engine, name, holder, self._clock, alone=alone) for name in ("relay", "sync")
        )
        self._leases = [relay_lease, sync_lease]
        courier = Courier(lambda: courier_loop.wake(), lambda: relay_loop.wake()) if alone else None
        relay = Relay(
            self._engine,
            self._chain,
            self._identity,
            self._key,
            relay_lease,
            clock=self._clock,
            confirmations=self._confirmations,
            publish=self._waiting.publish,
            sent=lambda: sync_loop.wake(),
            limits=self._limits,
            courier=courier,
        )
        sync = self._sync = Sync(
            self._engine,
            self._chain,
            self._identity,
            sync_lease,
            confirmations=self._confirmations,
            publish=self._waiting.publish,
            rewound=lambda: self._rewound(relay),
        )
        relay_loop = Loop("relay", lambda: self._relay_step(relay, relay_lease))
        sync_loop = Loop("sync", lambda: self._sync_step(sync, sync_lease))
        self._loops = [relay_loop, sync_loop]
        if courier is not None:
            courier_loop = Loop("courier", courier.step)
            self._loops.append(courier_loop)
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """End the threads after their steps, give the leases back, end the embedded chain."""
        for loop in self._loops:
            loop.stop()
        if self._embedded is None:
            for lease in self._leases:
                lease.release()
        self._loops, self._leases, self._chain = [], [], None
        if self._embedded is not None:
            self._embedded.stop()

    def wake(self) -> None:
        """Tell the relay that something was appended; call it after the commit."""
        if self._loops:
            self._loops[0].wake()

    def wait(self, operation_id: str, timeout_s: float) -> OperationStatus:
        """Return the operation's status once it is final, or as it stands when the time is over.

        Raises UnknownOperation if it was never appended (or not committed).
        """
        self.wake()
        fresh = bool(self._loops) and take_fresh(operation_id)
        return self._waiting.wait(operation_id, timeout_s, lambda: self._status(operation_id), fresh=fresh)

    def watch(self, operation_id: str, tell: Callable[[], None]) -> Callable[[], None]:
        """Have `tell` called, from another thread, when this process makes an operation final; what another
        process makes final, `wait` finds. Returns what takes that back, to be called in any case.
        """
        return self._waiting.watch(operation_id, tell)

    def watched(self, operation_id: str) -> bool:
        """Tell whether somebody in this process watches an operation, and so will see to what follows."""
        return self._waiting.watched(operation_id)

    @property
    def domain(self) -> Domain:
        """Where statements count: chain id and contract."""
        identity = self._known()
        return Domain(identity.chain_id, identity.contract)

    @property
    def code_hash(self) -> bytes:
        """Keccak-256 of the contract's code, as pinned."""
        code_hash = self._known().code_hash
        if code_hash is None:
            raise LedgerStopped("the contract's code is not pinned yet; start the ledger once")
        return code_hash

    @property
    def rpc_url(self) -> str | None:
        """Where the embedded chain answers, None for a remote one."""
        return None if self._embedded is None else self._embedded.rpc_url

    def health(self) -> LedgerHealth:
        """Return how the ledger does, without asking the node."""
        _, identity = self._started()
        assert self._sync is not None  # noqa: S101 - `_started` answered
        with self._reading.connect() as connection:
            pending, lost = pending_count(connection), unsettled(connection)
        indexed = self._sync.indexed()
        head = max(self._sync.head, indexed)
        reason = self._trouble(lost)
        return LedgerHealth(
            head=head,
            indexed=indexed,
            finalised=finalised(indexed, self._confirmations),
            lag_blocks=max(head - indexed, 0),
            pending=pending,
            chain_id=identity.chain_id,
            contract=identity.contract,
            embedded=identity.embedded,
            ok=reason is None,
            reason=reason,
            restarts=0 if self._embedded is None else self._embedded.restarts,
            endpoints=self._endpoints(),
        )

    def trouble(self) -> str | None:
        """Return why nothing should be issued now, None if the ledger does well; see `health`."""
        self._started()
        with self._reading.connect() as connection:
            return self._trouble(unsettled(connection))

    def embedded_health(self) -> EmbeddedHealth | None:
        """Return what the embedded chain carries, None for one on a network; it counts the stored events."""
        return None if self._embedded is None else embedded_health(self._engine, self._embedded.directory)

    def licence_state(self, licence_id: bytes) -> LicenceState | None:
        """Return what the contract keeps of a licence, None if it was never granted."""
        return licence_state(self._query("licenceState", licence_id))

    def printer_state(self, printer_id: bytes) -> PrinterState | None:
        """Return what the contract keeps of a printer, None if it was never enrolled."""
        return printer_state(self._query("printerState", printer_id))

    def states(
        self, licences: Sequence[bytes], printers: Sequence[bytes]
    ) -> tuple[list[LicenceState | None], list[PrinterState | None]]:
        """Return `licence_state` and `printer_state` of many, with one question where the chain takes it."""
        chain, identity = self._started()
        if not identity.embedded:
            return [*map(self.licence_state, licences)], [*map(self.printer_state, printers)]
        names = ["licenceState"] * len(licences) + ["printerState"] * len(printers)
        subjects = [*licences, *printers]
        asked = [encode_query(name, subject) for name, subject in zip(names, subjects, strict=True)]
        answers = chain.query(identity.contract, asked)
        told = [decode_query(name, answer) for name, answer in zip(names, answers, strict=True)]
        count = len(licences)
        return [*map(licence_state, told[:count])], [*map(printer_state, told[count:])]

    def revision_owner(self, revision: bytes) -> str | None:
        """Return who published a revision, None if nobody did."""
        return revision_owner(self._query("revisionOwner", revision))

    def wallet_accepts(self, account: str, message: bytes, signature: bytes) -> bool:
        """Return whether an account is a contract that takes a signature over a digest for its own."""
        chain, identity = self._started()
        block = None if identity.embedded or self._sync is None else self._sync.indexed()
        return wallets.accepts(chain, account, message, signature, block=block)

    def simulate(self, operation: Operation) -> ContractError | None:
        """Return why the contract would refuse an operation now, None if it would take it."""
        chain, identity = self._started()
        outcome = chain.simulate(identity.contract, [encode_call(operation)], time=int(self._clock()))[0]
        return None if outcome is None else decode_error(outcome)

    def _query(self, name: str, subject: bytes) -> tuple[Any, ...]:
        chain, identity = self._started()
        block = None if identity.embedded or self._sync is None else self._sync.indexed()
        answer = chain.call(identity.contract, encode_query(name, subject), block=block)
        return decode_query(name, answer)

    def _status(self, operation_id: str) -> OperationStatus:
        with self._reading.connect() as connection:
            return status(connection, operation_id)

    def _known(self) -> ChainIdentity:
        """Return the identity, from the database where this process does not run the ledger itself."""
        if self._identity is None:
            with self._reading.connect() as connection:
                self._identity = identities.load(connection)
        if self._identity is None:
            raise LedgerStopped("this database has no ledger yet; start the service once to found it")
        return self._identity

    def _started(self) -> tuple[Chain, ChainIdentity]:
        if self._chain is None or self._identity is None:
            raise LedgerStopped("the ledger is not started; call start() first")
        return self._chain, self._identity

    def _trouble(self, lost: Sequence[str]) -> str | None:
        if lost:
            return (
                f"the chain took back what was final, {', '.join(lost)}; waiting until it is recorded again"
            )
        if self._embedded is not None and not self._embedded.serving:
            return f"the embedded chain is being restored: {self._embedded.failure or 'it had ended'}"
        failures = [str(loop.failure) for loop in self._loops if loop.failure is not None]
        return "; ".join(failures) or None

    def _relay_step(self, relay: Relay, lease: Lease) -> float:
        if not lease.lead():
            return self._poll_s
        if relay.step():
            return 0.0
        return _HELD_S if relay.waiting else self._poll_s

    def _rewound(self, relay: Relay) -> None:
        self._waiting.forget()
        relay.rebroadcast()

    def _sync_step(self, sync: Sync, lease: Lease) -> float:
        if not lease.lead():
            sync.step_aside()
            return self._poll_s
        return 0.0 if sync.step() and sync.behind else self._poll_s


def embedded(
    engine: Engine,
    directory: Path,
    relay_key: AccountKey,
    anvil: Path,
    clock: Callable[[], float] = time.time,
    *,
    limits: RelayLimits | None = None,
) -> LedgerRuntime:
    """Build the ledger of one machine: its chain lives in a child process and in this database.

    The chain is founded at the first start; `directory` holds only what may be lost.
    """
    chain = EmbeddedChain(directory, engine, relay_key, anvil)

    def connect() -> tuple[Chain, ChainIdentity]:
        identities.found(engine, relay_key, clock)
        chain.start()
        return chain.chain, identities.found(engine, relay_key, clock)

    return LedgerRuntime(
        engine,
        relay_key,
        clock,
        connect=connect,
        embedded=chain,
        confirmations=1,
        limits=limits,
        poll_s=_IDLE_S,
    )


def remote(
    engine: Engine,
    rpc_urls: Sequence[str],
    contract: str,
    relay_key: AccountKey,
    confirmations: int,
    clock: Callable[[], float] = time.time,
    *,
    first_block: int = 0,
    agreement: int | None = None,
    limits: RelayLimits | None = None,
    poll_s: float = _IDLE_S,
) -> LedgerRuntime:
    """Build the ledger over a network: one endpoint, or several of which `agreement` must say the same
    (None: all of two, all but one of more). Each must show the pinned chain and code.

    `confirmations` is how many blocks, its own counted, make an operation final; `first_block` where to begin
    to read.
    """
    nodes: list[Endpoint] = [Web3Chain.http(url) for url in rpc_urls]
    quorum = QuorumChain(dict(zip(endpoint_names(rpc_urls), nodes, strict=True)), agreement)
    chain: Chain = nodes[0] if len(nodes) == 1 else quorum

    def connect() -> tuple[Chain, ChainIdentity]:
        pinned = identities.pin(engine, chain, contract, first_block=first_block)
        quorum.hold_to(lambda node: identities.check_node(pinned, node.chain_id(), node.code(contract)))
        return chain, pinned

    return LedgerRuntime(
        engine,
        relay_key,
        clock,
        connect=connect,
        embedded=None,
        confirmations=confirmations,
        limits=limits,
        poll_s=poll_s,
        endpoints=tuple if len(nodes) == 1 else quorum.endpoints,
    )
