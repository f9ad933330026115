"""What the ledger's calls cost in whole transactions, beside two plainer ledgers, and the snapshot of it.

    python -m tests.contracts.gas_table           measure and print
    python -m tests.contracts.gas_table --write   and rewrite contracts/gas.json and the table of its README

Every figure is the gas a transaction used on anvil (hardfork osaka). Keys, tokens and salts are random, so
figures move by some dozen gas from run to run: a byte that is zero is cheaper in calldata.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import encode
from eth_hash.auto import keccak

from ledger import abi
from ledger.operations import Operation, Retire, Revoke, Transfer
from ledger.typed_data import (
    PrintTransfer,
    Result,
    Retirement,
    Revocation,
    TransferConsent,
    digest,
    printer_proof,
    printers_root,
)
from tests.contracts.conftest import Business, Chain, running_anvil

SNAPSHOT: Final = Path(__file__).parents[2] / "contracts/gas.json"
README: Final = SNAPSHOT.with_name("README.md")
_MARKS: Final = (
    "<!-- gas.json, written by `python -m tests.contracts.gas_table --write` -->\n",
    "<!-- end of gas.json -->\n",
)
TOLERANCE: Final = 0.01
MANY: Final = 100_000
_LICENCES_SLOT: Final = 3
_COUNTERS_OFFSET: Final = 1
_PEERS: Final = {
    "ERC-721 token per print": ("TokenPerPrint", "recordPrint(bytes32,address,bytes32)", "address"),
    "array of prints": ("ArrayOfPrints", "recordPrint(bytes32,bytes32,bytes32)", "bytes32"),
}


def measure(chain: Chain) -> dict[str, int]:
    """Return the gas of every operation, on ledgers deployed for it."""
    return dict(
        [
            *_deployment(chain),
            *_accounts(chain),
            *_prints(chain),
            *_plates(chain),
            *_batches(chain),
            *_outcomes(chain),
            *_peers(chain),
        ]
    )


def table(measured: dict[str, int]) -> str:
    """Return the figures as text, a line each."""
    return "\n".join(f"{name:<52}{gas:>12,}" for name, gas in measured.items())


def markdown(measured: dict[str, int]) -> str:
    """Return the figures as the README shows them."""
    rows = [f"| {name} | {gas:,} |" for name, gas in measured.items()]
    return "\n".join(["| operation | gas |", "|---|---|", *rows]) + "\n"


def readme_table() -> str:
    """Return the table between the marks in the README."""
    return README.read_text().split(_MARKS[0])[1].split(_MARKS[1])[0]


def snapshot() -> dict[str, int]:
    """Return the committed figures."""
    return {str(name): int(gas) for name, gas in json.loads(SNAPSHOT.read_text()).items()}


def gas(receipt: dict[str, Any]) -> int:
    """Return what a transaction used, which must have succeeded."""
    assert receipt["status"] == "0x1"
    return int(receipt["gasUsed"], 16)


def gas_each(chain: Chain, operations: Sequence[Operation]) -> int:
    """Return what each item of a batch cost, none of which may be skipped."""
    receipt = chain.send(abi.encode_batch([abi.encode_call(operation) for operation in operations]))
    events = [abi.decode_log(log) for log in receipt["logs"]]
    assert len(events) == len(operations)
    assert not any(isinstance(event, abi.OperationRejected) for event in events)
    return gas(receipt) // len(operations)


def jump_to(chain: Chain, licence: bytes, prints: int, printed: int) -> None:
    """Set a licence's counters as so many prints without a gap leave them: `base` in its second word.

    The word is written straight into the chain's storage; nothing else differs, for nothing else is kept.
    """
    slot = int.from_bytes(keccak(licence + _LICENCES_SLOT.to_bytes(32, "big")), "big") + _COUNTERS_OFFSET
    word = prints | printed << 96
    chain.rpc("anvil_setStorageAt", chain.contract, f"0x{slot:064x}", f"0x{word:064x}")
    state = chain.query("licenceState", licence)[0]
    assert (state[3], state[6], state[7]) == (prints, printed, printed)


def _deployment(chain: Chain) -> Iterator[tuple[str, int]]:
    chain.deploy()
    yield "deployment", chain.deployment_gas


def _accounts(chain: Chain) -> Iterator[tuple[str, int]]:
    business = _business(chain)
    owner, provider, domain = business.owner, business.provider, business.domain
    printer, grant = business.printer(), business.grant()
    yield "publish", gas(chain.run(business.publish))
    yield "grant", gas(chain.run(grant))
    yield "grant with a list of printers", gas(chain.run(business.grant(printers=b"\x05" * 32)))
    yield "grant in a batch of 100", gas_each(chain, [business.grant() for _ in range(100)])
    yield "enrol", gas(chain.run(printer.enrol))
    taken = PrintTransfer(grant.licence.struct_hash(), owner.address, 5, printer.id)
    signed = provider.sign(digest(domain, taken))
    consent = owner.sign(digest(domain, TransferConsent(taken.licence)))
    yield "transfer", gas(chain.run(Transfer(grant.licence, taken, signed, consent)))
    revocation = Revocation(taken.licence)
    yield "revoke", gas(chain.run(Revoke(grant.licence, owner.sign(digest(domain, revocation)))))
    retirement = Retirement(printer.id)
    yield "retire", gas(chain.run(Retire(retirement, provider.sign(digest(domain, retirement)))))


def _prints(chain: Chain) -> Iterator[tuple[str, int]]:
    business = _business(chain)
    printer, grant = business.printer(), business.grant(prints=MANY, reprints=0)
    licence = grant.licence.struct_hash()
    for operation in (business.publish, printer.enrol, grant):
        chain.run(operation)
    yield "print, the 1st of a licence", gas(chain.run(printer.claim(licence, 1)))
    costs = [gas(chain.run(printer.claim(licence, number))) for number in range(129, 1, -1)]
    yield "print, the dearest of 128 in reverse order", max(costs)
    jump_to(chain, licence, MANY, MANY - 1)
    yield "print, the 100,000th of a licence", gas(chain.run(printer.claim(licence, MANY)))
    lists = ([*(bytes([n]) * 32 for n in range(first, first + 9)), printer.id] for first in range(200))
    listed = max(lists, key=lambda each: len(printer_proof(each, printer.id)))  # places in a list differ
    grant = business.grant(printers=printers_root(listed))
    chain.run(grant)
    proof = printer_proof(listed, printer.id)
    claim = printer.claim(grant.licence.struct_hash(), 1, proof)
    yield "print on a licence that lists ten printers", gas(chain.run(claim))


def _plates(chain: Chain) -> Iterator[tuple[str, int]]:
    business = _business(chain)
    printer = business.printer()
    grants = [business.grant() for _ in range(16)]
    for operation in (business.publish, printer.enrol, *grants):
        chain.run(operation)
    for parts in (1, 4, 16):
        plate = printer.plate(*[(grant.licence.struct_hash(), parts) for grant in grants[:parts]])
        yield f"plate of {parts}, each of another licence", gas(chain.run(plate))


def _batches(chain: Chain) -> Iterator[tuple[str, int]]:
    business = _business(chain)
    printers = [business.printer() for _ in range(10)]
    grants = [business.grant() for _ in range(100)]
    licences = [grant.licence.struct_hash() for grant in grants]
    chain.run(business.publish)
    gas_each(chain, [printer.enrol for printer in printers])
    gas_each(chain, grants)
    first = [printers[i % 10].claim(licences[i], 1) for i in range(100)]
    yield "print in a batch of 100: 100 licences, 10 printers", gas_each(chain, first)
    more = [printers[i % 10].claim(licences[i // 10], 11 - i % 10) for i in range(100)]
    yield "print in a batch of 100: 10 licences, 10 printers", gas_each(chain, more)


def _outcomes(chain: Chain) -> Iterator[tuple[str, int]]:
    business = _business(chain)
    printer, grant = business.printer(), business.grant()
    licence = grant.licence.struct_hash()
    for operation in (business.publish, printer.enrol, grant):
        chain.run(operation)
    for number in (1, 2, 3):
        chain.run(printer.claim(licence, number))
    yield "outcome, the first of every 256", gas(chain.run(printer.outcome(licence, 1, Result.COMPLETED)))
    yield "outcome", gas(chain.run(printer.outcome(licence, 2, Result.COMPLETED)))
    yield "outcome credited back", gas(chain.run(printer.outcome(licence, 3, Result.FAILED)))


def _peers(chain: Chain) -> Iterator[tuple[str, int]]:
    """Deploy two plainer ledgers and count prints on them; they check no signature at all."""
    for name, (contract, call, kind) in _PEERS.items():
        receipt = chain.transact({"data": _peer_bytecode(contract)})
        target, licence = receipt["contractAddress"], keccak(contract.encode())
        data = keccak(b"grant(bytes32,uint256)")[:4] + encode(["bytes32", "uint256"], [licence, MANY])
        gas(chain.transact({"to": target, "data": "0x" + data.hex()}))
        who: Any = "0x" + "77" * 20 if kind == "address" else b"\x77" * 32
        costs = []
        for number in range(1, 4):
            token = keccak(number.to_bytes(32, "big"))
            data = keccak(call.encode())[:4] + encode(["bytes32", kind, "bytes32"], [licence, who, token])
            costs.append(gas(chain.transact({"to": target, "data": "0x" + data.hex()})))
        yield f"{name}: the 1st print", costs[0]
        yield f"{name}: every later one", costs[-1]


def _business(chain: Chain) -> Business:
    chain.deploy()
    return Business(chain)


@cache
def _peer_bytecode(contract: str) -> str:
    path = SNAPSHOT.parent / "build.py"
    spec = importlib.util.spec_from_file_location("contracts_build", path)
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    return str(build.compile_artifact(f"test/peers/{contract}.sol", contract)["bytecode"])


def main() -> None:
    """Measure on a chain of one's own, print, and with --write rewrite the snapshot."""
    with running_anvil("--hardfork", "osaka") as chain:
        measured = measure(chain)
    sys.stdout.write(table(measured) + "\n")
    if "--write" in sys.argv[1:]:
        SNAPSHOT.write_text(json.dumps(measured, indent=2) + "\n")
        text = README.read_text()
        before, after = text.split(_MARKS[0])[0], text.split(_MARKS[1])[1]
        README.write_text(before + _MARKS[0] + markdown(measured) + _MARKS[1] + after)


if __name__ == "__main__":
    main()
