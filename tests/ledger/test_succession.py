"""Tests of a printer's word for its successor."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from eth_account.messages import encode_typed_data

from ledger.signatures import sign_as_printer
from ledger.succession import Succession, verify_succession
from ledger.typed_data import Domain, digest, typed_data

DOMAIN = Domain(20566, "0x" + "11" * 20)
OLD, NEW = bytes(range(32)), bytes(range(32, 64))
KEY = ec.derive_private_key(7, ec.SECP256R1())
POINT = tuple(
    number.to_bytes(32, "big")
    for number in (KEY.public_key().public_numbers().x, KEY.public_key().public_numbers().y)
)
SIGNATURE = sign_as_printer(KEY, digest(DOMAIN, Succession(OLD, NEW)))


class TestSuccession:
    def test_is_typed_data_as_wallets_hash_it(self) -> None:
        statement = Succession(OLD, NEW)
        message = encode_typed_data(full_message=typed_data(DOMAIN, statement))
        assert statement.declaration() == "Succession(bytes32 predecessor,bytes32 successor)"
        assert message.body == statement.struct_hash()
        assert message.header == DOMAIN.separator()

    def test_survives_json(self) -> None:
        assert Succession.from_json(Succession(OLD, NEW).to_json()) == Succession(OLD, NEW)


class TestVerifySuccession:
    def test_takes_the_predecessors_word(self) -> None:
        assert verify_succession(DOMAIN, Succession(OLD, NEW), *POINT, SIGNATURE)

    @pytest.mark.parametrize(
        ("domain", "statement", "point", "signature"),
        [
            (DOMAIN, Succession(NEW, OLD), POINT, SIGNATURE),
            (DOMAIN, Succession(OLD, OLD), POINT, SIGNATURE),
            (Domain(1, DOMAIN.contract), Succession(OLD, NEW), POINT, SIGNATURE),
            (DOMAIN, Succession(OLD, NEW), POINT[::-1], SIGNATURE),
            (DOMAIN, Succession(OLD, NEW), (b"", b""), SIGNATURE),
            (DOMAIN, Succession(OLD, NEW), POINT, SIGNATURE[:-1]),
            (DOMAIN, Succession(OLD, NEW), POINT, b""),
        ],
        ids=["turned", "itself", "another chain", "another key", "no key", "cut", "none"],
    )
    def test_takes_no_other(
        self, domain: Domain, statement: Succession, point: tuple[bytes, ...], signature: bytes
    ) -> None:
        assert not verify_succession(domain, statement, point[0], point[1], signature)
