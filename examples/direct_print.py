"""A print claim sent past the service, straight to the contract, as a dishonest service or provider would."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from ledger.abi import encode_call
from ledger.contract_error import decode_error
from ledger.operations import RecordPrint
from ledger.signer import AccountKey
from ledger.transaction import Offer, sign_transaction
from ledger.typed_data import PrintClaim, digest
from ledger.web3_chain import Web3Chain
from printer_agent.identity import Identity

GAS = 500_000
ETHER = 10**18


class CountBrokenError(Exception):
    """The contract recorded, or would have recorded, a print beyond the licence."""


@dataclass(frozen=True)
class Refusal:
    """What became of it on chain."""

    transaction: str
    block: int
    reason: str


def send_directly(rpc_url: str, home: Path, licence_hash: str, sequence: int) -> Refusal:
    """Sign a claim with the printer's real key, have it mined, and say how the contract answered.

    Raises CountBrokenError where the contract took it.
    """
    printer = Identity.load(home)
    domain = printer.enrolled.domain
    deadline = int(time.time()) + 3600
    claim = PrintClaim(bytes.fromhex(licence_hash[2:]), sequence, secrets.token_bytes(32), deadline)
    signature = printer.signing.sign(digest(domain, claim))
    data = encode_call(RecordPrint(claim, printer.signing.x, printer.signing.y, signature, ()))

    chain = Web3Chain.http(rpc_url)
    (revert,) = chain.simulate(domain.contract, [data])
    if revert is None:
        raise CountBrokenError("the contract would take a print too many")
    payer = AccountKey.generate()
    chain.tell("anvil_setBalance", payer.address, hex(ETHER))
    fees = chain.fees()
    offer = Offer(GAS, fees.base * 2 + fees.tip, fees.tip)
    signed = sign_transaction(
        payer, chain_id=domain.chain_id, nonce=0, to=domain.contract, data=data, offer=offer
    )
    chain.tell("eth_sendRawTransaction", "0x" + signed.raw.hex())
    chain.tell("evm_mine")
    (receipt,) = chain.receipts([signed.hash])
    if receipt is None or receipt.succeeded:
        raise CountBrokenError(f"the contract took a print too many: {receipt}")
    return Refusal("0x" + signed.hash.hex(), receipt.block_number, decode_error(revert).sentence)
