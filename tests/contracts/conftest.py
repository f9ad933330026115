"""A chain of one's own with the ledger on it, and people who sign for it."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import itertools
import json
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ledger import abi
from ledger.operations import Enrol, Grant, Operation, Publish, RecordOutcome, RecordPlate, RecordPrint
from ledger.signer import AccountKey
from ledger.typed_data import (
    Domain,
    Enrolment,
    Licence,
    Plate,
    PrintClaim,
    PrintOutcome,
    Publication,
    Result,
    digest,
    print_id,
    sign_as_printer,
)

ANVIL = Path(__file__).parents[2] / "contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
CHAIN_ID = 20566
FAR = (1 << 40) - 1


class Chain:
    """Talks to an anvil that mines every transaction at once; its first account pays."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ids = itertools.count(1)
        self._payer = self.rpc("eth_accounts")[0]
        self.contract = ""
        self.deployment_gas = 0

    def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        request = urllib.request.Request(
            self._url, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        if "error" in answer:
            raise ChainError(answer["error"])
        return answer["result"]

    def deploy(self) -> Domain:
        receipt = self.transact({"data": "0x" + abi.artifact().bytecode.hex()})
        self.deployment_gas = int(receipt["gasUsed"], 16)
        self.contract = receipt["contractAddress"]
        return Domain(CHAIN_ID, self.contract)

    def send(self, data: bytes) -> dict[str, Any]:
        """Send a call, whether or not it will succeed, and return its receipt."""
        return self.transact({"to": self.contract, "data": "0x" + data.hex()})

    def run(self, operation: Operation) -> dict[str, Any]:
        """Send an operation that must succeed."""
        receipt = self.send(abi.encode_call(operation))
        assert receipt["status"] == "0x1", self.refusal(abi.encode_call(operation))
        return receipt

    def refusal(self, data: bytes) -> abi.ContractError:
        """Return why a call is refused now; fails if it is not."""
        with pytest.raises(ChainError) as caught:
            self.rpc("eth_call", {"to": self.contract, "data": "0x" + data.hex()}, "latest")
        return abi.decode_error(caught.value.data)

    def query(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        data = "0x" + abi.encode_query(name, *arguments).hex()
        answer = self.rpc("eth_call", {"to": self.contract, "data": data}, "latest")
        return abi.decode_query(name, bytes.fromhex(answer[2:]))

    def now(self) -> int:
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def transact(self, transaction: dict[str, Any]) -> dict[str, Any]:
        """Send any transaction from the account that pays, and return its receipt."""
        request = {"from": self._payer, "gas": "0xe00000", **transaction}
        receipt: dict[str, Any] = self.rpc("eth_sendTransactionSync", request)
        return receipt


class ChainError(Exception):
    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.data = error.get("data", "0x")


@contextlib.contextmanager
def running_anvil(*options: str) -> Iterator[Chain]:
    command = [str(ANVIL), "--port", "0", "--chain-id", str(CHAIN_ID), "--prune-history", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout is not None
        try:
            line = next(line for line in child.stdout if line.startswith("Listening on "))
            # it logs every request, and stops once nobody reads that
            threading.Thread(target=collections.deque, args=(child.stdout, 0), daemon=True).start()
            yield Chain("http://" + line.split()[-1])
        finally:
            child.terminate()


@pytest.fixture(scope="session")
def anvil_of() -> Callable[..., contextlib.AbstractContextManager[Chain]]:
    """Start a chain with options of one's own."""
    return running_anvil


@pytest.fixture(scope="session")
def anvil() -> Iterator[Chain]:
    with running_anvil("--hardfork", "osaka") as chain:
        yield chain


@pytest.fixture
def chain(anvil: Chain) -> Chain:
    anvil.deploy()
    return anvil


def token_of(licence: bytes, sequence: int) -> bytes:
    """Return a hash such as a print token's: none of its bytes is zero for long, as gas counts zeros less."""
    return hashlib.sha256(licence + sequence.to_bytes(4, "big")).digest()


class Printer:
    """A printer of a provider: its P-256 key and what it signs."""

    def __init__(self, provider: AccountKey, domain: Domain) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._domain = domain
        numbers = self._key.public_key().public_numbers()
        self.key_x, self.key_y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        self.enrolment = Enrolment(provider.address, self.key_x, self.key_y)
        self.id = self.enrolment.struct_hash()
        signed = digest(domain, self.enrolment)
        self.enrol = Enrol(self.enrolment, provider.sign(signed), sign_as_printer(self._key, signed))

    def claim(
        self, licence: bytes, sequence: int, proof: Sequence[bytes] = (), deadline: int = FAR
    ) -> RecordPrint:
        claim = PrintClaim(licence, sequence, token_of(licence, sequence), deadline)
        signature = sign_as_printer(self._key, digest(self._domain, claim))
        return RecordPrint(claim, self.key_x, self.key_y, signature, tuple(proof))

    def plate(self, *prints: tuple[bytes, int], proofs: Sequence[Sequence[bytes]] = ()) -> RecordPlate:
        claims = tuple(
            PrintClaim(licence, number, token_of(licence, number), FAR) for licence, number in prints
        )
        signature = sign_as_printer(self._key, digest(self._domain, Plate.of(claims)))
        shown = tuple(map(tuple, proofs)) or ((),) * len(claims)
        return RecordPlate(claims, self.key_x, self.key_y, signature, shown)

    def outcome(self, licence: bytes, sequence: int, result: Result) -> RecordOutcome:
        outcome = PrintOutcome(print_id(licence, sequence), result, b"\x07" * 32)
        signature = sign_as_printer(self._key, digest(self._domain, outcome))
        return RecordOutcome(licence, sequence, outcome, self.key_x, self.key_y, signature)


class Business:
    """An owner with one published revision and a provider, on a freshly deployed ledger."""

    def __init__(self, chain: Chain) -> None:
        self.domain = Domain(CHAIN_ID, chain.contract)
        self.owner, self.provider = AccountKey.generate(), AccountKey.generate()
        publication = Publication(self.owner.address, AccountKey.generate().reveal())
        self.revision = publication.struct_hash()
        self.publish = Publish(publication, self.owner.sign(digest(self.domain, publication)))

    def printer(self) -> Printer:
        return Printer(self.provider, self.domain)

    def grant(self, **changes: Any) -> Grant:
        fields: dict[str, Any] = {
            "revision": self.revision,
            "owner": self.owner.address,
            "provider": self.provider.address,
            "printers": bytes(32),
            "prints": 1000,
            "reprints": 20,
            "starts_at": 1_700_000_000,
            "expires_at": FAR,
            "terms": AccountKey.generate().reveal(),
            "salt": AccountKey.generate().reveal(),
        }
        licence = Licence(**{**fields, **changes})
        return Grant(licence, self.owner.sign(digest(self.domain, licence)))


@pytest.fixture
def business(chain: Chain) -> Business:
    return Business(chain)


@pytest.fixture
def decoded(chain: Chain) -> Callable[[dict[str, Any]], list[abi.Event | None]]:
    """Return the events of a receipt."""

    def decode(receipt: dict[str, Any]) -> list[abi.Event | None]:
        assert all(log["address"] == chain.contract.lower() for log in receipt["logs"])
        return [abi.decode_log(log) for log in receipt["logs"]]

    return decode
