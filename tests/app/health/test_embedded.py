"""What the operator sees of the embedded chain: a real service with its chain and a snapshot."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from ledger.snapshot import Moment, Shelf
from tests.app.service import Service
from tests.ledger.stage import RELAY


def _metrics(service: Service) -> dict[str, float]:
    answer = service.call("GET", "/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {each.name: each.value for family in families for each in family.samples if not each.labels}


@contextmanager
def _slow_start(service: Service) -> Iterator[None]:
    """Have the last start written down as one that took too long."""
    noted = service.data_dir / "chain" / "last_start.json"
    before = noted.read_text()
    noted.write_text(json.dumps({**json.loads(before), "seconds": 99}))
    try:
        yield
    finally:
        noted.write_text(before)


class TestMetrics:
    def test_tells_what_the_chain_carries(self, service: Service) -> None:
        told = _metrics(service)
        assert told["partvault_ledger_ok"] == 1
        assert told["partvault_ledger_embedded_events"] >= 0
        assert told["partvault_ledger_embedded_memory_bytes"] > 1 << 20
        assert told["partvault_ledger_embedded_start_seconds"] > 0
        assert told["partvault_ledger_embedded_move_on"] == 0
        assert told["partvault_ledger_lag_blocks"] >= 0

    def test_tells_the_age_of_the_newest_snapshot(self, service: Service) -> None:
        assert "partvault_ledger_embedded_snapshot_age_seconds" not in _metrics(service)
        shelf = Shelf(service.data_dir / "chain" / "snapshots", RELAY)
        now = int(time.time())  # the machine's: snapshots are not the service's business
        moment = Moment(1, 0, "", "", 1, "", "", now - 500)
        shelf.keep(moment, [b"state"])
        shelf.keep(replace(moment, block=2, taken_at=now - 300), [b"state"])
        try:
            told = _metrics(service)
        finally:
            shelf.set_aside(1)
            shelf.set_aside(2)
        assert told["partvault_ledger_embedded_snapshot_block"] == 2
        assert 300 <= told["partvault_ledger_embedded_snapshot_age_seconds"] < 500

    def test_says_when_it_is_time_to_move_on(self, service: Service) -> None:
        with _slow_start(service):
            assert _metrics(service)["partvault_ledger_embedded_move_on"] == 1


class TestReadyz:
    def test_warns_when_it_is_time_to_move_on(self, service: Service) -> None:
        assert service.call("GET", "/readyz").json()["warnings"] == []
        with _slow_start(service):
            answer = service.call("GET", "/readyz")
        assert answer.status_code == 200
        (warning,) = answer.json()["warnings"]
        assert "it is time to move from the embedded chain to a real network" in warning
