"""Every write of an upload fails twice; afterwards the vault is clean, and the retry succeeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from app.designs.inspection import inspect_next
from tests.app.fsck.checking import checked, named
from tests.app.parties import Party, new_party
from tests.app.service import HandClock, Service, running_service
from tests.faults.faulty_parts import HOW, NOT_STORED, REPORTED_FAILED, Faults, make_faulty

UPLOAD = ["database", "put", "database"]
"""Version, object, row."""

INSPECTION = ["database", "put", "database", "database"]
"""Lease, thumbnail, verdict, resemblance."""


@dataclass
class Bench:
    """A service whose inspections only the test runs, and whose writes fail on demand."""

    service: Service
    owner: Party
    faults: Faults

    def state(self, revision: dict[str, Any]) -> str:
        return str(self.owner.expect(200, "GET", f"/v1/revisions/{revision['id']}")["state"])

    def inspect(self) -> bool:
        """One step of the worker; a failure of its database ends it, as in the worker's loop."""
        self.service.clock.forward(self.service.services.settings.inspect_lease_s + 1)
        try:
            return inspect_next(self.service.services, "worker")
        except OperationalError:
            return True

    def require_clean(self) -> None:
        self.faults.arm({})
        report = checked(self.service, grace_s=0, decrypt=True)
        assert report.findings == ()

    def finish(self, revision: dict[str, Any]) -> None:
        """Do again whatever did not come through."""
        self.faults.arm({})
        if self.state(revision) == "draft":
            assert self.owner.upload(revision).status_code == 202
        while self.inspect():
            pass
        assert self.state(revision) == "ready"
        self.require_clean()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("faults")
    with running_service(folder, HandClock(), worker=False) as service:
        yield Bench(service, new_party(service, "owner"), make_faulty(service))


class TestUpload:
    def test_writes_what_the_table_says(self, bench: Bench) -> None:
        revision = bench.owner.draft()
        bench.faults.arm({})
        assert bench.owner.upload(revision).status_code == 202
        assert bench.faults.writes == UPLOAD
        bench.faults.arm({})
        assert bench.inspect()
        assert bench.faults.writes == INSPECTION
        bench.finish(revision)

    @pytest.mark.parametrize("how", HOW)
    @pytest.mark.parametrize("turn", range(len(UPLOAD)))
    def test_survives_a_failing_write(self, bench: Bench, turn: int, how: str) -> None:
        revision = bench.owner.draft()
        bench.faults.arm({turn: how})
        answer = bench.owner.upload(revision)
        assert turn < len(bench.faults.writes)
        bench.require_clean()
        noted = turn == UPLOAD.index("put") + 1 and how == REPORTED_FAILED
        assert (answer.status_code, bench.state(revision)) == (
            (202, "inspecting") if noted else (503, "draft")
        )
        bench.finish(revision)

    def test_leaves_it_to_the_sweeper_when_nobody_knows(self, bench: Bench) -> None:
        """The commit is lost, and so is the question whether it was stored: it was, and nothing is lost."""
        revision = bench.owner.draft()
        bench.faults.arm({2: REPORTED_FAILED, 3: NOT_STORED})
        assert bench.owner.upload(revision).status_code == 503
        assert bench.faults.writes == [*UPLOAD, "database"]
        assert bench.state(revision) == "inspecting"
        bench.finish(revision)

    def test_leaves_an_orphan_only_when_nobody_knows(self, bench: Bench) -> None:
        revision = bench.owner.draft()
        bench.faults.arm({2: NOT_STORED, 3: NOT_STORED})
        assert bench.owner.upload(revision).status_code == 503
        bench.faults.arm({})
        assert {problem for problem, _, _ in named(checked(bench.service, grace_s=0))} == {
            "object without a row"
        }
        assert checked(bench.service, grace_s=0, repair=True).ok
        bench.finish(revision)

    @pytest.mark.parametrize("how", HOW)
    def test_keeps_its_refusal_when_the_object_cannot_be_removed(self, bench: Bench, how: str) -> None:
        revision = bench.owner.draft()
        bench.faults.arm({3: how})
        refused = bench.owner.upload(revision, b"")
        assert refused.status_code == 422
        assert bench.faults.writes == ["database", "put", "database", "delete"]
        bench.faults.arm({})
        assert len(checked(bench.service, grace_s=0).findings) == (1 if how == NOT_STORED else 0)
        assert checked(bench.service, grace_s=0, repair=True).ok
        bench.finish(revision)


class TestInspection:
    @pytest.mark.parametrize("how", HOW)
    @pytest.mark.parametrize("turn", range(len(INSPECTION)))
    def test_survives_a_failing_write(self, bench: Bench, turn: int, how: str) -> None:
        revision = bench.owner.draft()
        assert bench.owner.upload(revision).status_code == 202
        bench.faults.arm({turn: how})
        assert bench.inspect()
        assert turn < len(bench.faults.writes)
        bench.require_clean()
        decided = turn in (1, 3) or (turn == 2 and how == REPORTED_FAILED)
        assert bench.state(revision) == ("ready" if decided else "inspecting")
        bench.finish(revision)
        picture = bench.owner.call("GET", f"/v1/revisions/{revision['id']}/thumbnail")
        assert picture.status_code == (404 if INSPECTION[turn] == "put" else 200)
