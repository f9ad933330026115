"""Every write of an owner's upload fails twice; afterwards the vault is clean, and the retry succeeds."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from storage.secret import DataKey
from tests.app.designs.held import Held, held_draft, keeper
from tests.app.fsck.checking import checked
from tests.app.service import HandClock, Service, running_service
from tests.faults.faulty_parts import HOW, NOT_STORED, REPORTED_FAILED, make_faulty

FIRST = ["database", "put", "database"]
"""Version, object, row."""
NEXT = [*FIRST, "delete"]
"""And the object that gives way."""


class Bench:
    """A service whose writes fail on demand, and an owner of designs whose keys it holds."""

    def __init__(self, service: Service) -> None:
        self.service, self.owner, self.faults = service, keeper(service), make_faulty(service)

    def draft(self) -> Held:
        held = held_draft(self.owner)
        self.faults.arm({})
        return held

    def put(self, held: Held, faults: dict[int, str]) -> httpx2.Response:
        """Upload under a key of its own, as every upload has."""
        held.key, version = DataKey.generate(), held.context.version
        self.faults.arm(faults)
        return held.put(version=version)

    def require_clean(self, *, findings: int = 0) -> None:
        self.faults.arm({})
        assert len(checked(self.service, grace_s=0).findings) == findings
        assert checked(self.service, grace_s=0, repair=findings > 0).ok

    def finish(self, held: Held) -> None:
        self.faults.arm({})
        if held.seen()["state"] == "draft":
            assert self.put(held, {}).status_code == 200
            assert held.declare().status_code == 200
        assert held.seen()["state"] == "ready"
        self.require_clean()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running_service(tmp_path_factory.mktemp("faults"), HandClock(), worker=False) as service:
        yield Bench(service)


class TestUpload:
    def test_writes_what_the_table_says(self, bench: Bench) -> None:
        held = bench.draft()
        for expected in (FIRST, NEXT):
            assert bench.put(held, {}).status_code == 200
            assert bench.faults.writes == expected
        bench.finish(held)

    @pytest.mark.parametrize("how", HOW)
    @pytest.mark.parametrize("turn", range(len(FIRST)))
    def test_survives_a_failing_write(self, bench: Bench, turn: int, how: str) -> None:
        held = bench.draft()
        answer = bench.put(held, {turn: how})
        bench.require_clean()
        noted = turn == 2 and how == REPORTED_FAILED
        assert (answer.status_code, held.seen()["ciphertext"] is not None) == (200 if noted else 503, noted)
        bench.finish(held)

    @pytest.mark.parametrize("how", HOW)
    @pytest.mark.parametrize("turn", range(len(NEXT)))
    def test_loses_nothing_that_was_stored_before(self, bench: Bench, turn: int, how: str) -> None:
        held = bench.draft()
        before = bench.put(held, {}).json()["ciphertext"]
        answer = bench.put(held, {turn: how})
        replaced = turn == 3 or (turn == 2 and how == REPORTED_FAILED)
        assert answer.status_code == (200 if replaced else 503)
        assert (held.seen()["ciphertext"] != before) == replaced
        left_over = turn == 3 and how == NOT_STORED
        bench.require_clean(findings=int(left_over))
        bench.finish(held)


class TestDeclare:
    @pytest.mark.parametrize("how", HOW)
    def test_survives_a_failing_write(self, bench: Bench, how: str) -> None:
        held = bench.draft()
        bench.put(held, {})
        body = held.declaration()
        bench.faults.arm({0: how})
        assert held.declare(body).status_code == 503
        assert bench.faults.writes == ["database"]
        bench.faults.arm({})
        assert held.seen()["state"] == ("draft" if how == NOT_STORED else "ready")
        assert held.declare(body).json() == held.seen()
        bench.finish(held)
