"""The life of a rotation as a table."""

from __future__ import annotations

import itertools

import pytest

from app.custody.stages import IllegalStep, Stage, Step, after, lacks_version

LEGAL = {
    (Stage.PREPARING, Step.VERSION_MADE): Stage.REWRAPPING,
    (Stage.REWRAPPING, Step.NONE_LEFT): Stage.DONE,
}


class TestAfter:
    @pytest.mark.parametrize(("stage", "step"), list(itertools.product(Stage, Step)))
    def test_takes_the_written_steps_and_no_other(self, stage: Stage, step: Step) -> None:
        if (stage, step) in LEGAL:
            assert after(stage, step) == LEGAL[stage, step]
        else:
            with pytest.raises(IllegalStep, match=stage):
                after(stage, step)


class TestLacksVersion:
    @pytest.mark.parametrize(
        ("stage", "current", "lacks"),
        [
            (Stage.PREPARING, "1", True),
            (Stage.PREPARING, "2", False),
            (Stage.REWRAPPING, "1", False),
            (Stage.REWRAPPING, "2", False),
            (Stage.DONE, "1", False),
        ],
    )
    def test_is_so_only_before_the_version_was_made(self, stage: Stage, current: str, lacks: bool) -> None:
        assert lacks_version(stage, "1", current) is lacks
