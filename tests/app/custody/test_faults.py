"""Every write of a rotation and of a destruction fails twice: once not done, once done but reported failed.

Whatever two writes of two runs fail, everything opens at any time, and the third run ends with exactly one
new version, or with the old one destroyed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.custody import census, destruction
from app.custody.stages import Stage
from app.models import KeyDestruction
from tests.app.custody.failing import Fault, WriteError, failing
from tests.app.custody.holding import Holding, copied, holding

ROTATION = ["intent", "key made", "version noted", "batch 1", "batch 2", "end"]
DESTRUCTION = ["look", "intent", "key destroyed", "end"]
ORDERS = pytest.mark.parametrize(
    "done_first",
    [pytest.param(False, id="undone-done"), pytest.param(True, id="done-undone", marks=pytest.mark.slow)],
)
WRAPS = census.BATCH_ROWS + 8


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holding]:
    """Two batches of wraps; a test works on a copy."""
    with holding(tmp_path_factory.mktemp("full") / "data", WRAPS) as made:
        yield made


@pytest.fixture
def copy(full: Holding, tmp_path: Path) -> Iterator[Holding]:
    with copied(full, tmp_path / "data") as made:
        yield made


def fail(held: Holding, fault: Fault, run: str) -> None:
    try:
        _run(failing(held, fault), run)
    except WriteError:
        assert held.unopened() == []
    else:
        assert fault.writes <= fault.at, "the fault was passed over"


def _run(held: Holding, run: str) -> None:
    if run == "rotate":
        held.rotate("1")
    else:
        destruction.destroy(held.database, held.keys, held.clock, "1")


class TestWrites:
    @pytest.mark.parametrize(("run", "names"), [("rotate", ROTATION), ("destroy", DESTRUCTION)])
    def test_are_the_ones_that_fail_below(self, copy: Holding, run: str, names: list[str]) -> None:
        if run == "destroy":
            copy.rotate()
        counting = Fault(at=-1, done=False)
        _run(failing(copy, counting), run)
        assert counting.writes == len(names)


def pairs(names: list[str]) -> list[tuple[int, int]]:
    return list(itertools.product(range(len(names)), repeat=2))


class TestRotation:
    @pytest.mark.parametrize(("first", "second"), pairs(ROTATION))
    @ORDERS
    def test_completes_with_one_version(
        self, copy: Holding, first: int, second: int, done_first: bool
    ) -> None:
        fail(copy, Fault(first, done_first), "rotate")
        fail(copy, Fault(second, not done_first), "rotate")
        outcome = copy.rotate("1")
        assert outcome.complete
        assert copy.keys.versions() == ["1", "2"]
        assert [(row.state, row.to_version) for row in copy.rotations()] == [(Stage.DONE, "2")]
        assert copy.under() == {"2": WRAPS}
        assert copy.unopened() == []
        assert copy.rotations()[0].rewrapped == WRAPS


class TestDestruction:
    @pytest.mark.parametrize(("first", "second"), pairs(DESTRUCTION))
    @ORDERS
    def test_completes_and_is_on_record(
        self, copy: Holding, first: int, second: int, done_first: bool
    ) -> None:
        copy.rotate()
        fail(copy, Fault(first, done_first), "destroy")
        fail(copy, Fault(second, not done_first), "destroy")
        row = destruction.destroy(copy.database, copy.keys, copy.clock, "1")
        assert row.destroyed_at is not None
        assert copy.keys.versions() == ["2"]
        assert copy.unopened() == []
        with copy.database.read() as session:
            kept = session.get_one(KeyDestruction, (row.keyring, "1"))
        assert (kept.verified, kept.destroyed_at) == (WRAPS, row.destroyed_at)
