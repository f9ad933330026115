"""Deploying on a network: once an account, checked before and after, never twice."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.abi import is_print_ledger
from ledger.anvil import native_binary
from ledger.deployment import Deployment, DeploymentPending, NetworkUnfit, deploy
from ledger.signer import AccountKey
from ledger.transaction import Offer, contract_address, sign_transaction
from ledger.web3_chain import Web3Chain
from tests.ledger.actors import secret
from tests.ledger.stage import ANVIL, PATIENCE_S, Network

DEPLOYER = AccountKey.from_bytes(secret("deployer"))


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network(tmp_path)
    network.chain.tell("anvil_setBalance", DEPLOYER.address, hex(10**19))
    yield network
    network.node.kill()


def deployed(network: Network, *, confirmations: int = 1, timeout_s: float = 60.0) -> Deployment:
    """Deploy while the network makes a block at every look."""
    return deploy(
        network.chain,
        DEPLOYER,
        confirmations=confirmations,
        timeout_s=timeout_s,
        pause=lambda _: network.mine(),
    )


class TestDeploy:
    def test_puts_the_contract_there(self, network: Network) -> None:
        done = deployed(network, confirmations=3)
        assert is_print_ledger(network.chain.code(done.contract))
        assert done.contract == contract_address(DEPLOYER.address, 0)
        assert done.block is not None
        assert network.chain.head().number >= done.block + 2
        assert done.precompile
        assert done.print_fee_wei > done.print_gas > 21_000

    def test_finds_what_it_deployed_before(self, network: Network) -> None:
        first, again = deployed(network), deployed(network)
        assert (again.contract, again.code_hash) == (first.contract, first.code_hash)
        assert again.transaction is None
        assert network.chain.nonce(DEPLOYER.address) == 1

    def test_deploys_after_other_transactions(self, network: Network) -> None:
        offer = Offer(gas=30_000, max_fee=10**11, tip=10**9)
        other = sign_transaction(
            DEPLOYER, chain_id=31337, nonce=0, to=DEPLOYER.address, data=b"", offer=offer
        )
        network.chain.send(other.raw, time=0)
        done = deployed(network)
        assert done.contract == contract_address(DEPLOYER.address, 1)

    def test_sends_nothing_twice_where_blocks_are_late(self, network: Network) -> None:
        with pytest.raises(DeploymentPending, match="0x"):
            deploy(network.chain, DEPLOYER, confirmations=1, timeout_s=0.0, pause=lambda _: None)
        assert len(network.pooled()) == 1
        done = deployed(network)
        assert (done.contract, done.transaction) == (contract_address(DEPLOYER.address, 0), None)
        assert network.chain.nonce(DEPLOYER.address) == 1

    def test_refuses_an_account_that_cannot_pay(self, network: Network) -> None:
        network.chain.tell("anvil_setBalance", DEPLOYER.address, hex(10**9))
        with pytest.raises(NetworkUnfit, match="holds 1000000000 wei"):
            deployed(network)
        assert network.chain.nonce(DEPLOYER.address) == 0

    def test_refuses_a_network_of_old_rules(self, older: Web3Chain) -> None:
        with pytest.raises(NetworkUnfit, match="Cancun"):
            deploy(older, DEPLOYER, confirmations=1, timeout_s=5.0, pause=lambda _: None)

    def test_says_where_the_precompile_lacks(self, prague: Web3Chain) -> None:
        done = deploy(
            prague,
            DEPLOYER,
            confirmations=1,
            timeout_s=60.0,
            pause=lambda _: prague.tell("evm_mine"),
        )
        assert not done.precompile
        assert done.print_gas > 400_000
        assert is_print_ledger(prague.code(done.contract))


def _of_rules(hardfork: str, folder: Path) -> Iterator[Web3Chain]:
    """Run an anvil of other rules."""
    socket = folder / "a.ipc"
    command = [str(native_binary(ANVIL)), "--port", "0", "--ipc", str(socket), "--hardfork", hardfork]
    with subprocess.Popen([*command, "--no-mining", "--quiet"], stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + PATIENCE_S
        while not socket.exists() and time.monotonic() < until:
            time.sleep(0.01)
        chain = Web3Chain.local(lambda: socket, mines=False)
        chain.tell("anvil_setBalance", DEPLOYER.address, hex(10**19))
        yield chain
        process.kill()


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Web3Chain]:
    yield from _of_rules("london", tmp_path)


@pytest.fixture
def prague(tmp_path: Path) -> Iterator[Web3Chain]:
    yield from _of_rules("prague", tmp_path)
