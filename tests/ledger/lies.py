"""What an endpoint may lie about, each as a change of one JSON-RPC result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.ledger.lying_node import Lie


def _about(method: str, change: Callable[[list[Any], Any], Any]) -> Lie:
    def lie(asked: str, params: list[Any], result: Any) -> Any:
        return change(params, result) if asked == method else result

    return lie


def _flipped(text: str) -> str:
    """Return hexadecimal data with its last bit turned."""
    return text[:-1] + format(int(text[-1], 16) ^ 1, "x")


def _made_up(params: list[Any], _: Any) -> Any:
    place = {"blockNumber": "0x1", "blockHash": "0x" + "11" * 32}
    return {"transactionHash": params[0], **place, "status": "0x1"}


def _forked(_: list[Any], result: Any) -> Any:
    if result is None:
        return None
    return {**result, "hash": _flipped(result["hash"]), "parentHash": _flipped(result["parentHash"])}


def _altered(_: list[Any], result: Any) -> Any:
    return [{**log, "data": _flipped(log["data"])} if log["data"] != "0x" else log for log in result]


def _added(_: list[Any], result: Any) -> Any:
    return [*result, {**result[-1], "logIndex": hex(len(result))}] if result else result


NO_STATE: Lie = _about("eth_call", lambda *_: "0x")
"""What a node says that has lost its state: every call runs through and returns nothing."""

LIES: dict[str, Lie] = {
    "a receipt that is not there": _about("eth_getTransactionReceipt", _made_up),
    "no receipt where there is one": _about("eth_getTransactionReceipt", lambda _, result: None),
    "a receipt that failed": _about(
        "eth_getTransactionReceipt", lambda _, result: result and {**result, "status": "0x0"}
    ),
    "an event dropped": _about("eth_getLogs", lambda _, result: result[1:]),
    "an event added": _about("eth_getLogs", _added),
    "an event altered": _about("eth_getLogs", _altered),
    "a fork": _about("eth_getBlockByNumber", _forked),
    "another nonce": _about("eth_getTransactionCount", lambda _, result: hex(int(result, 16) + 3)),
    "what a call returns": _about("eth_call", lambda _, result: result + "00"),
}
