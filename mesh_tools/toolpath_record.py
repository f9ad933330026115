"""What a toolpath adds up to: the counterpart of a mesh's geometry, with the lines of its extremes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Extreme:
    """A largest or smallest value and the line, counted from 1, where it first stands."""

    value: float
    line: int

    def to_json(self) -> list[float | int]:
        """As [value, line]."""
        return [self.value, self.line]

    @classmethod
    def from_json(cls, value: object) -> Extreme:
        """Read what `to_json` wrote; ValueError on anything else."""
        if not isinstance(value, list) or len(value) != 2:
            raise ValueError("expected a value and its line")
        return cls(_number(value[0]), _count(value[1]))


Corner = tuple[Extreme, Extreme, Extreme]


@dataclass(frozen=True, slots=True)
class Toolpath:
    """Lengths in mm, times in s, temperatures in °C, rates in mm/s and mm/s².

    `low` and `high` bound every move, arcs with all they pass; `extruded_low` and `extruded_high` those that
    extrude. `filament_mm` is what goes in less what is drawn back. `time_s_min` leaves out acceleration: the
    real time is longer. The largest settings are those the toolpath asks for anywhere.
    """

    lines: int
    commands: int
    moves: int
    arcs: int
    layers: int
    tools: int
    low: Corner
    high: Corner
    extruded_low: Corner
    extruded_high: Corner
    filament_mm: float
    distance_mm: float
    time_s_min: float
    temperature_c: Extreme
    bed_c: Extreme
    chamber_c: Extreme
    feed_mm_s: Extreme
    acceleration_mm_s2: Extreme

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, value: object) -> Toolpath:
        """Read what `to_json` wrote; ValueError on anything else, also on NaN and infinity."""
        names = [field.name for field in fields(cls)]
        if not isinstance(value, Mapping) or set(value) != set(names):
            raise ValueError(f"expected an object with exactly {sorted(names)}")
        given: dict[str, Any] = {name: _READERS[name](value[name]) for name in names}
        return cls(**given)


def _plain(value: object) -> object:
    if isinstance(value, Extreme):
        return value.to_json()
    return [extreme.to_json() for extreme in value] if isinstance(value, tuple) else value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("expected a finite number")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError("expected a count")
    return value


def _corner(value: object) -> Corner:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("expected the extremes of three axes")
    return Extreme.from_json(value[0]), Extreme.from_json(value[1]), Extreme.from_json(value[2])


_READERS: Mapping[str, Callable[[object], object]] = {
    **dict.fromkeys(("lines", "commands", "moves", "arcs", "layers", "tools"), _count),
    **dict.fromkeys(("low", "high", "extruded_low", "extruded_high"), _corner),
    **dict.fromkeys(("filament_mm", "distance_mm", "time_s_min"), _number),
    **dict.fromkeys(
        ("temperature_c", "bed_c", "chamber_c", "feed_mm_s", "acceleration_mm_s2"), Extreme.from_json
    ),
}
