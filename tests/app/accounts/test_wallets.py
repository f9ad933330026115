"""Owners and providers whose account is a contract (ERC-1271): they sign all that others sign."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from app.cli.audit_local import judge
from app.cli.audit_remote import Reader
from app.clock import rfc3339
from ledger.audit import Finding
from ledger.certificate_audit import Check, Expected, Verification, verify
from ledger.export import indexed_blocks
from ledger.signer import AccountKey
from ledger.transaction import Offer, contract_address, sign_transaction
from ledger.typed_data import (
    Enrolment,
    Licence,
    PrintTransfer,
    Publication,
    Retirement,
    Revocation,
    Struct,
    TransferConsent,
    digest,
)
from ledger.web3_chain import Web3Chain
from tests.app.parties import Party, Printer, problem
from tests.app.service import Service, running_service
from tests.ledger.stage import RELAY, Network, mining_network

SOURCE = Path(__file__).with_name("Wallet.sol")
SOLC = Path(__file__).parents[3] / "contracts" / "bin" / "solc"
PREFIX = "77616c74"


@dataclass
class WalletParty(Party):
    """An organisation whose account is a contract; `account` is the key that signs for it."""

    def sign(self, statement: Struct) -> str:
        assert self.account is not None
        return f"0x{PREFIX}{self.account.sign(digest(self.service.domain, statement)).hex()}"


@pytest.fixture(scope="module")
def code() -> bytes:
    """The wallet as solc compiles it."""
    wanted = {"*": {"Wallet": ["evm.bytecode.object"]}}
    asked = {
        "language": "Solidity",
        "sources": {"Wallet.sol": {"content": SOURCE.read_text()}},
        "settings": {"outputSelection": wanted},
    }
    done = subprocess.run(
        [SOLC, "--standard-json"], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    compiled = json.loads(done.stdout)["contracts"]["Wallet.sol"]["Wallet"]
    return bytes.fromhex(compiled["evm"]["bytecode"]["object"])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network that makes a block now and then."""
    with mining_network(tmp_path_factory.mktemp("network")) as network:
        yield network


