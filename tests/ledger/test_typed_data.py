"""Statements: hashed as wallets hash them, kept in JSON without loss, signed in one spelling only."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import SignatureError, TypedDataError
from ledger.signer import AccountKey
from ledger.typed_data import (
    Domain,
    Enrolment,
    Licence,
    PrintClaim,
    PrintOutcome,
    PrintTransfer,
    Publication,
    Retirement,
    Revocation,
    SealingKey,
    Struct,
    TransferConsent,
    compact_signature,
    digest,
    print_id,
    printer_proof,
    printers_root,
    recover_signer,
    sign_as_printer,
    typed_data,
    verify_printer_signature,
)

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
DOMAIN = Domain(20566, ADDRESS)
HASH = bytes(range(32))
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
STATEMENTS = (
    Publication,
    Licence,
    Revocation,
    PrintTransfer,
    TransferConsent,
    Enrolment,
    Retirement,
    PrintClaim,
    PrintOutcome,
    SealingKey,
)

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: Domain(1, "0x" + raw.hex()).contract)
values = {
    "address": addresses,
    "bytes32": st.binary(min_size=32, max_size=32),
    "bytes": st.binary(max_size=1300),
    "string": st.text(),
} | {f"uint{bits}": st.integers(0, 2**bits - 1) for bits in (8, 32, 64)}
statements = st.sampled_from(STATEMENTS).flatmap(
    lambda kind: st.builds(kind, **{name: values[solidity] for name, solidity in kind.SOLIDITY.items()})
)
domains = st.builds(Domain, st.integers(0, 2**64), addresses)


def licence(**changes: Any) -> Licence:
    fields = {
        "revision": HASH,
        "owner": ADDRESS,
        "provider": ADDRESS,
        "printers": bytes(32),
        "prints": 2,
        "reprints": 1,
        "starts_at": 1_800_000_000,
        "expires_at": 1_900_000_000,
        "terms": HASH,
        "salt": HASH,
    }
    return Licence(**{**fields, **changes})


def sealing_key(**changes: Any) -> SealingKey:
    return SealingKey(**{"printer": HASH, "suite": "X25519", "public": HASH, **changes})


class TestDigest:
    @given(domains, statements)
    def test_is_what_an_independent_wallet_signs(self, domain: Domain, statement: Struct) -> None:
        message = encode_typed_data(full_message=typed_data(domain, statement))
        assert message.header == domain.separator()
        assert message.body == statement.struct_hash()
        assert digest(domain, statement) == keccak(b"\x19\x01" + message.header + message.body)

    @given(statements, st.data())
    def test_changes_with_every_field(self, statement: Struct, data: st.DataObject) -> None:
        for name, solidity in statement.SOLIDITY.items():
            other = data.draw(
                values[solidity].filter(lambda value, name=name: value != getattr(statement, name))
            )
            assert dataclasses.replace(statement, **{name: other}).struct_hash() != statement.struct_hash()

    def test_changes_with_chain_and_contract(self) -> None:
        statement = Retirement(HASH)
        digests = {
            digest(domain, statement)
            for domain in (DOMAIN, Domain(1, ADDRESS), Domain(20566, "0x" + "1" * 40))
        }
        assert len(digests) == 3

    def test_statements_of_equal_fields_differ_by_their_type(self) -> None:
        assert Revocation(HASH).struct_hash() != Retirement(HASH).struct_hash()

    @pytest.mark.parametrize(
        ("statement", "expected"),
        [
            (licence(), "4e67b8de6d951cc4f24bc400fa1abb373a6aa29acea1a7a5dfebf884b93a895a"),
            (sealing_key(), "7bd0335721b6430c3187909a5b27836938be823a3ab86168437f052341de206d"),
        ],
        ids=["licence", "sealing key"],
    )
    def test_stays_what_it_was(self, statement: Struct, expected: str) -> None:
        assert digest(DOMAIN, statement).hex() == expected


class TestJson:
    @given(statements)
    def test_comes_back_as_it_went(self, statement: Struct) -> None:
        assert type(statement).from_json(statement.to_json()) == statement

    def test_uses_the_contracts_names(self) -> None:
        names = "revision owner provider printers prints reprints startsAt expiresAt terms salt"
        assert list(licence().to_json()) == names.split()
        assert list(sealing_key().to_json()) == ["printer", "suite", "key"]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"prints": "2"}, "prints"),
            ({"prints": True}, "prints"),
            ({"prints": 2.0}, "prints"),
            ({"prints": -1}, "prints"),
            ({"prints": 1 << 32}, "prints"),
            ({"startsAt": None}, "startsAt"),
            ({"owner": "0x12"}, "owner"),
            ({"owner": ADDRESS.replace("a", "A")}, "owner"),
            ({"salt": "00" * 32}, "salt"),
            ({"salt": "0x" + "00" * 31}, "salt"),
            ({"salt": "0x" + "00" * 32 + "\n"}, "salt"),
            ({"salt": "0x" + "zz" * 32}, "salt"),
            ({"starts_at": 1}, "starts_at"),
        ],
    )
    def test_names_the_field_at_fault(self, change: dict[str, Any], field: str) -> None:
        with pytest.raises(TypedDataError) as caught:
            Licence.from_json(licence().to_json() | change)
        assert caught.value.field == field

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"suite": 25519}, "suite"),
            ({"suite": None}, "suite"),
            ({"suite": "\ud800"}, "suite"),
            ({"key": HASH.hex()}, "key"),
            ({"key": "0x" + HASH.hex()[1:]}, "key"),
            ({"key": "0x" + HASH.hex() + "\n"}, "key"),
            ({"key": "0xzz"}, "key"),
            ({"key": None}, "key"),
            ({"printer": "0x"}, "printer"),
            ({"public": "0x"}, "public"),
        ],
    )
    def test_names_the_field_at_fault_of_text_and_bytes(self, change: dict[str, Any], field: str) -> None:
        with pytest.raises(TypedDataError) as caught:
            SealingKey.from_json(sealing_key().to_json() | change)
        assert caught.value.field == field

    @pytest.mark.parametrize("name", list(licence().to_json()))
    def test_names_a_missing_field(self, name: str) -> None:
        data = licence().to_json()
        del data[name]
        with pytest.raises(TypedDataError, match=f"{name}: is missing"):
            Licence.from_json(data)

    @pytest.mark.parametrize("data", [None, [], "licence", 1])
    def test_refuses_what_is_no_object(self, data: object) -> None:
        with pytest.raises(TypedDataError, match="JSON object"):
            Licence.from_json(data)


class TestFields:
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"revision": HASH[1:]}, "revision"),
            ({"revision": "0x" + HASH.hex()}, "revision"),
            ({"provider": ADDRESS[2:]}, "provider"),
            ({"provider": HASH[:20]}, "provider"),
            ({"prints": 1 << 32}, "prints"),
            ({"reprints": -1}, "reprints"),
            ({"starts_at": 1 << 64}, "starts_at"),
            ({"expires_at": True}, "expires_at"),
        ],
    )
    def test_are_checked_on_construction(self, change: dict[str, Any], field: str) -> None:
        with pytest.raises(TypedDataError) as caught:
            licence(**change)
        assert caught.value.field == field

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"printer": HASH[1:]}, "printer"),
            ({"suite": b"X25519"}, "suite"),
            ({"suite": "\udfff"}, "suite"),
            ({"public": HASH.hex()}, "public"),
            ({"public": None}, "public"),
        ],
    )
    def test_of_text_and_bytes_are_checked_on_construction(self, change: dict[str, Any], field: str) -> None:
        with pytest.raises(TypedDataError) as caught:
            sealing_key(**change)
        assert caught.value.field == field

    @pytest.mark.parametrize("spelling", [ADDRESS, ADDRESS.lower(), "0x" + ADDRESS[2:].upper()])
    def test_addresses_have_one_spelling(self, spelling: str) -> None:
        assert licence(owner=spelling) == licence(owner=ADDRESS)
        assert licence(owner=spelling).owner == ADDRESS

    def test_domain_is_checked(self) -> None:
        with pytest.raises(TypedDataError, match="contract"):
            Domain(1, "somewhere")
        with pytest.raises(TypedDataError, match="chain_id"):
            Domain(-1, ADDRESS)


class TestPrintId:
    def test_is_the_hash_of_licence_and_sequence(self) -> None:
        assert print_id(HASH, 258) == keccak(HASH + bytes(30) + b"\x01\x02")

    @pytest.mark.parametrize(("identifier", "sequence"), [(HASH, -1), (HASH, 1 << 32), (HASH[1:], 1)])
    def test_refuses_what_the_contract_cannot_hold(self, identifier: bytes, sequence: int) -> None:
        with pytest.raises(TypedDataError):
            print_id(identifier, sequence)


class TestRecoverSigner:
    key = AccountKey.from_bytes(HASH)

    def test_names_who_signed(self) -> None:
        statement = digest(DOMAIN, licence())
        assert recover_signer(statement, self.key.sign(statement)) == self.key.address

    @given(st.integers(0, 64), st.integers(1, 255))
    def test_an_altered_signature_is_nobodys_we_know(self, position: int, mask: int) -> None:
        statement = digest(DOMAIN, licence())
        signature = bytearray(self.key.sign(statement))
        signature[position] ^= mask
        with contextlib.suppress(SignatureError):
            assert recover_signer(statement, bytes(signature)) != self.key.address

    def test_refuses_the_malleated_twin(self) -> None:
        statement = digest(DOMAIN, licence())
        signature = self.key.sign(statement)
        s = SECP256K1_ORDER - int.from_bytes(signature[32:64], "big")
        twin = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
        with pytest.raises(SignatureError, match="lower half"):
            recover_signer(statement, twin)

    @pytest.mark.parametrize(
        "signature",
        [
            b"",
            bytes(64),
            bytes(65),
            bytes(64) + b"\x1b",
            b"\xff" * 32 + b"\x01" * 32 + b"\x1b",
            bytes(31) + b"\x05" + b"\x01" * 32 + b"\x1b",  # 5 is no x of the curve
            b"\x01" * 64 + b"\x00",
            b"\x01" * 64 + b"\x1d",
            bytes(66),
        ],
    )
    def test_refuses_what_no_key_can_have_made(self, signature: bytes) -> None:
        with pytest.raises(SignatureError):
            recover_signer(HASH, signature)

    def test_refuses_what_is_no_digest(self) -> None:
        with pytest.raises(SignatureError, match="32 bytes"):
            recover_signer(HASH + b"\0", self.key.sign(HASH))


class TestVerifyPrinterSignature:
    private = ec.derive_private_key(int.from_bytes(HASH, "big"), ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")

    @given(st.binary(min_size=32, max_size=32))
    def test_accepts_the_printers_own(self, statement: bytes) -> None:
        signature = sign_as_printer(self.private, statement)
        assert len(signature) == 64
        assert verify_printer_signature(statement, self.x, self.y, signature)

    @given(st.integers(0, 63), st.integers(1, 255))
    def test_refuses_any_altered_byte(self, position: int, mask: int) -> None:
        signature = bytearray(sign_as_printer(self.private, HASH))
        signature[position] ^= mask
        assert not verify_printer_signature(HASH, self.x, self.y, bytes(signature))

    def test_refuses_the_malleated_twin(self) -> None:
        signature = sign_as_printer(self.private, HASH)
        s = P256_ORDER - int.from_bytes(signature[32:], "big")
        assert not verify_printer_signature(HASH, self.x, self.y, signature[:32] + s.to_bytes(32, "big"))

    def test_refuses_another_digest_and_another_key(self) -> None:
        signature = sign_as_printer(self.private, HASH)
        assert not verify_printer_signature(HASH[::-1], self.x, self.y, signature)
        assert not verify_printer_signature(HASH, self.y, self.x, signature)

    @pytest.mark.parametrize("length", [0, 63, 65, 72])
    def test_refuses_wrong_lengths(self, length: int) -> None:
        assert not verify_printer_signature(HASH, self.x, self.y, b"\x01" * length)
        assert not verify_printer_signature(HASH, self.x[1:], self.y, b"\x01" * 64)
        assert not verify_printer_signature(HASH[1:], self.x, self.y, b"\x01" * 64)

    def test_refuses_zero_and_the_point_at_infinity(self) -> None:
        assert not verify_printer_signature(HASH, self.x, self.y, bytes(64))
        assert not verify_printer_signature(HASH, bytes(32), bytes(32), b"\x01" * 64)

    def test_signing_refuses_what_is_no_digest(self) -> None:
        with pytest.raises(SignatureError, match="32 bytes"):
            sign_as_printer(self.private, b"a message")

    def test_compacting_refuses_what_is_no_der(self) -> None:
        with pytest.raises(SignatureError, match="DER"):
            compact_signature(b"\x30\x00")


def climb(leaf: bytes, proof: list[bytes]) -> bytes:
    """Recompute a root as OpenZeppelin's MerkleProof does."""
    for sibling in proof:
        leaf = keccak(b"".join(sorted((leaf, sibling))))
    return leaf


class TestPrinterList:
    lists = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=33, unique=True)

    @given(lists)
    def test_every_printer_has_its_proof(self, printers: list[bytes]) -> None:
        root = printers_root(printers)
        assert all(climb(keccak(printer), printer_proof(printers, printer)) == root for printer in printers)

    @given(lists, st.randoms())
    def test_order_and_repetition_do_not_matter(self, printers: list[bytes], random: Any) -> None:
        shuffled = printers + printers[:1]
        random.shuffle(shuffled)
        assert printers_root(shuffled) == printers_root(printers)

    def test_no_list_is_zero_and_needs_no_proof(self) -> None:
        assert printers_root([]) == bytes(32)
        assert printer_proof([], HASH) == []

    def test_refuses_a_printer_that_is_not_listed(self) -> None:
        with pytest.raises(TypedDataError, match="not among the 1 printers"):
            printer_proof([HASH], HASH[::-1])

    def test_refuses_what_is_no_identifier(self) -> None:
        with pytest.raises(TypedDataError, match="32 bytes"):
            printers_root([HASH, b"short"])
