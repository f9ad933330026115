"""`partvault ledger` as processes, against a real service, its data folder and a real network."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.cli.chain import _age
from app.settings import Settings
from ledger.anvil import AnvilOptions, native_binary, spawn
from ledger.chain import Header
from ledger.signer import AccountKey
from ledger.web3_chain import Web3Chain
from tests.app.service import until
from tests.e2e.conftest import Market
from tests.e2e.service_process import ServiceProcess
from tests.ledger.actors import secret
from tests.ledger.lies import LIES
from tests.ledger.lying_node import LyingNode
from tests.ledger.stage import Network, mining_network

PROGRAM = Path(sys.executable).with_name("partvault")
DEPLOYER = AccountKey.from_bytes(secret("deployer of the command"))


def run(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PARTVAULT_")}
    return subprocess.run(
        [PROGRAM, "ledger", *map(str, words)],
        env={**plain, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def said(code: int, *words: object, **variables: str) -> dict[str, Any]:
    """Run it with --json and return its one value."""
    done = run(*words, "--json", **variables)
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A running service with one print."""
    with ServiceProcess(tmp_path_factory.mktemp("ledger") / "data") as service:
        market = Market.open(service)
        licence = market.owner.license(market.published(), market.provider, prints=2, reprints=1)
        printer = market.provider.new_printer()
        assert printer.redeem(market.provider.authorise(licence, printer)["token"]).status_code == 200
        yield service


def head_of(service: ServiceProcess) -> Header:
    noted = json.loads((service.data_dir / "chain" / "anvil.json").read_text())
    return Web3Chain.http(noted["rpc_url"]).head()


@contextmanager
def changed(folder: Path, statement: str, back: str) -> Iterator[None]:
    with closing(
        sqlite3.connect(folder / "partvault.sqlite", timeout=20, isolation_level=None)
    ) as connection:
        assert connection.execute(statement).rowcount == 1
        try:
            yield
        finally:
            connection.execute(back)


class TestStatus:
    def test_tells_finality_flight_and_what_the_chain_carries(self, market: ServiceProcess) -> None:
        found = said(0, "status", "--data-dir", market.data_dir, PARTVAULT_DATA_DIR=str(market.data_dir))
        assert (found["finalised"], found["lag_blocks"], found["pending"]) == (found["head"], 0, 0)
        chain = found["embedded_chain"]
        assert chain["events"] >= 4
        assert chain["memory_bytes"] > 1 << 20
        assert chain["last_start"]["snapshot"] is None
        assert (chain["snapshot"], chain["move_on"]) == (None, None)

    def test_draws_it(self, market: ServiceProcess) -> None:
        done = run("status", PARTVAULT_DATA_DIR=str(market.data_dir))
        assert done.returncode == 0
        for word in ("final", "under way", "carries", "memory", "snapshot", "last start", "full replay"):
            assert word in done.stdout

    def test_says_when_it_is_time_to_move_on(self, market: ServiceProcess) -> None:
        noted = market.data_dir / "chain" / "last_start.json"
        before = noted.read_text()
        noted.write_text(json.dumps({**json.loads(before), "seconds": 99}))
        try:
            done = run("status", PARTVAULT_DATA_DIR=str(market.data_dir))
        finally:
            noted.write_text(before)
        assert "it is time to move from the embedded chain to a real network" in done.stdout


class TestAge:
    @pytest.mark.parametrize(
        ("seconds", "said"),
        [(0, "0 s"), (119, "119 s"), (120, "2 minutes"), (7_300, "2 hours"), (200_000, "2 days")],
    )
    def test_is_told_in_the_largest_unit_that_fits_twice(self, seconds: int, said: str) -> None:
        assert _age(seconds) == said


