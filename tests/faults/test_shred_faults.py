"""Every write of a shredding fails twice; afterwards the vault is clean, and retry or worker complete it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from app.designs.inspection import inspect_next
from app.sweeping import Sweeper
from tests.app.fsck.checking import checked
from tests.app.parties import Party, new_party
from tests.app.service import HandClock, Service, running_service
from tests.app.shredding.shredded import ask, confirm, operator, requested
from tests.faults.faulty_parts import HOW, NOT_STORED, REPORTED_FAILED, Faults, make_faulty

CONFIRM = ["database", "delete", "delete", "database"]
"""Keys and record; file and thumbnail; the end."""


@dataclass
class Bench:
    """A service without a worker, whose writes fail on demand."""

    service: Service
    owner: Party
    faults: Faults

    def ready(self) -> dict[str, Any]:
        self.faults.arm({})
        revision = self.owner.draft()
        assert self.owner.upload(revision).status_code == 202
        assert inspect_next(self.service.services, "worker")
        return revision

    def keys(self, revision: dict[str, Any]) -> int:
        count = "select count(*) from wrapped_keys where object_id = ?"
        return int(self.service.column(count, revision["id"]))

    def state(self, shredding: dict[str, Any]) -> str:
        return str(self.owner.expect(200, "GET", f"/v1/shreddings/{shredding['id']}")["state"])

    def require_clean(self) -> None:
        assert checked(self.service, grace_s=0).findings == ()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("faults")
    with running_service(folder, HandClock(), worker=False) as service:
        yield Bench(service, new_party(service, "owner"), make_faulty(service))


class TestRequest:
    @pytest.mark.parametrize("how", HOW)
    def test_is_made_once(self, bench: Bench, how: str) -> None:
        revision = bench.ready()
        bench.faults.arm({0: how})
        design = revision["design_id"]
        assert ask(bench.owner, design, key=design).status_code == 503
        bench.faults.arm({})
        again = ask(bench.owner, design, key=design)
        assert (again.status_code, again.json()["state"]) == (201, "requested")
        assert bench.keys(revision) == 2
        bench.owner.expect(200, "POST", f"/v1/shreddings/{again.json()['id']}/withdraw")


class TestConfirm:
    def test_writes_what_the_table_says(self, bench: Bench) -> None:
        asked = requested(bench.owner, bench.ready()["design_id"])
        bench.faults.arm({})
        assert confirm(operator(bench.owner), asked).status_code == 200
        assert bench.faults.writes == CONFIRM

    @pytest.mark.parametrize("who", ["retry", "worker"])
    @pytest.mark.parametrize("how", HOW)
    @pytest.mark.parametrize("turn", range(len(CONFIRM)))
    def test_survives_a_failing_write(self, bench: Bench, turn: int, how: str, who: str) -> None:
        revision = bench.ready()
        asked = requested(bench.owner, revision["design_id"])
        bench.faults.arm({turn: how})
        answer = confirm(operator(bench.owner), asked)
        assert turn < len(bench.faults.writes)
        bench.faults.arm({})
        bench.require_clean()
        state = bench.state(asked)
        # what was acknowledged opens nothing any more; what was not is whole or gone, never between
        assert answer.status_code == (503 if turn == 0 else 200 if state == "shredded" else 202)
        assert bench.keys(revision) == (2 if state == "requested" else 0)
        assert (state == "requested") == (turn == 0 and how == NOT_STORED)
        if who == "retry" or state == "requested":
            assert confirm(operator(bench.owner), asked).status_code == 200
        Sweeper(bench.service.services).sweep()
        assert bench.state(asked) == "shredded"
        bench.require_clean()

    def test_is_tried_again_by_the_worker_until_it_is_done(self, bench: Bench) -> None:
        asked = requested(bench.owner, bench.ready()["design_id"])
        bench.faults.arm({1: NOT_STORED})
        assert confirm(operator(bench.owner), asked).status_code == 202
        for state in ("confirmed", "shredded"):
            bench.faults.arm({0: NOT_STORED} if state == "confirmed" else {})
            Sweeper(bench.service.services).sweep()
            assert "delete" in bench.faults.writes
            bench.faults.arm({})
            assert bench.state(asked) == state
            bench.require_clean()

    def test_finishes_again_what_was_finished(self, bench: Bench) -> None:
        asked = requested(bench.owner, bench.ready()["design_id"])
        bench.faults.arm({3: REPORTED_FAILED})
        assert confirm(operator(bench.owner), asked).json()["state"] == "shredded"
        bench.faults.arm({})
        assert confirm(operator(bench.owner), asked).status_code == 200
        assert bench.faults.writes == ["database"]


class TestWithdraw:
    @pytest.mark.parametrize("how", HOW)
    def test_survives_a_failing_write(self, bench: Bench, how: str) -> None:
        asked = requested(bench.owner, bench.ready()["design_id"])
        bench.faults.arm({0: how})
        path = f"/v1/shreddings/{asked['id']}/withdraw"
        assert bench.owner.call("POST", path).status_code == 503
        bench.faults.arm({})
        assert bench.owner.expect(200, "POST", path)["state"] == "withdrawn"
        assert confirm(operator(bench.owner), asked).status_code == 409
        bench.require_clean()
