"""The chain port over JSON-RPC: HTTP for any endpoint, a Unix socket for the embedded node. The one importer
of web3.

Only web3's providers are used: its middleware and formatters cost fifteen times what the answers are worth.
"""

from __future__ import annotations

import select
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import requests
from web3 import HTTPProvider, IPCProvider
from web3.exceptions import Web3Exception
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from ledger import many_views
from ledger.address import checksum_address
from ledger.chain import (
    ChainError,
    Fees,
    Header,
    Log,
    NoOutputError,
    Receipt,
    RefusedError,
    RevertError,
    SendError,
    Transaction,
)

# A library that web3 brings sets the recursion limit to 100,000 when it is imported. A request body of deeply
# nested JSON would then overflow the C stack and end the process; with Python's own limit it is an error.
sys.setrecursionlimit(1000)

_T = TypeVar("_T")
_BATCH_REQUESTS_MAX: Final = 200
_RECEIVE_BYTES: Final = 1 << 18
_TIP_FALLBACK_WEI: Final = 1_000_000_000
_MAYBE_SENT: Final = (
    "already known",
    "already imported",
    "nonce too low",
    "underpriced",
    "known transaction",
)
_REVERTED: Final = 3
_PRUNED: Final = "BlockOutOfRange"
_ASKED_AGAIN: Final = 5
_JUST_BLOCKS: Final = 64


