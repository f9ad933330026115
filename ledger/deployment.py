"""Putting the print ledger on a network: what that must offer, the deployment, what a print costs there.

A deployment's address follows from its account and nonce, so an account that deployed before finds its
contract again and deploys no second one; nothing needs to be recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak

from ledger.abi import artifact, is_print_ledger
from ledger.chain import Fees, RefusedError
from ledger.errors import LedgerError
from ledger.gas import has_p256, offer_of, operation_gas
from ledger.signer import AccountKey
from ledger.transaction import Offer, SignedTransaction, contract_address, sign_transaction
from ledger.web3_chain import Web3Chain

_LOOKED_AT: Final = 64
_GAS_MARGIN_PERCENT: Final = 120
_POLL_S: Final = 0.5


class NetworkUnfit(LedgerError):  # noqa: N818 - it names what was found
    """The network lacks what the ledger needs, or the account cannot pay; nothing was sent."""

    kind = "network_unfit"


class DeploymentPending(LedgerError):  # noqa: N818 - it names what was found
    """A transaction of the account was not final when the time was over. Asking again goes on from there."""

    kind = "deployment_pending"


@dataclass(frozen=True)
class Deployment:
    """A print ledger on a network. `transaction` and `block` are None where it was found, not made, now.

    `print_gas` is a bound on a print's gas, `print_fee_wei` what that costs at the fees of now.
    """

    chain_id: int
    contract: str
    code_hash: bytes
    deployer: str
    transaction: bytes | None
    block: int | None
    precompile: bool
    print_gas: int
    print_fee_wei: int


def deploy(
    chain: Web3Chain,
    key: AccountKey,
    *,
    confirmations: int,
    timeout_s: float,
    say: Callable[[str], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
) -> Deployment:
    """Deploy the contract, or find the one that this account deployed before.

    1. The network speaks EIP-1559 and gives logs.
    2. What the account sent before is mined; the print ledger it deployed, if any, is taken.
    3. Else the network's machine runs the constructor, and the account can pay.
    4. The deployment is sent, mined and `confirmations` deep.
    5. The code there is the one this installation was compiled with.

    `say` is told what is awaited. Raises NetworkUnfit, DeploymentPending, ChainError.
    """
    waiting = _Waiting(chain, time.monotonic() + timeout_s, pause, say)
    # (1): the network
    chain_id, fees = chain.chain_id(), _require_network(chain)
    # (2): an earlier deployment
    nonce = waiting.settled_nonce(key.address)
    contract, sent, block = _find(chain, key.address, nonce), None, None
    if contract is None:
        # (3): is it possible
        offer = _require_possible(chain, key.address, fees)
        # (4): send and wait
        contract = contract_address(key.address, nonce)
        sent = sign_transaction(
            key, chain_id=chain_id, nonce=nonce, to=None, data=artifact().bytecode, offer=offer
        )
        block = waiting.deployed(sent, confirmations)
    # (5): the code
    code = chain.code(contract)
    if not is_print_ledger(code):
        raise NetworkUnfit(f"the code at {contract} is not the print ledger; another node may lag, ask again")
    precompile = has_p256(chain)
    gas = operation_gas("record_print", 0, precompile=precompile, reverts=0)
    return Deployment(
        chain_id=chain_id,
        contract=contract,
        code_hash=keccak(code),
        deployer=key.address,
        transaction=None if sent is None else sent.hash,
        block=block,
        precompile=precompile,
        print_gas=gas,
        print_fee_wei=gas * (fees.base + fees.tip),
    )


def _require_network(chain: Web3Chain) -> Fees:
    try:
        head = chain.head().number
        chain.logs("0x" + "00" * 20, head, head)
        return chain.fees()
    except (RefusedError, KeyError, TypeError, IndexError) as lacking:
        raise NetworkUnfit(f"the endpoint lacks what the ledger needs: {lacking}") from lacking


def _find(chain: Web3Chain, account: str, nonce: int) -> str | None:
    """Look through the addresses that an account's first and last transactions would have deployed to."""
    early, late = range(min(nonce, _LOOKED_AT)), range(max(nonce - _LOOKED_AT, _LOOKED_AT), nonce)
    for used in (*early, *late):
        contract = contract_address(account, used)
        if is_print_ledger(chain.code(contract)):
            return contract
    return None


def _require_possible(chain: Web3Chain, account: str, fees: Fees) -> Offer:
    """Return what to offer; NetworkUnfit where the constructor does not run or the account cannot pay."""
    call = {"from": account, "data": "0x" + artifact().bytecode.hex()}
    try:
        chain.tell("eth_call", call, "latest")
    except RefusedError as refusal:
        raise NetworkUnfit(
            f"the network does not run the contract's constructor ({refusal}); it needs the Cancun rules"
        ) from refusal
    balance = int(chain.tell("eth_getBalance", account, "latest"), 16)
    try:
        gas = int(chain.tell("eth_estimateGas", call), 16) * _GAS_MARGIN_PERCENT // 100
    except RefusedError as refusal:
        raise NetworkUnfit(f"the network would not take the deployment: {refusal}") from refusal
    offer = offer_of(fees, gas)
    if balance < gas * offer.max_fee:
        raise NetworkUnfit(
            f"{account} holds {balance} wei, the deployment may cost {gas * offer.max_fee}; "
            f"send it {gas * offer.max_fee - balance} wei more"
        )
    return offer


class _Waiting:
    """Waits for blocks until a moment of the monotonic clock."""

    def __init__(
        self, chain: Web3Chain, until: float, pause: Callable[[float], None], say: Callable[[str], None]
    ) -> None:
        self._chain = chain
        self._until = until
        self._pause = pause
        self._say = say

    def settled_nonce(self, account: str) -> int:
        """Return the account's next nonce once nothing of it waits for a block."""
        while True:
            mined = self._chain.nonce(account)
            known = int(self._chain.tell("eth_getTransactionCount", account, "pending"), 16)
            if known <= mined:
                return mined
            self._wait(f"{known - mined} earlier transactions of {account}")

    def deployed(self, sent: SignedTransaction, confirmations: int) -> int:
        """Send, and return the block that holds the deployment once it is deep enough."""
        self._chain.send(sent.raw, time=0)
        while True:
            (receipt,) = self._chain.receipts([sent.hash])
            depth = 0 if receipt is None else self._chain.head().number - receipt.block_number + 1
            if receipt is not None and not receipt.succeeded:
                raise NetworkUnfit(f"the deployment 0x{sent.hash.hex()} reverted")
            if receipt is not None and depth >= confirmations:
                return receipt.block_number
            self._wait(f"0x{sent.hash.hex()}, {max(depth, 0)} of {confirmations} confirmations")

    def _wait(self, what: str) -> None:
        if time.monotonic() >= self._until:
            raise DeploymentPending(f"still waiting for {what}")
        self._say(f"waiting for {what}")
        self._pause(_POLL_S)