class TestReplay:
    def test_rebuilds_the_chain_beside_the_service(self, market: ServiceProcess) -> None:
        found = said(0, "replay", "--data-dir", market.data_dir)
        head = head_of(market)
        assert (found["ok"], found["blocks"], found["head"]) == (True, head.number, "0x" + head.hash.hex())

    @pytest.mark.parametrize(
        ("row", "statement", "back"),
        [
            (
                "ledger_events 2/0.name",
                "UPDATE ledger_events SET name='x' || name WHERE block_number=2 AND log_index=0",
                "UPDATE ledger_events SET name=substr(name, 2) WHERE block_number=2 AND log_index=0",
            ),
            (
                "ledger_transactions nonce 1",
                "UPDATE ledger_transactions SET nonce=1001 WHERE nonce=1",
                "UPDATE ledger_transactions SET nonce=1 WHERE nonce=1001",
            ),
        ],
    )
    def test_names_the_first_row_at_fault(
        self, market: ServiceProcess, row: str, statement: str, back: str
    ) -> None:
        with changed(market.data_dir, statement, back):
            error = said(1, "replay", "--data-dir", market.data_dir)["error"]
        assert error["reasons"][0]["row"] == row
        assert row in error["message"]

    def test_refuses_a_folder_without_inventory(self, tmp_path: Path) -> None:
        error = said(2, "replay", "--data-dir", tmp_path)["error"]
        assert error["kind"] == "no_data_folder"
        assert "--data-dir" in error["remedy"]

    def test_refuses_a_ledger_on_a_network(self, market: ServiceProcess) -> None:
        network = {"PARTVAULT_RPC_URL": "http://127.0.0.1:1", "PARTVAULT_CONTRACT": "0x" + "11" * 20}
        error = said(2, "replay", "--data-dir", market.data_dir, **network)["error"]
        assert error["kind"] == "no_embedded_chain"


class TestExport:
    def test_rebuilds_the_identical_chain_elsewhere(self, market: ServiceProcess, tmp_path: Path) -> None:
        path = tmp_path / "chain.jsonl"
        wrote = said(0, "export", path, "--data-dir", market.data_dir)
        found = said(0, "replay", path)
        head = head_of(market)
        assert wrote["bytes"] == path.stat().st_size
        assert (found["blocks"], found["head"]) == (head.number, "0x" + head.hash.hex())

    def test_is_enough_for_a_plain_anvil(self, market: ServiceProcess, tmp_path: Path) -> None:
        """As `docs/formats/ledger-export.md` says it is done, with nothing of this project but the spawn."""
        said(0, "export", tmp_path / "chain.jsonl", "--data-dir", market.data_dir)
        first, *blocks, _ = [json.loads(line) for line in (tmp_path / "chain.jsonl").read_text().splitlines()]
        binary = native_binary(Settings().anvil_program())
        node = spawn(binary, tmp_path, AnvilOptions(first["chain_id"], first["genesis_time"]))
        try:
            chain = Web3Chain.http(node.rpc_url)
            chain.tell("anvil_setBalance", first["relay"], hex(int(first["relay_balance_wei"])))
            for block in blocks:
                chain.tell("eth_sendRawTransaction", block["transaction"])
                chain.tell("evm_mine", {"timestamp": block["time"]})
                assert chain.tell("eth_getBlockByNumber", "latest", False)["hash"] == block["hash"]
        finally:
            node.kill()

    def test_names_the_first_line_at_fault(self, market: ServiceProcess, tmp_path: Path) -> None:
        path = tmp_path / "chain.jsonl"
        said(0, "export", path, "--data-dir", market.data_dir)
        lines = path.read_text().splitlines(keepends=True)
        lines[3] = lines[3].replace('"transaction":"0x02', '"transaction":"0x03')
        path.write_text("".join(lines))
        error = said(1, "replay", path)["error"]
        assert error["reasons"][0]["row"] == "line 4"

    def test_leaves_no_half_file(self, market: ServiceProcess, tmp_path: Path) -> None:
        gap = "UPDATE ledger_transactions SET nonce=1001 WHERE nonce=1"
        with changed(market.data_dir, gap, "UPDATE ledger_transactions SET nonce=1 WHERE nonce=1001"):
            error = said(1, "export", tmp_path / "chain.jsonl", "--data-dir", market.data_dir)["error"]
        assert error["reasons"][0]["row"] == "ledger_transactions nonce 1"
        assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network that makes blocks, with a funded account."""
    with mining_network(tmp_path_factory.mktemp("network"), every_s=0.2) as network:
        network.chain.tell("anvil_setBalance", DEPLOYER.address, hex(10**19))
        yield network


def _outvoted(status: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the endpoints that were outvoted."""
    return [each for each in status["endpoints"] if each["outvoted"]]


