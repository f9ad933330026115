"""Snapshots: they shorten the start and change nothing; whatever is wrong with one, the chain comes back
right or not at all.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ledger.audit_chain import ChainReader, audit
from ledger.audit_rows import blocks_named, stored_rows
from ledger.embedded import EmbeddedChain, last_start
from ledger.replay import ReplayMismatch, stored_blocks
from ledger.signer import AccountKey
from ledger.snapshot import Manifest, Moment, Shelf, SnapshotUnfit
from ledger.snapshot_taker import SnapshotPolicy
from ledger.web3_chain import Web3Chain
from tests.ledger.actors import secret
from tests.ledger.stage import ANVIL, PATIENCE_S, RELAY, Stage, embedded_stage, open_engine

AT_STOP = SnapshotPolicy(weight_max=1 << 30, old_weight=1 << 30, stop_weight=1)
AT_ONCE = SnapshotPolicy(weight_max=1, stop_weight=1 << 30, share=1 << 30, look_every_s=0.02)


def play(stage: Stage, first: int, last: int) -> None:
    """Record prints one a block."""
    licence = stage.cast.licence(prints=40)
    for sequence in range(first, last + 1):
        (found,) = stage.settle(stage.cast.record(licence, sequence))
        assert found.state == "confirmed"


@contextmanager
def chain_of(folder: Path, policy: SnapshotPolicy | None = AT_STOP) -> Iterator[EmbeddedChain]:
    """Run the chain of a folder alone."""
    engine = open_engine(folder / "ledger.sqlite")
    chain = EmbeddedChain(folder / "chain", engine, RELAY, ANVIL, snapshots=policy)
    try:
        chain.start()
        yield chain
    finally:
        chain.stop()
        engine.dispose()


def shelf_of(folder: Path) -> Shelf:
    return Shelf(folder / "chain" / "snapshots", RELAY)


def started_by(folder: Path) -> int | None:
    """Return the block of the snapshot that the last start used."""
    noted = last_start(folder / "chain")
    assert noted is not None
    block: int | None = noted["snapshot"]
    return block


def blocks_of(folder: Path) -> int:
    """Return how many blocks the stored transactions of a folder make."""
    engine = open_engine(folder / "ledger.sqlite")
    try:
        return stored_blocks(engine)
    finally:
        engine.dispose()


def answers(chain: EmbeddedChain) -> list[Any]:
    """Return all that the chain says of its blocks, transactions, receipts and logs, as it says it."""
    node = Web3Chain.http(chain.rpc_url)
    blocks = [node.tell("eth_getBlockByNumber", hex(n), True) for n in range(node.head().number + 1)]
    hashes = [transaction["hash"] for block in blocks for transaction in block["transactions"]]
    receipts = [node.tell("eth_getTransactionReceipt", hash_) for hash_ in hashes]
    logs = node.tell("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
    return [blocks, receipts, logs, [node.tell("eth_getTransactionByHash", hash_) for hash_ in hashes]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with a snapshot of its seventh block or so and some blocks after it, at rest."""
    folder = tmp_path_factory.mktemp("played")
    with embedded_stage(folder) as stage:
        licence = stage.cast.licence(prints=40)
        stage.settle(stage.cast.publish(), stage.cast.enrol(), stage.cast.grant(licence))
        play(stage, 1, 4)
    with chain_of(folder):
        pass
    assert len(shelf_of(folder).blocks()) == 1
    with embedded_stage(folder) as stage:
        play(stage, 5, 8)
        stage.settle(stage.cast.report(stage.cast.licence(prints=40), 2))
    return folder


