"""The life of a key rotation, as a pure state machine: no row, no key back end, no clock.

    preparing ──version made──▶ rewrapping ──none left──▶ done

Each step is written before the next begins; so the next run finds where one that was stopped stood:

| stopped after                | found                                 | the next run                     |
|------------------------------|---------------------------------------|----------------------------------|
| nothing                      | no rotation                           | begins one                       |
| the row was written          | preparing, its old version is current | makes the version                |
| the version was made         | preparing, another version is current | takes that version, makes none   |
| the version was noted        | rewrapping                            | re-wraps what is behind          |
| some batches                 | rewrapping, those rows are not behind | re-wraps the rest                |
| the end was noted            | done                                  | begins another, or with `--from` |
|                              |                                       | reports this one                 |

A step taken in another stage is `IllegalStep`: a fault of the program, not of its input.
"""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """Where a rotation stands."""

    PREPARING = "preparing"
    REWRAPPING = "rewrapping"
    DONE = "done"


class Step(StrEnum):
    """What moves it on."""

    VERSION_MADE = "version made"
    NONE_LEFT = "none left"


STEPS: dict[tuple[Stage, Step], Stage] = {
    (Stage.PREPARING, Step.VERSION_MADE): Stage.REWRAPPING,
    (Stage.REWRAPPING, Step.NONE_LEFT): Stage.DONE,
}


class IllegalStep(RuntimeError):  # noqa: N818 - it names what was tried
    """A step that cannot be taken in this stage."""

    def __init__(self, stage: Stage, step: Step) -> None:
        super().__init__(f"a rotation that is {stage} cannot take the step {step!r}")


def after(stage: Stage, step: Step) -> Stage:
    """Give the stage a step leads to; IllegalStep where it cannot be taken."""
    try:
        return STEPS[(stage, step)]
    except KeyError:
        raise IllegalStep(stage, step) from None


def lacks_version(stage: Stage, from_version: str, current: str) -> bool:
    """Tell whether a rotation's version is still to be made."""
    return stage == Stage.PREPARING and current == from_version
