"""A key version is destroyed only when nothing needs it, and everything else is known to open."""

from __future__ import annotations

from typing import Any

import pytest

from app.custody import destruction, rotation
from app.errors import Conflict
from app.models import KeyDestruction
from tests.app.custody.holding import Holding, context


def destroy(held: Holding, version: str = "1") -> KeyDestruction:
    return destruction.destroy(held.database, held.keys, held.clock, version)


class TestDestroy:
    def test_leaves_every_wrap_openable(self, held: Holding) -> None:
        held.rotate()
        row = destroy(held)
        assert (row.version, row.verified, row.destroyed_at is None) == ("1", 12, False)
        assert held.keys.versions() == ["2"]
        assert held.unopened() == []

    def test_counts_what_it_opens(self, held: Holding) -> None:
        held.rotate()
        seen: list[int] = []
        destruction.destroy(held.database, held.keys, held.clock, "1", seen.append)
        assert sum(seen) == 12

    def test_again_gives_the_same_record(self, held: Holding) -> None:
        held.rotate()
        first = destroy(held)
        held.clock.forward(60)
        assert destroy(held) == first

    def test_refuses_the_current_version(self, held: Holding) -> None:
        with pytest.raises(Conflict, match="version 1 is current"):
            destroy(held)

    def test_refuses_a_version_that_never_was(self, held: Holding) -> None:
        with pytest.raises(Conflict, match="holds no version 7, only 1"):
            destroy(held, "7")

    def test_refuses_a_version_with_a_wrap_under_it(self, held: Holding) -> None:
        held.keys.rotate()
        with pytest.raises(Conflict, match="still under version 1: 12"):
            destroy(held)
        assert held.keys.versions() == ["1", "2"]

    def test_refuses_while_a_rotation_is_not_finished(self, held: Holding) -> None:
        held.rotate()
        rotation.begin(held.database, held.keys, held.clock)
        with pytest.raises(Conflict, match="from version 2 is not finished"):
            destroy(held)
        assert held.keys.versions() == ["1", "2", "3"]

    @pytest.mark.parametrize(
        ("change", "kind"),
        [
            ({"blob": bytes(60)}, "wrong_context"),
            ({"keyring": "another"}, "key_unavailable"),
            ({"key_version": "7"}, "key_unavailable"),
            ({"tenant": "org 1"}, "invalid_name"),
        ],
    )
    def test_refuses_while_any_wrap_does_not_open(
        self, held: Holding, change: dict[str, Any], kind: str
    ) -> None:
        held.rotate()
        held.alter(4, **change)
        with pytest.raises(Conflict, match="that do not open: 1; version 1 stays") as refused:
            destroy(held)
        (reason,) = refused.value.reasons
        assert reason.code == kind
        assert context(4).object_id in reason.message
        assert held.keys.versions() == ["1", "2"]

    def test_is_not_fooled_by_a_row_that_claims_another_version(self, held: Holding) -> None:
        """Old wraps relabelled as new ones would be lost with the old key."""
        held.keys.rotate()
        held.tamper("update wrapped_keys set key_version = '2'")
        with pytest.raises(Conflict, match="that do not open: 12;"):
            destroy(held)
        assert held.keys.versions() == ["1", "2"]

    def test_looks_again_when_nobody_can_write(self, held: Holding) -> None:
        """A wrap that comes under the version while the others are being opened."""
        held.rotate()

        def put_back(_: int) -> None:
            held.alter(4, key_version="1")

        with pytest.raises(Conflict, match="still under version 1: 1"):
            destruction.destroy(held.database, held.keys, held.clock, "1", put_back)
        assert held.keys.versions() == ["1", "2"]

    def test_takes_up_one_that_never_came_to_its_end(self, held: Holding) -> None:
        held.rotate()
        destroy(held)
        held.tamper("update key_destructions set destroyed_at = null")
        assert destroy(held).destroyed_at is not None


class TestRequireDestroyable:
    def test_refuses_before_anything_is_opened(self, held: Holding) -> None:
        with pytest.raises(Conflict, match="is current"):
            destruction.require_destroyable(held.database, held.keys, "1")

    def test_passes_what_can_go_and_what_is_gone(self, held: Holding) -> None:
        held.rotate()
        destruction.require_destroyable(held.database, held.keys, "1")
        destroy(held)
        destruction.require_destroyable(held.database, held.keys, "1")