@pytest.fixture
def folder(played: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(played, tmp_path / "copy")
    return tmp_path / "copy"


class TestStart:
    def test_answers_the_same_as_after_a_full_replay(self, folder: Path) -> None:
        with chain_of(folder, None) as chain:
            full = answers(chain)
        assert started_by(folder) is None
        with chain_of(folder) as chain:
            assert answers(chain) == full
        assert started_by(folder) == shelf_of(folder).blocks()[-1]

    def test_serves_the_audit(self, folder: Path) -> None:
        engine = open_engine(folder / "ledger.sqlite")
        with chain_of(folder) as chain, engine.connect() as connection:
            node = Web3Chain.http(chain.rpc_url)
            contract = connection.execute(text("SELECT contract FROM ledger_chain")).scalar_one()
            report = audit(
                ChainReader(node, contract), None, stored_rows(connection), blocks_named(connection)
            )
        assert started_by(folder) is not None
        assert report.findings == ()
        assert report.counts["prints"] == 8
        engine.dispose()

    def test_goes_on_from_it(self, folder: Path) -> None:
        with embedded_stage(folder) as stage:
            assert started_by(folder) is not None
            play(stage, 9, 10)
            assert stage.used(stage.cast.licence(prints=40)) == 10
        with chain_of(folder, None):
            pass

    def test_a_killed_chain_comes_back_by_it(self, folder: Path) -> None:
        with embedded_stage(folder) as stage:
            chain = stage.runtime._embedded
            assert chain is not None
            os.kill(chain.pid, signal.SIGKILL)
            play(stage, 9, 9)
            assert chain.restarts == 1
        assert started_by(folder) is not None


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "state-flipped": lambda state, _: flip(state),
    "state-cut": lambda state, _: state.write_bytes(state.read_bytes()[:-9]),
    "state-missing": lambda state, _: state.unlink(),
    "manifest-empty": lambda _, manifest: manifest.write_bytes(b""),
    "manifest-a-list": lambda _, manifest: manifest.write_text("[]"),
    "block-hash": lambda _, manifest: edit(manifest, block_hash="0x" + "00" * 32),
    "rows": lambda _, manifest: edit(manifest, rows_sha256="00" * 32),
    "block": lambda _, manifest: edit(manifest, block=3),
    "state-digest": lambda _, manifest: edit(manifest, state_sha256="00" * 32),
    "seal": lambda _, manifest: edit(manifest, seal="00" * 32),
    "format": lambda _, manifest: edit(manifest, format="partvault/chain-snapshot/v0"),
    "type": lambda _, manifest: edit(manifest, taken_at="0"),
}


def damaged(folder: Path, damage: str) -> int:
    """Damage the only snapshot of a folder; return its block."""
    (block,) = shelf_of(folder).blocks()
    snapshots, name = folder / "chain" / "snapshots", f"{block:012d}"
    DAMAGES[damage](snapshots / f"{name}.state.gz", snapshots / f"{name}.json")
    return block


def replaced_state(folder: Path, change: Callable[[Any], None], relay: AccountKey = RELAY) -> None:
    """Write the snapshot again with another state, sealed with a relay's key."""
    shelf = shelf_of(folder)
    (block,) = shelf.blocks()
    manifest = shelf.describe(block)
    state = json.loads(gzip.decompress(b"".join(shelf.state(block))))
    change(state)
    moment = Moment(**{field.name: getattr(manifest, field.name) for field in fields(Moment)})
    other = Shelf(folder / "chain" / "snapshots", relay)
    other.keep(moment, [gzip.compress(json.dumps(state).encode())])


def with_another_slot(state: Any) -> None:
    """Change one word of the contract's storage."""
    account = max(state["accounts"].values(), key=lambda account: len(account["code"]))
    slot = min(account["storage"])
    account["storage"][slot] = "0x" + "00" * 31 + "07"


def without_blocks(state: Any) -> None:
    state["blocks"], state["best_block_number"] = state["blocks"][:3], "0x2"


