"""Disks that tests watch, slow down or break: their own, while other services of the process keep theirs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.log_sync import sync_data


def have_synced(monkeypatch: pytest.MonkeyPatch, folder: Path, sync: Callable[[int], None]) -> None:
    """Have the logs in a folder synced by `sync`, until the test is over."""

    def chosen(descriptor: int) -> None:
        place = os.fstat(descriptor).st_ino
        ours = any(log.stat().st_ino == place for log in folder.glob("*-wal"))
        (sync if ours else sync_data)(descriptor)

    monkeypatch.setattr("ledger.log_sync.sync_data", chosen)


def syncs_noted(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """Note each sync of a log in a folder, by its name."""
    noted: list[str] = []

    def note(descriptor: int) -> None:
        noted.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        sync_data(descriptor)

    have_synced(monkeypatch, folder, note)
    return noted
