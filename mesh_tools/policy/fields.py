"""Checks of single fields of a policy: each gives the value in its type or names the field and the remedy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NoReturn, cast

from mesh_tools.errors import PolicyInvalid
from mesh_tools.policy.words import SEVERITIES

Room = tuple[float, float, float]


def word(field: str, value: object, words: Sequence[str]) -> None:
    """`value` is one of `words`."""
    if not isinstance(value, str) or value not in words:
        _refuse(field, value, f"one of {', '.join(words)}")


def text(field: str, value: object, *, letters_max: int = 200) -> None:
    """`value` is a text of no more than `letters_max` characters."""
    if not isinstance(value, str) or len(value) > letters_max:
        _refuse(field, value, f"a text of at most {letters_max} characters")


def flag(field: str, value: object) -> None:
    """`value` is true or false."""
    if not isinstance(value, bool):
        _refuse(field, value, "true or false")


def count(field: str, value: object) -> None:
    """`value` is a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**53:
        _refuse(field, value, "a whole number from 1")


def within(field: str, value: object, low: float, high: float, what: str) -> None:
    """`value` is a finite number above `low` and at most `high`."""
    if not _is_number(value) or not low < cast("float", value) <= high:
        _refuse(field, value, f"{what} above {low:g} and at most {high:g}")


def room(field: str, value: object) -> Room:
    """Three positive lengths, as a tuple."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        _refuse(field, value, "three lengths in mm above zero")
    if not all(_is_number(side) and 0 < side <= 1e6 for side in value):
        _refuse(field, value, "three lengths in mm above zero")
    return (float(value[0]), float(value[1]), float(value[2]))


def severities(field: str, value: object) -> None:
    """A severity for each of some codes."""
    if not isinstance(value, Mapping):
        _refuse(field, value, "an object of codes and severities")
    for code, severity in value.items():
        word(f"{field}.{code}", severity, SEVERITIES)


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)


def _refuse(field: str, value: object, wanted: str) -> NoReturn:
    raise PolicyInvalid(f"{field} is {value!r:.80}", field=field, remedy=f"give {wanted}, or leave it out")
