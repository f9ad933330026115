"""The whole state of an anvil as a stream: out of one process, into another, through a buffer of fixed size.

`anvil_dumpState` answers with accounts, blocks, transactions and receipts, and with the call traces of every
transaction that ran in that process: four fifths of the answer. Traces serve debuggers; they are left out on
the way. Measured with anvil 1.7.1: a node that loaded the rest answers `eth_getLogs`, receipts, headers and
transactions of all old blocks, and mines the next blocks with the same hashes. Loading goes over HTTP,
because the node's IPC reader takes time quadratic in the length of a request.
"""

from __future__ import annotations

import http.client
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

from ledger.chain import ChainError, RefusedError

_PIECE_BYTES: Final = 1 << 18
_HEAD_BYTES_MAX: Final = 4096
_TIMEOUT_S: Final = 600.0
_GZIP: Final = 31
_FAST: Final = 1
_RESULT: Final = b'"result":"0x'
_TRACES_BEGIN: Final = b'"traces":['
_TRACES_END: Final = b'],"exit":'
_LOAD_BEGIN: Final = b'{"jsonrpc":"2.0","id":1,"method":"anvil_loadState","params":["0x'
_LOAD_END: Final = b'"]}'


def dump_state(rpc_url: str) -> Iterator[bytes]:
    """Yield a node's state as anvil writes it, gzip of JSON, without traces. ChainError where it fails."""
    packer = zlib.compressobj(_FAST, zlib.DEFLATED, _GZIP)
    try:
        for piece in _without_traces(_unpacked(_dumped(rpc_url))):
            yield packer.compress(piece)
    except (OSError, http.client.HTTPException, zlib.error, ValueError) as problem:
        raise ChainError(f"the node's state could not be read: {problem!r}") from problem
    yield packer.flush()


def load_state(rpc_url: str, pieces: Iterable[bytes], size: int) -> None:
    """Give a fresh node a state of `size` bytes.

    Raises RefusedError if the node does not take it, ChainError if it cannot be reached.
    """
    try:
        with closing(_connection(rpc_url)) as connection:
            connection.putrequest("POST", "/")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(_LOAD_BEGIN) + 2 * size + len(_LOAD_END)))
            connection.endheaders(_LOAD_BEGIN)
            for piece in pieces:
                connection.send(piece.hex().encode())
            connection.send(_LOAD_END)
            answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise ChainError(f"the node's state could not be written: {problem!r}") from problem
    if answer.get("result") is not True:
        raise RefusedError(f"the node does not take the state: {answer.get('error')}")


def _connection(rpc_url: str) -> http.client.HTTPConnection:
    where = urlsplit(rpc_url)
    return http.client.HTTPConnection(str(where.hostname), where.port, timeout=_TIMEOUT_S)


def _dumped(rpc_url: str) -> Iterator[bytes]:
    """Yield the bytes of `anvil_dumpState`'s hexadecimal result."""
    question = b'{"jsonrpc":"2.0","id":1,"method":"anvil_dumpState","params":[]}'
    with closing(_connection(rpc_url)) as connection:
        connection.request("POST", "/", question, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        head, found, rest = answer.read(_HEAD_BYTES_MAX).partition(_RESULT)
        if not found:
            raise ValueError(f"the node answered {head[:200]!r}")
        while rest:
            digits, end, _ = rest.partition(b'"')
            even = len(digits) // 2 * 2
            yield bytes.fromhex(digits[:even].decode())
            if end:
                return
            rest = answer.read(_PIECE_BYTES)
            rest = digits[even:] + rest if rest else b""
    raise ValueError("the node's answer has no end")


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(_GZIP)
    for piece in pieces:
        rest = piece
        while rest:
            yield unpacker.decompress(rest, _PIECE_BYTES)
            rest = unpacker.unconsumed_tail
    yield unpacker.flush()


def _without_traces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Empty every list of traces. Their values are numbers, names and hexadecimal, so the end is plain."""
    held, inside = b"", False
    for piece in pieces:
        held += piece
        while True:
            mark = _TRACES_END if inside else _TRACES_BEGIN
            at = held.find(mark)
            if at < 0:
                break
            if not inside:
                yield held[: at + len(mark)]
            held = held[at if inside else at + len(mark) :]
            inside = not inside
        keep = max(len(held) - len(mark) + 1, 0)
        if not inside:
            yield held[:keep]
        held = held[keep:]
    yield held
