"""The words of a comparison, and the check of an answer that came from the sandbox. Loads no engine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

Kind = Literal["identical", "same", "remeshed", "moved", "rescaled", "mirrored", "altered"]
Change = Literal["added", "missing", "turned"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
CHANGES: Final[tuple[Change, ...]] = get_args(Change)
ACCEPTED: Final = frozenset({"identical", "same", "remeshed", "moved"})
PLACES_MAX: Final = 20

_REASONS: Final = frozenset({"surface", "volume", "area", "section"})
_FIELDS: Final = {
    "kind",
    "accepted",
    "tolerance_mm",
    "distance_mm",
    "motion",
    "places",
    "reasons",
    "measures",
}
_MOTION: Final = {"linear", "shift_mm", "angle_deg", "factor", "mirrored"}
_PLACE: Final = {"centre_mm", "size_mm", "distance_mm", "change"}
_COUNTS: Final = {"facets", "vertices", "shells", "euler_number"}
_MEASURES: Final = _COUNTS | {"volume_mm3", "area_mm2", "inertia_mm5", "bounds_mm"}


def checked(value: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of the job `compare`, each field held to its type; ValueError names the wrong one."""
    _require(set(value) == _FIELDS, "its fields")
    _require(value["kind"] in KINDS, "kind")
    _require(value["accepted"] is (value["kind"] in ACCEPTED), "accepted")
    _require(_number(value["tolerance_mm"]) and _number(value["distance_mm"]), "tolerance_mm, distance_mm")
    _require(value["motion"] is None or _is_motion(value["motion"]), "motion")
    places = value["places"]
    _require(isinstance(places, list) and len(places) <= PLACES_MAX and all(map(_is_place, places)), "places")
    _require(isinstance(value["reasons"], list) and set(map(str, value["reasons"])) <= _REASONS, "reasons")
    measures = value["measures"]
    _require(isinstance(measures, dict) and set(measures) in (set(), {"master", "file"}), "measures")
    _require(all(map(_is_measures, measures.values())), "measures")
    return dict(value)


def _require(holds: bool, field: str) -> None:
    if not holds:
        raise ValueError(f"the comparison's answer is wrong: {field}")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _numbers(value: object, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(map(_number, value))


def _rows(value: object, rows: int) -> bool:
    return isinstance(value, list) and len(value) == rows and all(_numbers(row, 3) for row in value)


def _is_motion(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != _MOTION:
        return False
    frame = _rows(value["linear"], 3) and _numbers(value["shift_mm"], 3)
    return (
        frame
        and _number(value["angle_deg"])
        and _number(value["factor"])
        and isinstance(value["mirrored"], bool)
    )


def _is_place(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != _PLACE or value["change"] not in CHANGES:
        return False
    return _numbers(value["centre_mm"], 3) and _numbers(value["size_mm"], 3) and _number(value["distance_mm"])


def _is_measures(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != _MEASURES:
        return False
    counts = all(isinstance(value[name], int) and not isinstance(value[name], bool) for name in _COUNTS)
    lengths = _number(value["volume_mm3"]) and _number(value["area_mm2"])
    return counts and lengths and _numbers(value["inertia_mm5"], 3) and _rows(value["bounds_mm"], 2)