class _SocketProvider(IPCProvider):
    """web3's IPC provider with its exchange done over: an end of file is an error at once, a stale socket is
    reopened.

    web3's own keeps reading from a node that died until its time-out and copies large answers quadratically.
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__(path)
        self._path = str(path)
        self._timeout_s = timeout_s
        self._connection: socket.socket | None = None

    def _make_request(self, request: bytes) -> RPCResponse:
        with self._lock:
            try:
                return self.decode_rpc_response(self._exchange(request))
            except (OSError, ValueError):
                self._forget()
                raise

    def _exchange(self, request: bytes) -> bytes:
        connection = self._connected()
        connection.sendall(request + b"\n")
        parts: list[bytes] = []
        while not parts or not parts[-1].endswith(b"\n"):
            part = connection.recv(_RECEIVE_BYTES)
            if not part:
                raise ConnectionResetError("the node closed the connection before it answered")
            parts.append(part)
        return b"".join(parts)

    def _connected(self) -> socket.socket:
        if self._connection is not None and select.select([self._connection], [], [], 0)[0]:
            self._forget()
        if self._connection is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self._timeout_s)
            self._connection = connection
            connection.connect(self._path)
        return self._connection

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        self._forget()


class Web3Chain:
    """A node behind a provider; see `ledger.chain.Chain` for what each method promises.

    With `mines` the node makes a block only when told to (`anvil --no-mining`): `send` then puts the
    transaction into a block of the time it is given, and simulations run at the time they are given.
    """

    def __init__(self, provider: Callable[[], JSONBaseProvider], *, mines: bool) -> None:
        self._provider = provider
        self._mines = mines

    @classmethod
    def http(cls, url: str, *, timeout_s: float = 10.0, mines: bool = False) -> Web3Chain:
        """Speak to an HTTP endpoint, with one kept connection a thread."""
        provider = HTTPProvider(
            url, request_kwargs={"timeout": timeout_s}, exception_retry_configuration=None
        )
        return cls(lambda: provider, mines=mines)

    @classmethod
    def local(cls, path: Callable[[], Path], *, timeout_s: float = 30.0, mines: bool = True) -> Web3Chain:
        """Speak to the Unix socket that `path` names at the time, with one connection a thread.

        `path` may raise ChainError while there is no node to speak to.
        """
        held = threading.local()

        def provider() -> JSONBaseProvider:
            current = path()
            if getattr(held, "path", None) != current:
                held.path, held.provider = current, _SocketProvider(current, timeout_s)
            return cast("JSONBaseProvider", held.provider)

        return cls(provider, mines=mines)

    def chain_id(self) -> int:
        """Return the chain id the node serves."""
        return _int(self._ask("eth_chainId"))

    def code(self, address: str) -> bytes:
        """Return the code at an address now; empty where there is none."""
        return _bytes(self._ask("eth_getCode", address, "latest"))

    def nonce(self, address: str, *, block: int | None = None) -> int:
        """Return how many transactions of an account are in blocks, up to `block` (None: the newest)."""
        return _int(self._ask("eth_getTransactionCount", address, _tag(block)))

    def head(self) -> Header:
        """Return the newest block."""
        return _header(self._ask("eth_getBlockByNumber", "latest", False))

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """Return the blocks of the chain as the node now sees it, None for one it does not have."""
        return self._each("eth_getBlockByNumber", [[hex(number), False] for number in numbers], _header)

    def logs(self, contract: str, first: int, last: int) -> list[Log]:
        """Return the contract's logs of the blocks first…last, both included, in chain order."""
        query = {"address": contract, "fromBlock": hex(first), "toBlock": hex(last)}
        found = [_log(item) for item in self._ask("eth_getLogs", query)]
        return sorted(found, key=lambda log: (log.block_number, log.index))

    def receipts(self, transactions: Sequence[bytes]) -> list[Receipt | None]:
        """Return for each transaction hash its receipt, None where it is in no block."""
        return self._each("eth_getTransactionReceipt", [[_hex(item)] for item in transactions], _receipt)

    def transactions(self, transactions: Sequence[bytes]) -> list[Transaction | None]:
        """Return for each hash the transaction, None where the node knows none."""
        return self._each("eth_getTransactionByHash", [[_hex(item)] for item in transactions], _transaction)

    def call(self, to: str, data: bytes, *, block: int | None = None) -> bytes:
        """Run a view at a block (None: the newest) and return its output; `RevertError` if it reverts,
        `NoOutputError` if it returns nothing.
        """
        (output,) = self.query(to, [data], block=block)
        return output

    def query(self, to: str, calls: Sequence[bytes], *, block: int | None = None) -> list[bytes]:
        """Run views at a block (None: the newest) and return their outputs; errors as of `call`."""
        if self._mines and len(calls) > 1 and all(len(data) == many_views.CALL_BYTES for data in calls):
            return self._query_together(to, calls, block)
        asked = [[{"to": to, "data": _hex(data)}, _tag(block)] for data in calls]
        return [_output(answer, to) for answer in self._calls(asked)]

    def _query_together(self, to: str, calls: Sequence[bytes], block: int | None) -> list[bytes]:
        """Do so with one request, of a node of our own that runs a program for us."""
        call = {"to": many_views.PLACE, "data": _hex(b"".join(calls))}
        asked = [call, _tag(block), {many_views.PLACE: {"code": many_views.program(to)}}]
        (answer,) = self._calls([asked])
        outputs = many_views.answers(_output(answer, to), len(calls))
        return [_some(output, to) for output in outputs]

    def storage(self, address: str, slots: Sequence[bytes], *, block: int | None = None) -> list[int]:
        """Return words of a contract's storage at a block (None: the newest)."""
        asked = [[address, _hex(slot), _tag(block)] for slot in slots]
        return [_int(word) for word in self._each("eth_getStorageAt", asked, lambda word: word)]

    def simulate(
        self, to: str, calls: Sequence[bytes], *, time: int | None = None, block: int | None = None
    ) -> list[bytes | None]:
        """Run each call by itself at a block (None: the newest); None where it runs through, else the revert
        data.
        """
        override: list[Any] = [{}, {"time": hex(time)}] if time is not None and self._mines else []
        asked = [[{"to": to, "data": _hex(data)}, _tag(block), *override] for data in calls]
        outcomes: list[bytes | None] = []
        for answer in self._calls(asked):
            try:
                _result(answer, "eth_call")
                outcomes.append(None)
            except RevertError as reverted:
                outcomes.append(reverted.data)
        return outcomes

    def fees(self) -> Fees:
        """Return what the next block asks for."""
        history = self._ask("eth_feeHistory", hex(1), "latest", [])
        try:
            tip = _int(self._ask("eth_maxPriorityFeePerGas"))
        except ChainError:
            tip = _TIP_FALLBACK_WEI
        return Fees(base=_int(history["baseFeePerGas"][-1]), tip=tip)

    def send(self, raw: bytes, *, time: int) -> None:
        """Hand over a signed transaction, mined at once where `mines`; `SendError` if not taken."""
        answer = self._exchange("eth_sendRawTransaction", [_hex(raw)])
        message = str((answer.get("error") or {}).get("message", ""))
        if "error" in answer and not (self._mines and "already" in message):
            known = any(phrase in message.lower() for phrase in _MAYBE_SENT)
            raise SendError(f"the node refused the transaction: {message}", maybe_sent=known)
        if self._mines:
            self._ask("evm_mine", {"timestamp": time})

    def tell(self, method: str, *params: object) -> Any:
        """Make one JSON-RPC request of the node's own kind (`anvil_setBalance`) and return its result."""
        return self._ask(method, *params)

    def _calls(self, params: Sequence[list[Any]]) -> Iterable[Mapping[str, Any]]:
        """Run calls; where the state asked for is gone, on the newest.

        An anvil without history drops a state the moment it mines the next block, also while it looks up
        which one "latest" is: it then refuses what it would answer a moment later.
        """
        answers = self._batch("eth_call", params) if len(params) > 1 else self._singly(params)
        for asked, first in zip(params, answers, strict=True):
            answer = first
            for _ in range(_ASKED_AGAIN):
                if not self._outran(asked[1], answer):
                    break
                answer = self._exchange("eth_call", [asked[0], "latest", *asked[2:]])
            yield answer

    def _singly(self, params: Sequence[list[Any]]) -> Iterable[Mapping[str, Any]]:
        for asked in params:
            yield self._exchange("eth_call", asked)

    def _outran(self, block: str, answer: Mapping[str, Any]) -> bool:
        """Return whether a call was refused because the node has just mined on; not where it lags behind."""
        if _PRUNED not in str(answer.get("error", "")):
            return False
        return block == "latest" or 0 <= self.head().number - int(block, 16) <= _JUST_BLOCKS

    def _each(self, method: str, params: Sequence[list[Any]], read: Callable[[Any], _T]) -> list[_T | None]:
        results = (_result(answer, method) for answer in self._batch(method, params))
        return [None if result is None else read(result) for result in results]

    def _ask(self, method: str, *params: object) -> Any:
        return _result(self._exchange(method, list(params)), method)

    def _exchange(self, method: str, params: list[Any]) -> Mapping[str, Any]:
        answer = self._guarded(lambda provider: provider.make_request(RPCEndpoint(method), params), method)
        return cast("Mapping[str, Any]", answer)

    def _batch(self, method: str, params: Sequence[list[Any]]) -> Iterable[Mapping[str, Any]]:
        """Ask the same of many things at once; answers come back in the order asked."""
        for start in range(0, len(params), _BATCH_REQUESTS_MAX):
            asked = [(RPCEndpoint(method), item) for item in params[start : start + _BATCH_REQUESTS_MAX]]
            answers = self._guarded(_batch_of(asked), method)
            if not isinstance(answers, list) or len(answers) != len(asked):
                raise ChainError(f"the node answered a batch of {len(asked)} {method} with something else")
            yield from answers

    def _guarded(self, exchange: Callable[[JSONBaseProvider], Any], method: str) -> Any:
        try:
            return exchange(self._provider())
        except (OSError, ValueError, requests.RequestException, Web3Exception) as problem:
            raise ChainError(f"{method} could not be asked of the node: {problem}") from problem


