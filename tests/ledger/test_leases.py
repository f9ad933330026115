"""Leases: one leader, who loses what it would write when it slept too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.leases import Lease, LeaseLost
from tests.ledger.stage import open_engine


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestLease:
    def test_has_one_holder_until_it_is_over(self, tmp_path: Path) -> None:
        engine, clock = open_engine(tmp_path / "x.sqlite"), Clock()
        one, other = (Lease(engine, "relay", name, clock, ttl_s=10) for name in ("one", "other"))
        assert one.lead()
        assert not other.lead()
        clock.now += 9
        assert one.lead()
        clock.now += 9
        assert not other.lead()
        clock.now += 2
        assert other.lead()
        with pytest.raises(LeaseLost), engine.begin() as connection:
            one.keep(connection)
        other.release()
        assert one.lead()
        engine.dispose()

    def test_names_are_independent(self, tmp_path: Path) -> None:
        engine, clock = open_engine(tmp_path / "x.sqlite"), Clock()
        assert Lease(engine, "relay", "one", clock).lead()
        assert Lease(engine, "sync", "other", clock).lead()
        engine.dispose()

    def test_who_is_alone_takes_it_over(self, tmp_path: Path) -> None:
        engine, clock = open_engine(tmp_path / "x.sqlite"), Clock()
        assert Lease(engine, "relay", "killed", clock).lead()
        assert Lease(engine, "relay", "next", clock, alone=True).lead()
        engine.dispose()