@pytest.fixture(scope="module")
def service(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings: dict[str, Any] = {
        "rpc_url": network.node.rpc_url,
        "contract": network.contract,
        "relay_key": RELAY.reveal().hex(),
    }
    with running_service(tmp_path_factory.mktemp("service"), **settings) as running:
        yield running


def deployed(network: Network, code: bytes, signer: AccountKey) -> str:
    """Deploy a wallet that `signer` signs for; gives its address."""
    payer = AccountKey.generate()
    network.chain.tell("anvil_setBalance", payer.address, hex(10**20))
    offer = Offer(gas=1_000_000, max_fee=10**11, tip=10**9)
    data = code + encode(["address"], [signer.address])
    network.chain.send(
        sign_transaction(payer, chain_id=31337, nonce=0, to=None, data=data, offer=offer).raw, time=0
    )
    network.mine()
    address = contract_address(payer.address, 0)
    assert network.chain.code(address)
    return address


def await_index(service: Service, network: Network) -> None:
    """Wait until the service has seen what the network has: it asks wallets as of there."""
    head = network.chain.head().number
    deadline = time.monotonic() + 60
    while indexed_blocks(service.services.database.engine) <= head:
        assert time.monotonic() < deadline, f"the service has not seen block {head}"
        time.sleep(0.05)


def joined(service: Service, role: str, address: str, signer: AccountKey) -> WalletParty:
    body = {
        "name": f"{role} {secrets.token_hex(4)}",
        "roles": [role],
        "account": {"type": "external", "address": address},
    }
    made = service.call("POST", "/v1/organisations", service.operator_key, json=body).json()
    return WalletParty(service, made["id"], made["api_key"]["key"], address, signer)


@pytest.fixture
def owner(service: Service, network: Network, code: bytes) -> WalletParty:
    signer = AccountKey.generate()
    wallet = deployed(network, code, signer)
    await_index(service, network)
    return joined(service, "owner", wallet, signer)


@pytest.fixture
def provider(service: Service, network: Network, code: bytes) -> WalletParty:
    signer = AccountKey.generate()
    wallet = deployed(network, code, signer)
    await_index(service, network)
    return joined(service, "provider", wallet, signer)


def publication_of(owner: Party, revision: dict[str, Any]) -> Publication:
    return Publication(owner.address, bytes.fromhex(revision["commitment"][2:]))


def published(owner: Party) -> dict[str, Any]:
    revision = owner.inspected()
    body = {"signature": owner.sign(publication_of(owner, revision))}
    return owner.expect(200, "POST", f"/v1/revisions/{revision['id']}/publish", json=body)


def granted(owner: Party, revision: dict[str, Any], provider: Party, **changes: Any) -> dict[str, Any]:
    early = {"starts_at": rfc3339(owner.service.clock.now() - 86_400)}  # the network's clock is behind
    request = owner.licence_request(revision, provider, **early, **changes)
    ready = owner.expect(200, "POST", "/v1/licences/prepare", json=request)
    signature = owner.sign(Licence.from_json(ready["licence"]))
    return owner.expect(201, "POST", "/v1/licences", json=ready["request"] | {"signature": signature})


def enrolled(provider: Party) -> Printer:
    printer = provider.printer(approve=False)
    path = f"/v1/printers/{printer.id}"
    shown = provider.expect(200, "GET", path)
    body = {"signature": provider.sign(Enrolment.from_json(shown["enrolment"]))}
    provider.expect(200, "POST", f"{path}/approve", json=body)
    return printer


class TestWallets:
    def test_sign_all_that_an_owner_and_a_provider_sign(
        self, service: Service, network: Network, owner: WalletParty, provider: WalletParty, code: bytes
    ) -> None:
        revision, printer = published(owner), enrolled(provider)
        licence = granted(owner, revision, provider, prints=3, terms={"transferable": True})
        path = f"/v1/licences/{licence['id']}"
        assert printer.redeem(provider.authorise(licence, printer)["token"]).status_code == 200

        consent = owner.sign(TransferConsent(bytes.fromhex(licence["licence_hash"][2:])))
        assert owner.expect(200, "POST", f"{path}/transfer-consent", json={"signature": consent})["consented"]
        signer = AccountKey.generate()
        receiver = joined(service, "provider", deployed(network, code, signer), signer)
        wish = {"provider_id": receiver.id, "prints": 1}
        ready = provider.expect(200, "POST", f"{path}/transfers/prepare", json=wish)
        signature = provider.sign(PrintTransfer.from_json(ready["transfer"]))
        moved = provider.expect(
            *(201, "POST", f"{path}/transfers"),
            json=ready["request"] | {"signature": signature},
            headers={"Idempotency-Key": secrets.token_hex(8)},
        )
        assert moved["state"] == "confirmed"

        revocation = owner.sign(Revocation(bytes.fromhex(licence["licence_hash"][2:])))
        revoked = owner.expect(200, "POST", f"{path}/revoke", json={"signature": revocation})
        assert revoked["state"] == "revoked"
        name = provider.expect(200, "GET", f"/v1/printers/{printer.id}")["printer_hash"]
        retirement = provider.sign(Retirement(bytes.fromhex(name[2:])))
        retire = f"/v1/printers/{printer.id}/retire"
        assert provider.expect(200, "POST", retire, json={"signature": retirement})["state"] == "retired"

        assert audited(service, network) == []
        for wallet in (owner, provider, receiver):  # what they accepted when it was recorded still counts
            handed(network, wallet.address, AccountKey.generate())
        assert audited(service, network) == []

    def test_are_asked_again_about_what_is_not_recorded(
        self, service: Service, network: Network, owner: WalletParty, provider: WalletParty
    ) -> None:
        licence = granted(owner, published(owner), provider, prints=3, terms={"transferable": True})
        path = f"/v1/licences/{licence['id']}/transfer-consent"
        consent = owner.sign(TransferConsent(bytes.fromhex(licence["licence_hash"][2:])))
        assert owner.expect(200, "POST", path, json={"signature": consent})["consented"]
        assert owner.account is not None
        handed(network, owner.address, AccountKey.generate())
        finding = Finding(
            f"licences {licence['id']}", "transfer_consent", "is not signed by the licence's owner"
        )
        assert audited(service, network) == [finding]
        handed(network, owner.address, owner.account)

    def test_are_asked_and_may_refuse(self, owner: WalletParty) -> None:
        revision = owner.inspected()
        path, statement = f"/v1/revisions/{revision['id']}/publish", publication_of(owner, revision)
        signed = digest(owner.service.domain, statement)
        assert owner.account is not None
        bare, stranger = owner.account.sign(signed), AccountKey.generate().sign(signed)
        for wrong in (bare.hex(), PREFIX + stranger.hex(), PREFIX + bare[:-1].hex() + "1d", "00" * 64):
            refused = owner.call("POST", path, json={"signature": f"0x{wrong}"})
            assert refused.status_code == 422, refused.text
            assert problem(refused, "invalid-signature")["field"] == "signature"
        body = {"signature": owner.sign(statement)}
        assert owner.expect(200, "POST", path, json=body)["state"] == "published"

    def test_never_sign_for_another(self, owner: WalletParty, provider: WalletParty) -> None:
        revision = owner.inspected()
        statement = publication_of(owner, revision)
        body = {"signature": provider.sign(statement)}
        refused = owner.call("POST", f"/v1/revisions/{revision['id']}/publish", json=body)
        problem(refused, "invalid-signature")

    def test_must_be_there(self, service: Service) -> None:
        signer = AccountKey.generate()
        nobody = joined(service, "owner", AccountKey.generate().address, signer)
        revision = nobody.inspected()
        body = {"signature": nobody.sign(publication_of(nobody, revision))}
        refused = nobody.call("POST", f"/v1/revisions/{revision['id']}/publish", json=body)
        assert "no contract wallet" in problem(refused, "invalid-signature")["detail"]


def audited(service: Service, network: Network) -> list[Finding]:
    """What an operator's audit says of the service's rows, by a reader that has seen nothing before."""
    reader = Reader(Web3Chain.http(network.node.rpc_url), network.contract)
    services = service.services
    return list(judge(services.settings, services.database, reader, quiet=True).findings)


def handed(network: Network, wallet: str, signer: AccountKey) -> None:
    """Have a wallet signed for by somebody else from now on."""
    payer = AccountKey.generate()
    network.chain.tell("anvil_setBalance", payer.address, hex(10**20))
    data = keccak(b"hand(address)")[:4] + encode(["address"], [signer.address])
    offer = Offer(gas=1_000_000, max_fee=10**11, tip=10**9)
    network.chain.send(
        sign_transaction(payer, chain_id=31337, nonce=0, to=wallet, data=data, offer=offer).raw, time=0
    )
    network.mine()


class TestCertificateOfAWallet:
    @pytest.fixture
    def certificate(self, network: Network, owner: WalletParty, provider: WalletParty) -> dict[str, Any]:
        """Of a print that wallets licensed and enrolled the printer of."""
        printer = enrolled(provider)
        licence = granted(owner, published(owner), provider, prints=1)
        release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
        then = rfc3339(network.chain.head().timestamp)  # this network's clock is behind
        times = {"started_at": then, "ended_at": then}
        assert printer.report(release, licence, 1, 1, serials=["SN-1"], **times).status_code == 200
        path = f"/v1/prints/{release['print_id']}/certificate"
        deadline = time.monotonic() + 20
        while owner.call("GET", f"{path}.pdf").status_code == 409:  # the outcome is not final yet
            assert time.monotonic() < deadline, owner.call("GET", path).text
            time.sleep(0.1)
        return owner.expect(200, "GET", path)

    def seen(self, network: Network, owner: Party, certificate: dict[str, Any]) -> Verification:
        expected = Expected(contract=network.contract, owner=owner.address)
        return verify(certificate, Web3Chain.http(network.node.rpc_url), expected)

    def test_is_verified_with_a_node_also_when_the_wallets_keys_have_changed(
        self, network: Network, service: Service, owner: WalletParty, certificate: dict[str, Any]
    ) -> None:
        public = f"/v1/verification/{certificate['print']}"
        path = f"/v1/prints/{printed_id(service, certificate)}/certificate"
        for _ in range(2):
            assert self.seen(network, owner, certificate).findings == []
            assert service.call("POST", public, json=certificate).json()["ok"]
            assert owner.expect(200, "GET", path) == certificate
            handed(network, owner.address, AccountKey.generate())

    def test_tells_without_a_node_which_signatures_it_cannot_judge(
        self, owner: WalletParty, provider: WalletParty, certificate: dict[str, Any]
    ) -> None:
        seen = verify(certificate)
        assert {check for check, findings in seen.found.items() if findings} == {Check.SIGNATURES}
        unsure = [finding.problem for finding in seen.findings]
        assert len(unsure) == 3  # publication, grant, enrolment
        for account in (owner.address, provider.address):
            assert any(account in each and "a node can say more" in each for each in unsure)

    def test_is_refused_with_a_signature_that_the_wallet_never_took(
        self, network: Network, owner: WalletParty, certificate: dict[str, Any]
    ) -> None:
        """Whoever signs for the wallet later has signed nothing of what was recorded before."""
        forged = json.loads(json.dumps(certificate))
        (grant,) = [row["operation"] for row in forged["operations"] if row["operation"]["kind"] == "grant"]
        signed = digest(owner.service.domain, Licence.from_json(grant["licence"]))
        grant["signature"] = f"0x{PREFIX}{AccountKey.generate().sign(signed).hex()}"
        problems = [each.problem for each in self.seen(network, owner, forged).findings]
        assert f"is not {owner.address}'s" in problems


def printed_id(service: Service, certificate: dict[str, Any]) -> str:
    """The service's id of a certificate's print."""
    report = json.dumps(certificate["report"]["print"])
    return str(service.column("select id from prints where report like ?", f"%{report}%"))
