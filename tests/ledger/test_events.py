"""Logs by words: what no encoder of the ABI writes is no event."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from ledger.errors import TypedDataError
from ledger.events import OutcomeRecorded, PrinterEnrolled, PrintRecorded, decode_log

PRINTED = keccak(b"PrintRecorded(bytes32,bytes32,uint32,bytes32)")
ENROLLED = keccak(b"PrinterEnrolled(bytes32,address,bytes32,bytes32)")
REPORTED = keccak(b"OutcomeRecorded(bytes32,bytes32,uint32,uint8,bytes32,bool)")
ONE, TWO, THREE = (bytes([number]) * 32 for number in (1, 2, 3))
REPORT_TYPES = ["uint32", "uint8", "bytes32", "bool"]


def log(*topics: bytes, data: bytes) -> dict[str, Any]:
    return {"topics": topics, "data": data}


class TestDecodeLog:
    def test_reads_what_an_encoder_writes(self) -> None:
        data = encode(["uint32", "bytes32"], [7, THREE])
        assert decode_log(log(PRINTED, ONE, TWO, data=data)) == PrintRecorded(ONE, TWO, 7, THREE)
        account = bytes(12) + b"\x22" * 20
        enrolled = decode_log(log(ENROLLED, ONE, account, data=TWO + THREE))
        assert enrolled == PrinterEnrolled(ONE, "0x" + "22" * 20, TWO, THREE)

    @pytest.mark.parametrize("credited", [True, False])
    def test_reads_a_truth(self, credited: bool) -> None:
        data = encode(REPORT_TYPES, [9, 2, THREE, credited])
        assert decode_log(log(REPORTED, ONE, TWO, data=data)) == OutcomeRecorded(
            ONE, TWO, 9, 2, THREE, credited
        )

    @pytest.mark.parametrize(
        "damaged",
        [
            log(PRINTED, ONE, TWO, data=(1 << 32).to_bytes(32, "big") + THREE),
            log(PRINTED, ONE, TWO, data=bytes(32) + THREE[:31]),
            log(PRINTED, ONE, TWO, data=b""),
            log(PRINTED, ONE, data=bytes(32) + THREE),
            log(PRINTED, ONE, TWO[:31], data=bytes(32) + THREE),
            log(ENROLLED, ONE, b"\x01" + bytes(31), data=TWO + THREE),
            log(REPORTED, ONE, TWO, data=bytes(64) + THREE + (2).to_bytes(32, "big")),
        ],
        ids=[
            "a number too large",
            "a word cut short",
            "no data",
            "a topic missing",
            "a topic cut short",
            "more than an address",
            "more than a truth",
        ],
    )
    def test_refuses_what_none_writes(self, damaged: dict[str, Any]) -> None:
        with pytest.raises(TypedDataError, match="does not hold its fields"):
            decode_log(damaged)
