"""The exported chain: the identical blocks again from the file and an anvil alone; no line can change."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ledger.anvil import AnvilOptions, native_binary
from ledger.berth import Berth
from ledger.chain import Header
from ledger.errors import LedgerError
from ledger.export import ExportFault, export_lines, indexed_blocks, read_head, rebuild, sender_of
from ledger.identity import load
from ledger.replay import ReplayMismatch
from ledger.transaction import Offer, sign_transaction
from ledger.web3_chain import Web3Chain
from tests.ledger.stage import ANVIL, RELAY, embedded_stage, open_engine


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Header, Path]:
    """A ledger at rest, its newest block, and its export."""
    folder = tmp_path_factory.mktemp("exported")
    with embedded_stage(folder) as stage:
        licence = stage.open_licence(prints=3)
        for sequence in (1, 2, 3):
            stage.settle(stage.cast.record(licence, sequence))
        head = Web3Chain.http(str(stage.runtime.rpc_url)).head()
    return folder, head, exported(folder, folder / "export.jsonl")


def exported(folder: Path, path: Path) -> Path:
    engine = open_engine(folder / "ledger.sqlite")
    try:
        with engine.connect() as connection:
            identity = load(connection)
        assert identity is not None
        path.write_bytes(b"".join(export_lines(engine, identity, indexed_blocks(engine))))
    finally:
        engine.dispose()
    return path


@contextmanager
def berth_of(path: Path, folder: Path) -> Iterator[Berth]:
    head = read_head(path)
    berth = Berth(native_binary(ANVIL), folder / "node", AnvilOptions(head.chain_id, head.genesis_time))
    try:
        yield berth
    finally:
        berth.retire()


def rebuilt(path: Path, folder: Path) -> Header:
    with berth_of(path, folder) as berth:
        running = berth.spawn()
        return rebuild(Web3Chain.local(lambda: running.socket_path), path, read_head(path))


def rewritten(path: Path, target: Path, change: Callable[[list[dict[str, Any]]], object]) -> Path:
    """Write a file again with changed lines and a digest that fits them."""
    lines = [json.loads(line) for line in path.read_text().splitlines()][:-1]
    change(lines)
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    target.write_bytes(body + json.dumps({"sha256": hashlib.sha256(body).hexdigest()}).encode() + b"\n")
    return target


CHANGES: dict[str, tuple[str, Callable[[list[dict[str, Any]]], object]]] = {
    "time": ("line 4", lambda lines: lines[3].update(time=lines[3]["time"] + 1)),
    "hash": ("line 4", lambda lines: lines[3].update(hash="0x" + "00" * 32)),
    "transaction": ("line 4", lambda lines: lines[3].update(transaction="0x02")),
    "order": ("line 4", lambda lines: lines.insert(3, lines.pop(4))),
    "missing": ("line 4", lambda lines: lines.pop(3)),
    "no-block": ("line 4", lambda lines: lines[3].pop("time")),
    "code": ("line 1", lambda lines: lines[0].update(code_hash="0x" + "00" * 32)),
    "contract": ("line 1", lambda lines: lines[0].update(contract="0x" + "00" * 20)),
    "genesis": ("line 2", lambda lines: lines[0].update(genesis_time=lines[0]["genesis_time"] - 1)),
    "balance": ("line 2", lambda lines: lines[0].update(relay_balance_wei=str(10**29))),
    "format": ("line 1", lambda lines: lines[0].update(format="another")),
    "member": ("line 1", lambda lines: lines[0].update(more=1)),
}


class TestRebuild:
    def test_makes_the_identical_chain(self, played: tuple[Path, Header, Path], tmp_path: Path) -> None:
        _, head, path = played
        assert rebuilt(path, tmp_path) == head

    @pytest.mark.parametrize("name", CHANGES)
    def test_names_a_changed_line(self, played: tuple[Path, Header, Path], tmp_path: Path, name: str) -> None:
        row, change = CHANGES[name]
        path = rewritten(played[2], tmp_path / "changed.jsonl", change)
        with pytest.raises(ExportFault) as fault:
            rebuilt(path, tmp_path)
        assert fault.value.row == row

    @pytest.mark.parametrize("kept", [-1, -30])
    def test_finds_a_file_cut_short(
        self, played: tuple[Path, Header, Path], tmp_path: Path, kept: int
    ) -> None:
        whole = played[2].read_bytes()
        (tmp_path / "cut.jsonl").write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1 if kept == -1 else kept])
        with pytest.raises(ExportFault, match="cut short"):
            rebuilt(tmp_path / "cut.jsonl", tmp_path)

    def test_finds_a_changed_digest(self, played: tuple[Path, Header, Path], tmp_path: Path) -> None:
        lines = played[2].read_bytes().splitlines(keepends=True)
        (tmp_path / "x.jsonl").write_bytes(b"".join(lines[:-1]) + b'{"sha256":"00"}\n')
        with pytest.raises(ExportFault, match="not that of the lines"):
            rebuilt(tmp_path / "x.jsonl", tmp_path)


class TestExport:
    def test_names_a_missing_transaction(self, played: tuple[Path, Header, Path], tmp_path: Path) -> None:
        shutil.copy(played[0] / "ledger.sqlite", tmp_path)
        engine = open_engine(tmp_path / "ledger.sqlite")
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM ledger_transactions WHERE nonce = 2"))
        engine.dispose()
        with pytest.raises(ReplayMismatch) as fault:
            exported(tmp_path, tmp_path / "export.jsonl")
        assert fault.value.row == "ledger_transactions nonce 2"

    def test_gives_every_block_its_hash_and_parent(self, played: tuple[Path, Header, Path]) -> None:
        lines = [json.loads(line) for line in played[2].read_text().splitlines()][1:-1]
        assert [line["block"] for line in lines] == list(range(1, len(lines) + 1))
        assert all(after["parent"] == before["hash"] for before, after in pairwise(lines))
        assert lines[-1]["hash"] == "0x" + played[1].hash.hex()


class TestSenderOf:
    def test_is_who_signed(self) -> None:
        offer = Offer(gas=1, max_fee=2, tip=1)
        signed = sign_transaction(RELAY, chain_id=1, nonce=0, to=None, data=b"\x01", offer=offer)
        assert sender_of(signed.raw) == RELAY.address

    @pytest.mark.parametrize("raw", [b"", b"\x02", b"\x02\xc0", b"\x02\xc3\x01\x02\x03"])
    def test_refuses_what_is_no_transaction(self, raw: bytes) -> None:
        with pytest.raises(LedgerError):
            sender_of(raw)
