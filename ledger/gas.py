"""What a transaction of the relay may use and offer: bounds a kind of operation, fees, and how a stuck one is
raised.

The bounds are above what the contract was measured to use; gas that is not used is not paid. A batch that
runs out all the same reverts as a whole and is tried again with the most an item may ever use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.abi import BATCH_ITEM_GAS
from ledger.chain import Chain, Fees, NoOutputError
from ledger.transaction import Offer

TRANSACTION_GAS: Final = 21_000
_BOUNDS: Final[Mapping[str, int]] = {
    "publish": 100_000,
    "grant": 170_000,
    "revoke": 90_000,
    "transfer": 170_000,
    "enrol": 110_000,
    "retire": 80_000,
    "record_print": 60_000,
    "record_plate": 350_000,
    "record_outcome": 100_000,
}
_PRINTER_SIGNED: Final = frozenset({"enrol", "record_print", "record_plate", "record_outcome"})
_P256_IN_SOLIDITY: Final = 450_000
_BUMP_PERCENT: Final = 125

# A P-256 signature (RFC 6979, A.2.5: SHA-256, "sample") as EIP-7951's precompile reads it: digest, r, s, x,
# y.
_P256_PROBE: Final = bytes.fromhex(
    "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf"
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
_P256_ADDRESS: Final = "0x0000000000000000000000000000000000000100"


def has_p256(chain: Chain) -> bool:
    """Return whether the chain verifies P-256 by precompile (EIP-7951), which saves most of a print's gas."""
    try:
        answer = chain.call(_P256_ADDRESS, _P256_PROBE)
    except NoOutputError:
        return False
    return len(answer) == 32 and answer[-1] == 1


def operation_gas(kind: str, calldata: int, *, precompile: bool, reverts: int) -> int:
    """Return a bound on the gas of one operation in a batch, `calldata` bytes long, reverted so often."""
    if reverts:
        return BATCH_ITEM_GAS
    extra = 0 if precompile or kind not in _PRINTER_SIGNED else _P256_IN_SOLIDITY
    return _BOUNDS[kind] + extra + 16 * max(calldata - 640, 0)


def offer_of(fees: Fees, gas: int) -> Offer:
    """Return what to offer for the next blocks: twice the base fee, so that it may rise for a while."""
    return Offer(gas=gas, max_fee=2 * fees.base + fees.tip, tip=fees.tip)


def raised(offer: Offer, fees: Fees) -> Offer:
    """Return an offer that replaces a stuck one: a quarter more, or what is asked for now if that is more."""
    now = offer_of(fees, offer.gas)
    tip = max(-(-offer.tip * _BUMP_PERCENT // 100), now.tip)
    return Offer(gas=offer.gas, max_fee=max(-(-offer.max_fee * _BUMP_PERCENT // 100), now.max_fee), tip=tip)
