"""The embedded chain: the same again after every end, never served when it is not, never left over."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger import capacity
from ledger.anvil import native_binary
from ledger.chain import ChainError
from ledger.embedded import ChainInUse, EmbeddedChain
from ledger.replay import ReplayMismatch
from ledger.web3_chain import Web3Chain
from tests.ledger.stage import ANVIL, PATIENCE_S, RELAY, Stage, embedded_stage, open_engine

HOST = """
import sys, time
from pathlib import Path
from ledger.embedded import EmbeddedChain
from tests.ledger.stage import ANVIL, RELAY, open_engine
folder = Path(sys.argv[1])
chain = EmbeddedChain(folder / "chain", open_engine(folder / "ledger.sqlite"), RELAY, ANVIL)
print(chain.start(), chain.pid, flush=True)
time.sleep(600)
"""


def until(condition: Callable[[], bool]) -> bool:
    """Wait for what another process does; False if it takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def hashes(stage: Stage) -> list[bytes]:
    """Return every block hash that the chain itself shows."""
    chain = Web3Chain.http(str(stage.runtime.rpc_url))
    found = chain.headers(range(chain.head().number + 1))
    return [header.hash for header in found if header is not None]


def played(folder: Path) -> list[bytes]:
    """Run a ledger through some prints and return its block hashes."""
    with embedded_stage(folder) as stage:
        licence = stage.open_licence(prints=3)
        stage.settle(stage.cast.record(licence, 1), stage.cast.record(licence, 2))
        stage.settle(stage.cast.record(licence, 3))
        return hashes(stage)


def gone(pid: int) -> bool:
    """Return whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class TestReplay:
    def test_makes_the_same_blocks_again(self, tmp_path: Path) -> None:
        before = played(tmp_path)
        with embedded_stage(tmp_path) as stage:
            assert hashes(stage) == before
            assert stage.used(stage.cast.licence(prints=3)) == 3

    def test_a_killed_chain_comes_back_while_the_service_lives(self, tmp_path: Path) -> None:
        with embedded_stage(tmp_path) as stage:
            licence = stage.open_licence(prints=3)
            stage.settle(stage.cast.record(licence, 1))
            before = hashes(stage)
            chain = stage.runtime._embedded
            assert chain is not None
            os.kill(chain.pid, signal.SIGKILL)
            (found,) = stage.settle(stage.cast.record(licence, 2))
            assert found.state == "confirmed"
            assert hashes(stage)[: len(before)] == before
            assert stage.used(licence) == 2
            assert stage.runtime.health().restarts == 1

    def test_a_stopped_ledger_starts_again(self, tmp_path: Path) -> None:
        with embedded_stage(tmp_path) as stage:
            licence = stage.open_licence()
            stage.runtime.stop()
            (operation_id,) = stage.append(stage.cast.record(licence, 1))
            assert stage.runtime.wait(operation_id, 0.0).state == "pending"
            stage.runtime.start()
            assert stage.runtime.wait(operation_id, PATIENCE_S).state == "confirmed"

    @pytest.mark.parametrize(
        ("row", "edit"),
        [
            (
                "ledger_events 2/0.body",
                "UPDATE ledger_events SET body='{}' WHERE block_number=2 AND log_index=0",
            ),
            ("ledger_events 2/0", "DELETE FROM ledger_events WHERE block_number=2 AND log_index=0"),
            ("ledger_blocks 2.hash", "UPDATE ledger_blocks SET hash=zeroblob(32) WHERE number=2"),
            ("ledger_blocks 2.timestamp", "UPDATE ledger_blocks SET timestamp=timestamp+1 WHERE number=2"),
            ("ledger_transactions nonce 1", "DELETE FROM ledger_transactions WHERE nonce=1"),
            ("ledger_blocks 5.hash", "UPDATE ledger_transactions SET block_time=block_time+1 WHERE nonce=4"),
            ("ledger_transactions nonce 2", "UPDATE ledger_transactions SET block_time=1 WHERE nonce=2"),
            ("ledger_transactions nonce 2", "UPDATE ledger_transactions SET raw=zeroblob(9) WHERE nonce=2"),
        ],
    )
    def test_refuses_to_serve_another_history(self, tmp_path: Path, row: str, edit: str) -> None:
        played(tmp_path)
        engine = open_engine(tmp_path / "ledger.sqlite")
        with engine.begin() as connection:
            connection.execute(text(edit))
        chain = EmbeddedChain(tmp_path / "chain", engine, RELAY, ANVIL)
        with pytest.raises(ReplayMismatch) as refusal:
            chain.start()
        assert refusal.value.row == row
        assert not chain.serving
        engine.dispose()


class TestOutgrown:
    def test_is_said_in_the_log(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        played(tmp_path)
        monkeypatch.setattr(capacity, "EVENTS_MAX", 2)
        with caplog.at_level(logging.WARNING), embedded_stage(tmp_path) as stage:
            assert stage.runtime.health().ok
        assert "time to move from the embedded chain to a real network: it holds 6 events" in caplog.text


class TestStart:
    def test_serves_a_stored_chain_without_the_service(self, tmp_path: Path) -> None:
        before = played(tmp_path)
        engine = open_engine(tmp_path / "ledger.sqlite")
        chain = EmbeddedChain(tmp_path / "chain", engine, RELAY, ANVIL)
        try:
            assert Web3Chain.http(chain.start()).head().hash == before[-1]
        finally:
            chain.stop()
        with pytest.raises(ChainError):
            _ = chain.rpc_url
        engine.dispose()

    def test_refuses_an_empty_database(self, tmp_path: Path) -> None:
        engine = open_engine(tmp_path / "ledger.sqlite")
        with pytest.raises(ChainError, match="start the service once"):
            EmbeddedChain(tmp_path / "chain", engine, RELAY, ANVIL).start()
        engine.dispose()

    def test_one_process_serves_a_directory(self, tmp_path: Path) -> None:
        with embedded_stage(tmp_path) as stage:
            url = str(stage.runtime.rpc_url)
            second = EmbeddedChain(tmp_path / "chain", stage.engine, RELAY, ANVIL)
            with pytest.raises(ChainInUse, match=url):
                second.start()
            assert stage.runtime.health().ok

    def test_the_chain_dies_with_its_parent(self, tmp_path: Path) -> None:
        played(tmp_path)
        root = Path(__file__).parents[2]
        command = [sys.executable, "-c", HOST, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline().split()[1])
            parent.kill()
        assert until(lambda: gone(pid))
        with embedded_stage(tmp_path) as stage:
            assert stage.runtime.health().ok

    def test_ends_a_chain_left_over(self, tmp_path: Path) -> None:
        played(tmp_path)
        socket = tmp_path / "chain" / "left.ipc"
        command = [str(native_binary(ANVIL)), "--port", "0", "--ipc", str(socket), "--quiet"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as stale:
            assert until(socket.exists)
            note = f'{{"pid": {stale.pid}, "socket": "{socket}", "rpc_url": "http://127.0.0.1:1"}}'
            (tmp_path / "chain" / "anvil.json").write_text(note)
            with embedded_stage(tmp_path):
                assert stale.wait(PATIENCE_S) == -signal.SIGKILL

    def test_leaves_a_stranger_of_the_same_number_alone(self, tmp_path: Path) -> None:
        played(tmp_path)
        note = f'{{"pid": {os.getpid()}, "socket": "{tmp_path}/x.ipc", "rpc_url": "http://127.0.0.1:1"}}'
        (tmp_path / "chain" / "anvil.json").write_text(note)
        with embedded_stage(tmp_path) as stage:
            assert stage.runtime.health().ok
