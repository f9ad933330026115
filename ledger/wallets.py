"""Accounts that are contracts: they sign by saying that they do (ERC-1271), and may change their mind."""

from __future__ import annotations

from typing import Final

from eth_abi.abi import encode

from ledger.chain import Chain, NoOutputError, RefusedError, RevertError

_QUESTION: Final = bytes.fromhex("1626ba7e")
_YES: Final = _QUESTION + bytes(28)


def accepts(
    chain: Chain, account: str, message: bytes, signature: bytes, *, block: int | None = None
) -> bool:
    """Return whether an account is a contract that takes a signature over a 32-byte digest for its own.

    False for an account without code, and for one that reverts, as the print ledger has it. Raises ChainError
    where the node fails.
    """
    question = _QUESTION + encode(["bytes32", "bytes"], [message, signature])
    try:
        return chain.call(account, question, block=block)[:32] == _YES
    except (NoOutputError, RevertError):
        return False


def accepted(chain: Chain, account: str, message: bytes, signature: bytes, *, block: int) -> bool:
    """Return whether the account took a signature in the block that recorded the statement, or takes it now.

    A wallet whose keys have changed since does not take what it once signed; a node that keeps no old states
    cannot be asked about them, and is asked about now. Raises ChainError where the node fails.
    """
    try:
        if accepts(chain, account, message, signature, block=block):
            return True
    except RefusedError:
        pass
    return accepts(chain, account, message, signature)
