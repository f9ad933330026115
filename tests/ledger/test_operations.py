"""Operations: the same statement is the same operation, and JSON loses nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import TypedDataError
from ledger.operations import (
    OPERATIONS,
    Enrol,
    Grant,
    Operation,
    Publish,
    RecordOutcome,
    RecordPlate,
    RecordPrint,
    Retire,
    Revoke,
    Transfer,
    from_json,
)
from ledger.typed_data import (
    Enrolment,
    Licence,
    PrintClaim,
    PrintOutcome,
    PrintTransfer,
    Publication,
    Retirement,
    Revocation,
    print_id,
)

OWNER = "0x" + "11" * 20
HASH = bytes(range(32))

hashes = st.binary(min_size=32, max_size=32)
account_signatures = st.binary(min_size=1, max_size=100)
printer_signatures = st.binary(min_size=64, max_size=64)
counts = st.integers(0, 2**32 - 1)
licences = st.builds(
    Licence, hashes, st.just(OWNER), st.just(OWNER), hashes, counts, counts, counts, counts, hashes, hashes
)


def outcome(licence: bytes, sequence: int, result: int, report: bytes, signature: bytes) -> RecordOutcome:
    statement = PrintOutcome(print_id(licence, sequence), result, report)
    return RecordOutcome(licence, sequence, statement, HASH, HASH, signature)


def transfer(origin: Licence, prints: int, salt: bytes, signature: bytes) -> Transfer:
    return Transfer(origin, PrintTransfer(origin.struct_hash(), OWNER, prints, salt), signature, signature)


def plate(claims: list[PrintClaim]) -> st.SearchStrategy[RecordPlate]:
    proofs = st.lists(
        st.lists(hashes, max_size=2).map(tuple), min_size=len(claims), max_size=len(claims)
    ).map(tuple)
    return st.builds(RecordPlate, st.just(tuple(claims)), hashes, hashes, printer_signatures, proofs)


operations = st.one_of(
    st.builds(Publish, st.builds(Publication, st.just(OWNER), hashes), account_signatures),
    st.builds(Grant, licences, account_signatures),
    st.builds(Revoke, licences, account_signatures),
    st.builds(transfer, licences, counts, hashes, account_signatures),
    st.builds(
        Enrol,
        st.builds(Enrolment, st.just(OWNER), hashes, hashes),
        account_signatures,
        printer_signatures,
    ),
    st.builds(Retire, st.builds(Retirement, hashes), account_signatures),
    st.builds(
        RecordPrint,
        st.builds(PrintClaim, hashes, counts, hashes, counts),
        hashes,
        hashes,
        printer_signatures,
        st.lists(hashes, max_size=5).map(tuple),
    ),
    st.lists(st.builds(PrintClaim, hashes, counts, hashes, counts), min_size=1, max_size=16).flatmap(plate),
    st.builds(outcome, hashes, counts, st.integers(1, 3), hashes, printer_signatures),
)

CLAIM = RecordPrint(PrintClaim(HASH, 1, HASH, 1), HASH, HASH, bytes(64), (HASH,))
PUBLISH = Publish(Publication(OWNER, HASH), bytes(65))


class TestJson:
    @given(operations)
    def test_comes_back_as_it_went(self, operation: Operation) -> None:
        assert from_json(operation.to_json()) == operation
        assert type(operation).from_json(operation.to_json()) == operation

    @pytest.mark.parametrize("data", [None, [], {}, {"kind": 1}, {"kind": "mint"}, "publish"])
    def test_refuses_what_is_no_operation(self, data: object) -> None:
        with pytest.raises(TypedDataError, match="kind"):
            from_json(data)

    def test_refuses_another_kind(self) -> None:
        with pytest.raises(TypedDataError, match="must be 'grant'"):
            Grant.from_json(PUBLISH.to_json())

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"signature": "0x1"}, "signature"),
            ({"signature": bytes(64)}, "signature"),
            ({"signature": "0x" + "00" * 65}, "signature"),
            ({"key_x": "0x" + "00" * 31}, "key_x"),
            ({"proof": "0x"}, "proof"),
            ({"proof": ["0x00"]}, "proof"),
            ({"proof": ["0x" + "00" * 32] * 33}, "proof"),
            ({"claim": None}, "PrintClaim"),
            ({"nonce": 1}, "nonce"),
        ],
    )
    def test_names_the_field_at_fault(self, change: dict[str, Any], field: str) -> None:
        with pytest.raises(TypedDataError) as caught:
            from_json(CLAIM.to_json() | change)
        assert caught.value.field == field

    @pytest.mark.parametrize("name", ["claim", "key_x", "key_y", "signature", "proof"])
    def test_names_a_missing_field(self, name: str) -> None:
        data = CLAIM.to_json()
        del data[name]
        with pytest.raises(TypedDataError, match=f"{name}: is missing"):
            from_json(data)


class TestFields:
    @pytest.mark.parametrize(
        "change",
        [
            {"signature": b""},
            {"signature": bytes(4097)},
            {"signature": "0x00"},
            {"publication": Retirement(HASH)},
        ],
    )
    def test_are_checked_on_construction(self, change: dict[str, Any]) -> None:
        with pytest.raises(TypedDataError, match=next(iter(change))):
            dataclasses.replace(PUBLISH, **change)

    @pytest.mark.parametrize("change", [{"sequence": 2}, {"licence": HASH[::-1]}])
    def test_an_outcome_is_about_its_own_print(self, change: dict[str, Any]) -> None:
        with pytest.raises(TypedDataError, match="another print"):
            dataclasses.replace(outcome(HASH, 1, 1, HASH, bytes(64)), **change)

    def test_a_transfer_takes_from_its_origin(self) -> None:
        origin = Licence(HASH, OWNER, OWNER, HASH, 1, 0, 1, 2, HASH, HASH)
        with pytest.raises(TypedDataError, match="another licence"):
            Transfer(origin, PrintTransfer(HASH, OWNER, 1, HASH), bytes(65), bytes(65))

    @pytest.mark.parametrize("change", [{"sequence": True}, {"sequence": -1}, {"sequence": 1 << 32}])
    def test_an_outcomes_number_is_checked(self, change: dict[str, Any]) -> None:
        with pytest.raises(TypedDataError, match="sequence"):
            dataclasses.replace(outcome(HASH, 1, 1, HASH, bytes(64)), **change)


class TestRecordPlate:
    CLAIMS = (PrintClaim(HASH, 1, HASH, 9), PrintClaim(HASH, 2, HASH, 9), PrintClaim(HASH[::-1], 2, HASH, 8))
    PLATE = RecordPlate(CLAIMS, HASH, HASH, bytes(64), ((HASH,), (), ()))

    def test_its_prints_are_signed_with_the_plate_and_say_their_own_claim(self) -> None:
        prints = self.PLATE.prints()
        assert [each.claim for each in prints] == list(self.CLAIMS)
        assert {each.signed for each in prints} == {self.PLATE.statement}
        assert [each.proof for each in prints] == [(HASH,), (), ()]
        assert len({each.operation_id for each in prints}) == 3
        assert [from_json(each.to_json()) for each in prints] == list(prints)

    def test_a_print_by_itself_says_nothing_of_plates(self) -> None:
        assert "plate" not in CLAIM.to_json()
        assert CLAIM.signed == CLAIM.claim

    def test_a_plate_without_the_prints_own_claim_is_refused(self) -> None:
        with pytest.raises(TypedDataError, match="own claim"):
            dataclasses.replace(CLAIM, plate=(HASH,))

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"claims": (), "proofs": ()}, "claims"),
            ({"claims": CLAIMS * 6, "proofs": ((),) * 18}, "claims"),
            ({"proofs": ()}, "proofs"),
            ({"proofs": ((HASH,), (), (b"",))}, "proofs"),
            ({"claims": (HASH,) * 3}, "claims"),
        ],
    )
    def test_names_the_field_at_fault(self, change: dict[str, Any], field: str) -> None:
        with pytest.raises(TypedDataError) as caught:
            dataclasses.replace(self.PLATE, **change)
        assert caught.value.field == field

    @pytest.mark.parametrize(
        ("args", "part"),
        [
            ({"licence": "0x" + HASH.hex()}, 0),
            ({"licence": "0x" + HASH.hex(), "sequence": 2}, 1),
            ({"licence": "0x" + HASH[::-1].hex(), "sequence": 2, "allowed": 1}, 2),
            ({"deadline": 8}, 2),
            ({"printer": "0x"}, None),
            ({"licence": "0x"}, None),
        ],
    )
    def test_tells_which_claim_an_error_is_about(self, args: dict[str, Any], part: int | None) -> None:
        assert self.PLATE.part_at_fault(args) == part


class TestOperationId:
    @given(operations)
    def test_is_kind_and_struct_hash_of_what_was_signed(self, operation: Operation) -> None:
        assert operation.operation_id == f"{operation.kind}:0x{operation.statement.struct_hash().hex()}"

    def test_does_not_depend_on_the_signatures_randomness(self) -> None:
        other = dataclasses.replace(CLAIM, signature=b"\x01" * 64)
        assert other.operation_id == CLAIM.operation_id

    def test_a_revocation_is_named_by_the_revocation(self) -> None:
        licence = Licence(HASH, OWNER, OWNER, HASH, 1, 0, 1, 2, HASH, HASH)
        revoke = Revoke(licence, bytes(65))
        assert revoke.statement == Revocation(licence.struct_hash())
        assert revoke.operation_id != Grant(licence, bytes(65)).operation_id

    def test_kinds_are_stable(self) -> None:
        assert list(OPERATIONS) == [
            "publish",
            "grant",
            "revoke",
            "transfer",
            "enrol",
            "retire",
            "record_print",
            "record_plate",
            "record_outcome",
        ]