class TestRefusal:
    @pytest.mark.parametrize("damage", ["state-flipped", "state-missing", "manifest-empty"])
    def test_a_damaged_one_is_set_aside(
        self, folder: Path, damage: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        block = damaged(folder, damage)
        with caplog.at_level(logging.WARNING), chain_of(folder, SnapshotPolicy()) as chain:
            assert len(answers(chain)[1]) == blocks_of(folder)
        assert started_by(folder) is None
        assert f"snapshot of block {block} is set aside" in caplog.text
        assert shelf_of(folder).blocks() == []

    @pytest.mark.parametrize(
        ("change", "relay"),
        [
            (lambda _: None, AccountKey.from_bytes(secret("somebody else"))),
            (with_another_slot, RELAY),
            (without_blocks, RELAY),
            (lambda state: state.clear(), RELAY),
        ],
        ids=["another-key", "another-slot", "fewer-blocks", "nothing"],
    )
    def test_one_made_by_hand_is_set_aside(
        self, folder: Path, change: Callable[[Any], None], relay: AccountKey
    ) -> None:
        replaced_state(folder, change, relay)
        with chain_of(folder, SnapshotPolicy()) as chain:
            assert len(answers(chain)[1]) == blocks_of(folder)
        assert started_by(folder) is None
        assert shelf_of(folder).blocks() == []

    def test_one_written_again_unchanged_is_used(self, folder: Path) -> None:
        replaced_state(folder, lambda _: None)
        with chain_of(folder, SnapshotPolicy()):
            assert started_by(folder) is not None

    @pytest.mark.parametrize(
        ("row", "statement"),
        [
            ("ledger_events 2/0.body", "UPDATE ledger_events SET body='{}' WHERE block_number=2"),
            ("ledger_events 2/0", "DELETE FROM ledger_events WHERE block_number=2 AND log_index=0"),
            ("ledger_blocks 2.hash", "UPDATE ledger_blocks SET hash=zeroblob(32) WHERE number=2"),
            ("ledger_blocks 0.hash", "UPDATE ledger_blocks SET hash=zeroblob(32) WHERE number=0"),
            ("ledger_transactions nonce 1", "DELETE FROM ledger_transactions WHERE nonce=1"),
            ("ledger_transactions nonce 2", "UPDATE ledger_transactions SET raw=x'02' WHERE nonce=2"),
        ],
    )
    def test_an_altered_row_below_it_is_found(self, folder: Path, row: str, statement: str) -> None:
        engine = open_engine(folder / "ledger.sqlite")
        with engine.begin() as connection:
            assert connection.execute(text(statement)).rowcount >= 1
        with pytest.raises(ReplayMismatch) as refusal, chain_of(folder):
            pass
        assert refusal.value.row == row
        assert len(shelf_of(folder).blocks()) == 1
        engine.dispose()

    def test_one_of_a_longer_history_is_set_aside(self, folder: Path) -> None:
        """As when the database was restored from an older backup."""
        for path in (folder / "chain" / "snapshots").iterdir():
            path.rename(path.with_name(path.name.replace("0000", "0009", 1)))
        with chain_of(folder, SnapshotPolicy()):
            assert started_by(folder) is None
        assert shelf_of(folder).blocks() == []

    def test_an_older_one_helps_out(self, folder: Path) -> None:
        with chain_of(folder):
            pass
        newest, older = shelf_of(folder).blocks()
        flip(folder / "chain" / "snapshots" / f"{newest:012d}.state.gz")
        with chain_of(folder, SnapshotPolicy()):
            assert started_by(folder) == older
        assert shelf_of(folder).blocks() == [older]


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


class TestTaking:
    def test_is_done_beside_the_serving_chain(self, folder: Path) -> None:
        before = shelf_of(folder).blocks()
        with chain_of(folder, AT_ONCE) as chain:
            pid = chain.pid
            assert until(lambda: shelf_of(folder).blocks() != before)
            assert (chain.pid, chain.restarts) == (pid, 0)
        newest = shelf_of(folder).blocks()[0]
        with chain_of(folder, SnapshotPolicy()):
            assert started_by(folder) == newest

    def test_keeps_the_newest_two(self, folder: Path) -> None:
        for first in (9, 10, 11):
            with embedded_stage(folder) as stage:
                play(stage, first, first)
            with chain_of(folder):
                pass
        files = sorted(path.name for path in (folder / "chain" / "snapshots").iterdir())
        assert len(shelf_of(folder).blocks()) == 2
        assert len(files) == 4

    def test_is_not_done_where_nothing_came_since(self, folder: Path) -> None:
        with chain_of(folder):
            pass
        before = shelf_of(folder).blocks()
        with chain_of(folder):
            pass
        assert shelf_of(folder).blocks() == before

    def test_is_done_at_a_stop_only_where_it_gains_enough(self, folder: Path) -> None:
        before = shelf_of(folder).blocks()
        with chain_of(folder, SnapshotPolicy()):
            pass
        assert shelf_of(folder).blocks() == before


class TestShelf:
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_proves_nothing_that_was_touched(self, folder: Path, damage: str) -> None:
        (block,) = shelf_of(folder).blocks()
        assert shelf_of(folder).proved(block).block == block
        damaged(folder, damage)
        with pytest.raises(SnapshotUnfit):
            shelf_of(folder).proved(block)

    def test_lists_without_the_key_but_proves_nothing(self, folder: Path) -> None:
        public = Shelf(folder / "chain" / "snapshots")
        (block,) = public.blocks()
        assert isinstance(public.describe(block), Manifest)
        with pytest.raises(SnapshotUnfit, match="relay's key"):
            public.proved(block)

    def test_a_failing_disk_leaves_none(self, folder: Path) -> None:
        shelf = shelf_of(folder)
        (block,) = shelf.blocks()
        manifest = shelf.describe(block)
        moment = Moment(**{field.name: getattr(manifest, field.name) for field in fields(Moment)})

        def broken() -> Iterator[bytes]:
            yield b"some"
            raise OSError("no space left on device")

        with pytest.raises(OSError, match="no space"):
            Shelf(folder / "elsewhere", RELAY).keep(moment, broken())
        assert list((folder / "elsewhere").iterdir()) == []


# Stops a chain so that it takes a snapshot, and kills itself or the child that takes it at the n-th time a
# file of the snapshots is opened or renamed.
VICTIM = """
import json, os, signal, sys
from pathlib import Path
from ledger.embedded import EmbeddedChain
from tests.ledger.stage import ANVIL, RELAY, open_engine
from tests.ledger.test_snapshot import AT_STOP
folder, target, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
engine = open_engine(folder / "ledger.sqlite")
chain = EmbeddedChain(folder / "chain", engine, RELAY, ANVIL, snapshots=AT_STOP)
chain.start()
left = {"count": count}

def strike(event, arguments):
    if event in ("open", "os.rename") and "chain/snapshots" in str(arguments[0]):
        left["count"] -= 1
        if left["count"] == -1:
            child = json.loads((folder / "chain" / "scribe" / "anvil.json").read_text())["pid"]
            os.kill(os.getpid() if target == "process" else child, signal.SIGKILL)

sys.addaudithook(strike)
chain.stop()
print("survived")
"""


def run_victim(folder: Path, target: str, count: int) -> int:
    command = [sys.executable, "-c", VICTIM, str(folder), target, str(count)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (-signal.SIGKILL, 0), done.stderr
    return done.returncode


def require_right(folder: Path) -> None:
    """Start after a kill: by a snapshot or without, the chain is right and goes on."""
    with embedded_stage(folder) as stage:
        play(stage, 9, 9)
        assert stage.used(stage.cast.licence(prints=40)) == 9
    with chain_of(folder) as chain:
        assert len(answers(chain)[1]) == blocks_of(folder)
    drafts = [path for path in (folder / "chain" / "snapshots").iterdir() if path.suffix == ".new"]
    assert drafts == []


class TestKill:
    @pytest.mark.parametrize("count", [2, 4, 5, 6, 7])
    def test_of_the_process_leaves_a_snapshot_or_none(self, folder: Path, count: int) -> None:
        before = shelf_of(folder).blocks()
        assert run_victim(folder, "process", count) == -signal.SIGKILL
        for block in shelf_of(folder).blocks():
            shelf_of(folder).proved(block)
        assert shelf_of(folder).blocks()[-1:] == before
        require_right(folder)

    @pytest.mark.parametrize("count", [1, 4, 5])
    def test_of_the_child_that_takes_it_ends_nothing_else(self, folder: Path, count: int) -> None:
        assert run_victim(folder, "child", count) == 0
        for block in shelf_of(folder).blocks():
            shelf_of(folder).proved(block)
        require_right(folder)

    @pytest.mark.slow
    def test_at_any_moment(self, folder: Path) -> None:
        chance = random.Random(7)
        command = [sys.executable, "-c", VICTIM, str(folder), "process", "1000000"]
        root = Path(__file__).parents[2]
        for _ in range(25):
            with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL) as victim:
                time.sleep(chance.uniform(0.3, 2.5))
                victim.kill()
            for block in shelf_of(folder).blocks():
                shelf_of(folder).proved(block)
        require_right(folder)


class TestEngine:
    def test_reads_only(self, folder: Path) -> None:
        """A start that finds its snapshot writes nothing into the database."""
        engine: Engine = open_engine(folder / "ledger.sqlite")

        def dump() -> list[str]:
            with engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                return list(raw.iterdump())

        before = dump()
        with chain_of(folder):
            assert started_by(folder) is not None
        assert dump() == before
        engine.dispose()
