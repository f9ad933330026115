"""Calldata read back is the operations it was made of."""

from __future__ import annotations

import pytest

from ledger.abi import _encode, encode_batch, encode_call, encode_query
from ledger.calldata import operations_in
from ledger.facts import compact_json, fact_of
from ledger.operations import Operation
from ledger.outbox import operation_in
from ledger.typed_data import Domain
from tests.ledger.actors import Cast

CAST = Cast(Domain(20566, "0x" + "11" * 20))
LICENCE = CAST.licence()
OPERATIONS: list[Operation] = [
    CAST.publish(),
    CAST.enrol(),
    CAST.grant(LICENCE),
    CAST.record(LICENCE, 1),
    CAST.plate((LICENCE, 2), (LICENCE, 1)),
    CAST.report(LICENCE, 1),
    CAST.transfer(LICENCE, "0x" + "22" * 20),
    CAST.revoke(LICENCE),
    CAST.retire(),
]


class TestOperationsIn:
    @pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.kind)
    def test_reads_a_single_call(self, operation: Operation) -> None:
        assert operations_in(encode_call(operation)) == [operation]

    def test_reads_a_batch_in_order(self) -> None:
        calls = [encode_call(operation) for operation in OPERATIONS]
        assert operations_in(encode_batch(calls)) == OPERATIONS

    def test_keeps_the_places_of_what_is_no_operation(self) -> None:
        calls = [b"", encode_query("revisionOwner", bytes(32)), encode_call(OPERATIONS[0])[:-40]]
        found = operations_in(encode_batch([*calls, encode_call(OPERATIONS[1])]))
        assert found == [None, None, None, OPERATIONS[1]]

    def test_a_malformed_batch_holds_no_operation(self) -> None:
        assert operations_in(_encode("batch", [], b"\x02")) == [None]

    @pytest.mark.parametrize("word", [1, 3], ids=["sequence", "deadline"])
    def test_a_number_out_of_range_is_no_print(self, word: int) -> None:
        call = bytearray(encode_call(CAST.record(LICENCE, 1)))
        call[4 + 32 * word] = 1
        assert operations_in(bytes(call)) == [None]

    @pytest.mark.parametrize("data", [b"", b"\0" * 3, b"\xff" * 100])
    def test_survives_anything(self, data: bytes) -> None:
        assert operations_in(data) == [None]


class TestFactOf:
    @pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.kind)
    def test_survives_the_outbox(self, operation: Operation) -> None:
        again = operation_in(compact_json(operation.to_json()))
        assert again == operation
        assert fact_of(again) == fact_of(operation)

    def test_two_claims_of_one_print_are_one_fact(self) -> None:
        one, other = (CAST.record(LICENCE, 1, deadline=deadline) for deadline in (5, 6))
        assert one.operation_id != other.operation_id
        assert fact_of(one) == fact_of(other)
