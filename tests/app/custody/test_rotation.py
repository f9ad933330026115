"""Rotation: one new version, everything under it, and whatever a stopped run left is taken up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.custody import census, rotation
from app.custody.stages import Stage
from app.errors import Conflict
from storage.errors import KeyUnavailable
from storage.keys import open_keys
from tests.app.custody.holding import Holding, context


class TestRotate:
    def test_brings_every_wrap_under_one_new_version(self, held: Holding) -> None:
        outcome = held.rotate()
        assert outcome.complete
        assert (outcome.rotation.from_version, outcome.rotation.to_version) == ("1", "2")
        assert outcome.rotation.rewrapped == 12
        assert held.keys.versions() == ["1", "2"]
        assert held.under() == {"2": 12}
        assert held.unopened() == []

    def test_takes_several_batches(self, held: Holding) -> None:
        held.fill(2 * census.BATCH_ROWS + 5)
        begun = rotation.begin(held.database, held.keys, held.clock)
        total = rotation.behind(held.database, held.keys, begun)
        seen: list[int] = []
        rotation.complete(held.database, held.keys, held.clock, begun, seen.append)
        assert held.under() == {"2": total}
        assert sum(seen) == total == 2 * census.BATCH_ROWS + 17
        assert max(seen) == census.BATCH_ROWS
        assert held.unopened() == []

    def test_of_an_empty_inventory_makes_the_version(self, held: Holding) -> None:
        held.tamper("delete from wrapped_keys")
        assert held.rotate().complete
        assert held.keys.current_version() == "2"

    def test_takes_wraps_of_every_older_version(self, held: Holding) -> None:
        held.keys.rotate()
        held.fill(3)
        assert held.under() == {"1": 12, "2": 3}
        assert held.rotate().complete
        assert held.under() == {"3": 15}
        assert held.unopened() == []

    def test_again_is_another_rotation(self, held: Holding) -> None:
        assert held.rotate().rotation.id != held.rotate().rotation.id
        assert held.under() == {"3": 12}

    def test_from_a_version_is_harmless_when_repeated(self, held: Holding) -> None:
        first, again = held.rotate("1"), held.rotate("1")
        assert again.rotation == first.rotation
        assert held.keys.versions() == ["1", "2"]

    def test_from_a_version_that_was_never_current_is_refused(self, held: Holding) -> None:
        with pytest.raises(Conflict, match="version 7 is not current, 1 is"):
            held.rotate("7")
        assert (held.keys.versions(), held.rotations()) == (["1"], [])

    def test_from_another_version_does_not_take_up_a_stopped_one(self, held: Holding) -> None:
        rotation.begin(held.database, held.keys, held.clock)
        with pytest.raises(Conflict, match=r"from version 1 is not finished.*--from 1"):
            held.rotate("2")
        assert held.keys.versions() == ["1", "2"]

    def test_of_another_keyrings_wraps_is_refused(self, held: Holding) -> None:
        other = open_keys(f"{held.keys.uri}.other")
        with pytest.raises(Conflict, match="correct PARTVAULT_KEYS"):
            rotation.begin(held.database, other, held.clock)
        assert (other.versions(), held.rotations()) == (["1"], [])

    def test_that_is_stopped_is_not_taken_up_by_another_keyring(self, held: Holding) -> None:
        rotation.begin(held.database, held.keys, held.clock)
        other = open_keys(f"{held.keys.uri}.other")
        with pytest.raises(Conflict, match="correct PARTVAULT_KEYS"):
            rotation.begin(held.database, other, held.clock)
        assert other.versions() == ["1"]


class TestStopped:
    """What a stopped run can have left; real kills are in tests/faults."""

    def test_before_the_version_was_made_makes_it(self, held: Holding) -> None:
        begun = rotation.begin(held.database, held.keys, held.clock)
        held.tamper("update key_rotations set state = 'preparing', to_version = null, from_version = '2'")
        outcome = held.rotate()
        assert (outcome.rotation.id, outcome.rotation.to_version) == (begun.id, "3")

    def test_after_the_version_was_made_makes_no_other(self, held: Holding) -> None:
        begun = rotation.begin(held.database, held.keys, held.clock)
        held.tamper("update key_rotations set state = 'preparing', to_version = null")
        outcome = held.rotate()
        assert (outcome.rotation.id, outcome.rotation.to_version) == (begun.id, "2")
        assert held.keys.versions() == ["1", "2"]
        assert held.under() == {"2": 12}

    def test_half_way_does_the_rest(self, held: Holding) -> None:
        begun = rotation.begin(held.database, held.keys, held.clock)
        held.rotate()
        held.fill(5)
        held.tamper("update key_rotations set state = 'rewrapping', finished_at = null")
        outcome = held.rotate()
        assert outcome.complete
        assert outcome.rotation.id == begun.id
        assert held.under() == {"2": 17}

    def test_two_runs_at_a_time_make_one_version(self, held: Holding) -> None:
        first = rotation.begin(held.database, held.keys, held.clock)
        second = rotation.begin(held.database, held.keys, held.clock)
        assert first.id == second.id
        assert held.keys.versions() == ["1", "2"]
        for begun in (first, second):
            assert rotation.complete(held.database, held.keys, held.clock, begun).complete
        assert [each.state for each in held.rotations()] == [Stage.DONE]
        assert held.rotations()[0].rewrapped == 12


class TestUnopened:
    @pytest.mark.parametrize(
        ("change", "kind"),
        [
            ({"blob": bytes(60)}, "wrong_context"),
            ({"blob": b"short"}, "wrong_context"),
            ({"key_version": "7"}, "key_unavailable"),
            ({"keyring": "another"}, "key_unavailable"),
            ({"tenant": "org 1"}, "invalid_name"),
        ],
    )
    def test_stops_no_other_and_is_named(self, held: Holding, change: dict[str, Any], kind: str) -> None:
        held.alter(4, **change)
        outcome = held.rotate()
        assert not outcome.complete
        (failed,) = outcome.failed
        assert failed.kind == kind
        assert context(4).object_id in failed.row
        assert (outcome.rotation.state, outcome.rotation.unopened) == (Stage.REWRAPPING, 1)
        assert held.rows("select count(*) from wrapped_keys where key_version = '2'") == [(11,)]

    def test_leaves_the_rotation_to_be_finished(self, held: Holding) -> None:
        each = context(4)
        ((blob,),) = held.rows("select blob from wrapped_keys where object_id = :id", id=each.object_id)
        name = held.alter(4, blob=bytes(60))
        assert [failed.row for failed in held.rotate().failed] == [name]
        assert [failed.row for failed in held.rotate().failed] == [name]
        held.alter(4, blob=bytes(blob))
        outcome = held.rotate()
        assert outcome.complete
        assert (outcome.rotation.unopened, outcome.failed) == (0, ())
        assert held.keys.versions() == ["1", "2"]
        assert held.unopened() == []

    def test_is_told_from_a_back_end_that_is_gone(self, held: Holding) -> None:
        begun = rotation.begin(held.database, held.keys, held.clock)
        path = Path(held.keys.uri.removeprefix("file:"))
        hidden = path.rename(path.with_suffix(".hidden"))
        with pytest.raises(KeyUnavailable, match="gone"):
            rotation.complete(held.database, held.keys, held.clock, begun)
        hidden.rename(path)
        assert rotation.complete(held.database, held.keys, held.clock, begun).complete
