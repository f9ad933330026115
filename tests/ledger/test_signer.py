"""Account keys: sign as wallets do, and show themselves to nobody by accident."""

from __future__ import annotations

import copy
import pickle

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import SignatureError
from ledger.signer import AccountKey
from ledger.typed_data import recover_signer

SECRET = bytes(range(1, 33))
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class TestAccountKey:
    def test_has_the_address_wallets_give_it(self) -> None:
        assert AccountKey.from_bytes(SECRET).address == Account.from_key(SECRET).address

    @given(st.binary(min_size=32, max_size=32))
    def test_signs_as_wallets_do(self, digest: bytes) -> None:
        signature = AccountKey.from_bytes(SECRET).sign(digest)
        assert signature == bytes(Account.unsafe_sign_hash(digest, SECRET).signature)
        assert recover_signer(digest, signature) == AccountKey.from_bytes(SECRET).address

    @given(st.binary(min_size=32, max_size=32))
    def test_signatures_have_one_spelling(self, digest: bytes) -> None:
        signature = AccountKey.from_bytes(SECRET).sign(digest)
        assert len(signature) == 65
        assert signature[64] in (27, 28)
        assert int.from_bytes(signature[32:64], "big") <= HALF_ORDER

    def test_generates_another_each_time_and_restores_it(self) -> None:
        first, second = AccountKey.generate(), AccountKey.generate()
        assert first.address != second.address
        assert AccountKey.from_bytes(first.reveal()).address == first.address

    @pytest.mark.parametrize("secret", [b"", SECRET[1:], SECRET + b"\0", bytes(32), b"\xff" * 32])
    def test_refuses_what_is_no_key_without_repeating_it(self, secret: bytes) -> None:
        with pytest.raises(SignatureError) as caught:
            AccountKey.from_bytes(secret)
        assert caught.value.__cause__ is None
        assert "ffff" not in str(caught.value)

    def test_refuses_to_sign_what_is_no_digest(self) -> None:
        with pytest.raises(SignatureError, match="32 bytes"):
            AccountKey.from_bytes(SECRET).sign(b"a message")

    def test_does_not_show_itself(self) -> None:
        key = AccountKey.from_bytes(SECRET)
        assert repr(key) == str(key) == f"{key}" == "AccountKey(***)"
        assert not hasattr(key, "__dict__")

    @pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_is_not_copied(self, leak: object) -> None:
        with pytest.raises(TypeError, match="not to be copied"):
            leak(AccountKey.from_bytes(SECRET))  # type: ignore[operator]