def key_file(folder: Path, key: AccountKey = DEPLOYER, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_text("0x" + key.reveal().hex() + "\n")
    path.chmod(mode)
    return path


class TestDeploy:
    def test_prints_the_settings_that_the_service_runs_with(self, network: Network, tmp_path: Path) -> None:
        words = ("deploy", "--rpc", network.node.rpc_url, "--confirmations", 2)
        found = said(0, *words, "--key-file", key_file(tmp_path))
        assert found["precompile"] is True
        again = said(0, *words, PARTVAULT_RELAY_KEY=DEPLOYER.reveal().hex())
        assert (again["contract"], again["deployed_now"]) == (found["contract"], False)
        settings = {name.removeprefix("PARTVAULT_").lower(): v for name, v in found["settings"].items()}
        with ServiceProcess(tmp_path / "data", relay_key=DEPLOYER.reveal().hex(), **settings) as service:
            status = said(0, "status", PARTVAULT_DATA_DIR=str(service.data_dir))
        assert (status["contract"], status["embedded"]) == (found["contract"], False)
        assert status["code_hash"] == found["code_hash"]

    def test_status_names_an_endpoint_that_is_outvoted(self, network: Network, tmp_path: Path) -> None:
        found = said(0, "deploy", "--rpc", network.node.rpc_url, "--key-file", key_file(tmp_path))
        liar = LyingNode(network.node.rpc_url)
        rpc_url = ",".join(
            (network.node.rpc_url, liar.url, network.node.rpc_url.replace("127.0.0.1", "localhost"))
        )
        settings = {"rpc_url": rpc_url, "contract": found["contract"], "relay_key": DEPLOYER.reveal().hex()}
        try:
            with ServiceProcess(tmp_path / "data", **settings) as service:
                folder = {"PARTVAULT_DATA_DIR": str(service.data_dir)}
                before = run("status", **folder).stdout
                liar.lie = LIES["a fork"]
                status = until(lambda: _outvoted(said(0, "status", **folder)))
                drawn = run("status", **folder).stdout
        finally:
            liar.close()
        assert f"endpoint {liar.name} has a vote" in before
        assert "outvoted" not in before
        assert [each["endpoint"] for each in status] == [liar.name]
        assert f"! {liar.name} was outvoted " in drawn
        assert f"since {status[0]['outvoted_since']}, last at " in drawn
        assert "it said about block" in drawn

    def test_draws_the_settings(self, network: Network, tmp_path: Path) -> None:
        done = run("deploy", "--rpc", network.node.rpc_url, "--key-file", key_file(tmp_path))
        assert done.returncode == 0, done.stderr
        assert f"PARTVAULT_RPC_URL={network.node.rpc_url}" in done.stdout
        assert "precompile at 0x100" in done.stdout
        assert DEPLOYER.reveal().hex() not in done.stdout + done.stderr

    def test_refuses_a_poor_account(self, network: Network, tmp_path: Path) -> None:
        poor = key_file(tmp_path, AccountKey.from_bytes(secret("poor")))
        error = said(1, "deploy", "--rpc", network.node.rpc_url, "--key-file", poor)["error"]
        assert error["kind"] == "network_unfit"
        assert "wei more" in error["message"]

    def test_says_when_it_is_not_final_yet(self, tmp_path: Path) -> None:
        still = Network(tmp_path)
        try:
            still.chain.tell("anvil_setBalance", DEPLOYER.address, hex(10**19))
            words = ("deploy", "--rpc", still.node.rpc_url, "--timeout-s", 0)
            error = said(3, *words, PARTVAULT_RELAY_KEY=DEPLOYER.reveal().hex())["error"]
        finally:
            still.node.kill()
        assert error["kind"] == "deployment_pending"
        assert "run this again" in error["remedy"]

    def test_refuses_without_a_key(self, network: Network) -> None:
        error = said(2, "deploy", "--rpc", network.node.rpc_url)["error"]
        assert "PARTVAULT_RELAY_KEY" in error["remedy"]

    def test_refuses_a_key_others_may_read(self, network: Network, tmp_path: Path) -> None:
        loose = key_file(tmp_path, mode=0o644)
        error = said(2, "deploy", "--rpc", network.node.rpc_url, "--key-file", loose)["error"]
        assert error["remedy"] == f"chmod 600 {loose}"

    def test_refuses_where_nothing_answers(self, tmp_path: Path) -> None:
        error = said(2, "deploy", "--rpc", "http://127.0.0.1:1", "--key-file", key_file(tmp_path))["error"]
        assert error["kind"] == "unreachable"
