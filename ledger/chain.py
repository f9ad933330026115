"""The port to a chain: what the relay, the indexer and the audit ask of an Ethereum node, in plain frozen
values.

Adapters: `ledger.web3_chain.Web3Chain` (any JSON-RPC endpoint, the embedded anvil among them) and the fakes
of the tests. Numbers are ints, hashes and data are bytes, addresses are EIP-55 strings, times are Unix
seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.errors import LedgerError


class ChainError(LedgerError):
    """The node could not be asked, or its answer makes no sense."""

    kind = "chain_unavailable"


class RefusedError(ChainError):
    """The node answered, and said no."""

    kind = "chain_refused"


class NoOutputError(ChainError):
    """A view returned nothing: where this node looked there is no contract, though there may be one.

    A node that lost a state, or is halfway through a reorg, says this of a contract that is there.
    """

    kind = "chain_no_output"


class SendError(RefusedError):
    """The node did not take a transaction. `maybe_sent`: it, or one of the same nonce, may be there already.

    "already known", "nonce too low" and "underpriced" are of that sort: the receipt decides, not the refusal.
    """

    kind = "send_refused"

    def __init__(self, message: str, *, maybe_sent: bool) -> None:
        super().__init__(message)
        self.maybe_sent = maybe_sent


class RevertError(RefusedError):
    """An `eth_call` reverted; `data` is what the contract said."""

    kind = "call_reverted"

    def __init__(self, data: bytes) -> None:
        super().__init__(f"the contract reverted with 0x{data.hex()}")
        self.data = data


@dataclass(frozen=True, slots=True)
class Header:
    """A block: its place, its hash, its parent's hash and its Unix time."""

    number: int
    hash: bytes
    parent: bytes
    timestamp: int


@dataclass(frozen=True, slots=True)
class Log:
    """One event as the contract emitted it; `index` counts through the whole block."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    transaction: bytes
    transaction_index: int
    index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """That a transaction is in a block, and whether it ran through (`succeeded`) or reverted."""

    transaction: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a transaction asked for. `to` is None for a deployment."""

    hash: bytes
    to: str | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction would have to offer now, in wei a unit of gas."""

    base: int
    tip: int


class Chain(Protocol):
    """One node. Every method raises `ChainError` when it cannot be reached or answers nonsense; none retries
    by itself.

    Safe to use from several threads at once.
    """

    def chain_id(self) -> int:
        """Return the chain id the node serves."""
        ...

    def code(self, address: str) -> bytes:
        """Return the code at an address now; empty where there is none."""
        ...

    def nonce(self, address: str) -> int:
        """Return how many transactions of an account are in blocks."""
        ...

    def head(self) -> Header:
        """Return the newest block."""
        ...

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """Return the blocks of the chain as the node now sees it, None for one it does not have."""
        ...

    def logs(self, contract: str, first: int, last: int) -> list[Log]:
        """Return the contract's logs of the blocks first…last, both included, in chain order."""
        ...

    def receipts(self, transactions: Sequence[bytes]) -> list[Receipt | None]:
        """Return for each transaction hash its receipt, None where it is in no block."""
        ...

    def transactions(self, transactions: Sequence[bytes]) -> list[Transaction | None]:
        """Return for each hash the transaction, None where the node knows none."""
        ...

    def call(self, to: str, data: bytes, *, block: int | None = None) -> bytes:
        """Run a view at a block (None: the newest) and return its output, never an empty one.

        `RevertError` if it reverts, `NoOutputError` if it returns nothing.
        """
        ...

    def query(self, to: str, calls: Sequence[bytes]) -> list[bytes]:
        """Run views on the newest block and return their outputs in order; errors as of `call`."""
        ...

    def storage(self, address: str, slots: Sequence[bytes]) -> list[int]:
        """Return words of a contract's storage at the newest block, in the order of their 32-byte slots."""
        ...

    def simulate(self, to: str, calls: Sequence[bytes], *, time: int | None = None) -> list[bytes | None]:
        """Run each call by itself on the newest state, as if the block's time were `time`.

        Returns for each None if it would run through, else the revert data. It is advice: where the node sees
        no contract, everything runs through.
        """
        ...

    def fees(self) -> Fees:
        """Return what the next block asks for."""
        ...

    def send(self, raw: bytes, *, time: int) -> None:
        """Hand over a signed transaction; `SendError` if the node does not take it.

        `time` is the Unix time its block shall carry; only a chain that mines on demand heeds it, and there
        the transaction is in a block when this returns.
        """
        ...
