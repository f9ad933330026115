"""A sealing key is a printer's own where its enrolled signing key says so, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import SignatureError
from ledger.sealing import sealing_statement, verify_sealing_key
from ledger.typed_data import Domain, Enrolment, SealingKey, digest, sign_as_printer

PROVIDER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
OTHER = "0x" + "44" * 20
DOMAIN = Domain(20566, PROVIDER)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PRIVATE = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
NUMBERS = PRIVATE.public_key().public_numbers()
X, Y = NUMBERS.x.to_bytes(32, "big"), NUMBERS.y.to_bytes(32, "big")
ENROLMENT = Enrolment(provider=PROVIDER, key_x=X, key_y=Y)
PUBLIC = bytes(range(32))
SIGNATURE = sign_as_printer(PRIVATE, digest(DOMAIN, sealing_statement(ENROLMENT, "X25519", PUBLIC)))
HIGH_S = P256_ORDER - int.from_bytes(SIGNATURE[32:], "big")
VOUCHED: dict[str, Any] = {
    "domain": DOMAIN,
    "provider": PROVIDER,
    "key_x": X,
    "key_y": Y,
    "suite": "X25519",
    "public": PUBLIC,
    "signature": SIGNATURE,
}


class TestSealingStatement:
    def test_names_the_printer_as_the_chain_does(self) -> None:
        expected = SealingKey(ENROLMENT.struct_hash(), "X25519", PUBLIC)
        assert sealing_statement(ENROLMENT, "X25519", PUBLIC) == expected


class TestVerifySealingKey:
    def test_gives_the_printer_that_vouches(self) -> None:
        assert verify_sealing_key(**VOUCHED) == ENROLMENT.struct_hash()

    def test_takes_the_provider_in_any_spelling(self) -> None:
        assert verify_sealing_key(**VOUCHED | {"provider": PROVIDER.lower()}) == ENROLMENT.struct_hash()

    @pytest.mark.parametrize(
        "change",
        [
            {"domain": Domain(1, PROVIDER)},
            {"domain": Domain(20566, OTHER)},
            {"provider": OTHER},
            {"suite": "P-256"},
            {"suite": "x25519"},
            {"public": PUBLIC[::-1]},
            {"public": PUBLIC + b"\0"},
            {"public": b""},
            {"key_x": Y, "key_y": X},
            {"signature": SIGNATURE[:32] + HIGH_S.to_bytes(32, "big")},
            {"signature": SIGNATURE[:-1]},
            {"signature": b""},
            {"signature": sign_as_printer(PRIVATE, digest(DOMAIN, ENROLMENT))},
        ],
        ids=lambda change: ", ".join(change),
    )
    def test_refuses_what_was_not_signed(self, change: dict[str, Any]) -> None:
        with pytest.raises(SignatureError, match="is not by signing key 0x"):
            verify_sealing_key(**VOUCHED | change)

    def test_refuses_another_printers_word(self) -> None:
        thief = ec.derive_private_key(0xBAD, ec.SECP256R1())
        forged = sign_as_printer(thief, digest(DOMAIN, sealing_statement(ENROLMENT, "X25519", PUBLIC)))
        with pytest.raises(SignatureError, match=f"0x{X.hex()} of printer 0x{ENROLMENT.struct_hash().hex()}"):
            verify_sealing_key(**VOUCHED | {"signature": forged})

    @given(st.integers(0, 63), st.integers(1, 255))
    def test_refuses_any_altered_byte_of_the_signature(self, position: int, mask: int) -> None:
        altered = bytearray(SIGNATURE)
        altered[position] ^= mask
        with pytest.raises(SignatureError):
            verify_sealing_key(**VOUCHED | {"signature": bytes(altered)})

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"provider": "somebody"}, "provider"),
            ({"key_x": b""}, "key_x"),
            ({"key_y": Y[1:]}, "key_y"),
            ({"suite": None}, "suite"),
            ({"suite": "\ud800"}, "suite"),
            ({"public": "AAEC"}, "public"),
        ],
    )
    def test_names_the_field_that_can_name_no_printer_or_key(
        self, change: dict[str, Any], named: str
    ) -> None:
        with pytest.raises(SignatureError, match=f"no printer can vouch for this sealing key: {named}: "):
            verify_sealing_key(**VOUCHED | change)
