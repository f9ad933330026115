"""Tests of keys in the identity file."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.signatures import verify_printer_signature
from printer_agent.keys import FileKeys, SigningKey, make_keys, plan_keys
from tests.conformance.printer_keys import Planner, PrinterKeysContract

KEY = SigningKey.from_bytes(bytes(31) + b"\x05")


class TestSigningKey:
    @given(st.binary(max_size=64))
    def test_signs_what_the_ledger_accepts(self, message: bytes) -> None:
        digest = hashlib.sha256(message).digest()
        assert verify_printer_signature(digest, KEY.x, KEY.y, KEY.sign(digest))

    def test_signs_the_same_twice(self) -> None:
        assert KEY.sign(bytes(32)) == KEY.sign(bytes(32))

    def test_survives_its_bytes(self) -> None:
        key = SigningKey.generate()
        assert SigningKey.from_bytes(key.reveal()).x == key.x

    def test_shows_nothing(self) -> None:
        assert repr(KEY) == "SigningKey(***)"

    @pytest.mark.parametrize("size", [0, 31, 33, 64])
    def test_refuses_digests_of_another_size(self, size: int) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            KEY.sign(bytes(size))

    @pytest.mark.parametrize("scalar", [b"", bytes(32), b"\xff" * 32, b"\x01" * 31])
    def test_refuses_what_is_no_key(self, scalar: bytes) -> None:
        with pytest.raises(ValueError):
            SigningKey.from_bytes(scalar)


class TestFileKeys(PrinterKeysContract):
    @pytest.fixture(params=["MLKEM768-X25519", "X25519", "P-256"])
    def plan(self, request: pytest.FixtureRequest) -> Planner:
        return lambda: (plan_keys("file:", name="", suite=request.param), None)

    def test_attest_nothing(self) -> None:
        assert FileKeys.generate().attestor is None

    def test_are_post_quantum_by_default(self) -> None:
        assert make_keys(plan_keys("file:", name="")).sealing.suite == "MLKEM768-X25519"
