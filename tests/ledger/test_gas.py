"""Offers: always enough to replace a stuck transaction, and never less than the chain asks for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledger.chain import Fees
from ledger.gas import offer_of, operation_gas, raised
from ledger.transaction import Offer

WEI = st.integers(1, 10**15)


class TestRaised:
    @given(old_fee=WEI, old_tip=WEI, base=WEI, tip=WEI)
    def test_replaces_and_suffices(self, old_fee: int, old_tip: int, base: int, tip: int) -> None:
        old = Offer(100, max(old_fee, old_tip), old_tip)
        new = raised(old, Fees(base, tip))
        assert new.max_fee * 100 >= old.max_fee * 110
        assert new.tip * 100 >= old.tip * 110
        assert new.max_fee >= offer_of(Fees(base, tip), 100).max_fee
        assert new.max_fee >= new.tip
        assert new.gas == old.gas


class TestOperationGas:
    def test_grows_without_the_precompile_and_after_a_revert(self) -> None:
        kept = operation_gas("record_print", 500, precompile=True, reverts=0)
        assert operation_gas("record_print", 500, precompile=False, reverts=0) > kept
        assert operation_gas("record_print", 500, precompile=True, reverts=1) > kept