def _batch_of(asked: list[tuple[RPCEndpoint, Any]]) -> Callable[[JSONBaseProvider], Any]:
    return lambda provider: provider.make_batch_request(asked)


def _result(answer: Mapping[str, Any], method: str) -> Any:
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    fields = error if isinstance(error, Mapping) else {"message": str(error)}
    data = fields.get("data")
    if fields.get("code") == _REVERTED or "revert" in str(fields.get("message")).lower():
        raise RevertError(_bytes(data) if isinstance(data, str) and data.startswith("0x") else b"")
    raise RefusedError(f"the node refused {method}: {fields.get('message')}")


def _output(answer: Mapping[str, Any], to: str) -> bytes:
    """Return what a view returned; an empty output is none, and never to be read as zero."""
    return _some(_bytes(_result(answer, "eth_call")), to)


def _some(output: bytes, to: str) -> bytes:
    if not output:
        raise NoOutputError(
            f"a call of {to} returned nothing, as where there is no contract: this node has lost its state, "
            "is reorganising, or serves another chain"
        )
    return output


def _tag(block: int | None) -> str:
    """Return how JSON-RPC names a block, the newest without a number."""
    return "latest" if block is None else hex(block)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _int(value: Any) -> int:
    try:
        return int(value, 16)
    except (TypeError, ValueError) as problem:
        raise ChainError(f"the node answered {value!r} where a number belongs") from problem


def _bytes(value: Any) -> bytes:
    try:
        return bytes.fromhex(value.removeprefix("0x"))
    except (AttributeError, ValueError) as problem:
        raise ChainError(f"the node answered {value!r} where hexadecimal data belongs") from problem


def _member(item: Any, name: str) -> Any:
    try:
        return item[name]
    except (KeyError, TypeError) as problem:
        raise ChainError(f"the node's answer lacks {name}") from problem


def _header(item: Any) -> Header:
    return Header(
        number=_int(_member(item, "number")),
        hash=_bytes(_member(item, "hash")),
        parent=_bytes(_member(item, "parentHash")),
        timestamp=_int(_member(item, "timestamp")),
    )


def _log(item: Any) -> Log:
    return Log(
        address=checksum_address("address", _member(item, "address")),
        topics=tuple(_bytes(topic) for topic in _member(item, "topics")),
        data=_bytes(_member(item, "data")),
        block_number=_int(_member(item, "blockNumber")),
        block_hash=_bytes(_member(item, "blockHash")),
        transaction=_bytes(_member(item, "transactionHash")),
        transaction_index=_int(_member(item, "transactionIndex")),
        index=_int(_member(item, "logIndex")),
    )


def _receipt(item: Any) -> Receipt:
    return Receipt(
        transaction=_bytes(_member(item, "transactionHash")),
        block_number=_int(_member(item, "blockNumber")),
        block_hash=_bytes(_member(item, "blockHash")),
        succeeded=_int(_member(item, "status")) == 1,
    )


def _transaction(item: Any) -> Transaction:
    to = item.get("to")
    return Transaction(
        hash=_bytes(_member(item, "hash")),
        to=None if to is None else checksum_address("to", to),
        data=_bytes(_member(item, "input")),
    )
