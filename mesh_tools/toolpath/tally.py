"""What a toolpath adds up to while it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mesh_tools.toolpath.scan import Integers, Numbers
from mesh_tools.toolpath_record import Corner, Extreme, Toolpath

_LAYER_MM = 1e-3
_LAYERS_MAX = 1_000_000


@dataclass(slots=True)
class Peak:
    """The largest value so far and its line."""

    value: float = 0.0
    line: int = 0

    def raise_to(self, value: float, line: int) -> None:
        """Take `value` where it is larger."""
        if value > self.value:
            self.value, self.line = value, line

    def extreme(self) -> Extreme:
        """As a record keeps it."""
        return Extreme(self.value, self.line)


class Box:
    """Lowest and highest places on three axes, with the lines where they were first reached."""

    def __init__(self) -> None:
        self._low = [(float("inf"), 0)] * 3
        self._high = [(float("-inf"), 0)] * 3

    @property
    def empty(self) -> bool:
        """Whether no place was added."""
        return self._low[0][1] == 0

    def stretch(self, low: Numbers, high: Numbers, lines: Integers) -> None:
        """Take in boxes (3, n), one for each line (n,)."""
        for axis in range(3):
            least, most = low[axis].min(initial=np.inf), high[axis].max(initial=-np.inf)
            if least < self._low[axis][0]:
                self._low[axis] = (float(least), int(lines[low[axis].argmin()]))
            if most > self._high[axis][0]:
                self._high[axis] = (float(most), int(lines[high[axis].argmax()]))

    def corners(self) -> tuple[Corner, Corner]:
        """The lowest and the highest corner."""
        return _corner(self._low), _corner(self._high)


def _corner(places: Sequence[tuple[float, int]]) -> Corner:
    x, y, z = (Extreme(value, line) for value, line in places)
    return x, y, z


@dataclass(slots=True)
class Tally:
    """Sums, extremes and peaks; lengths in mm."""

    lines: int = 0
    commands: int = 0
    moves: int = 0
    arcs: int = 0
    filament: float = 0.0
    distance: float = 0.0
    seconds: float = 0.0
    tools: set[int] = field(default_factory=set)
    nozzle: Peak = field(default_factory=Peak)
    bed: Peak = field(default_factory=Peak)
    chamber: Peak = field(default_factory=Peak)
    feed: Peak = field(default_factory=Peak)
    acceleration: Peak = field(default_factory=Peak)
    _moved: Box = field(default_factory=Box)
    _laid: Box = field(default_factory=Box)
    _layers: Integers = field(default_factory=lambda: np.zeros(0, np.int64))

    def reach(self, low: Numbers, high: Numbers, lines: Integers) -> None:
        """The nozzle goes to, or on an arc passes, these boxes (3, n)."""
        self._moved.stretch(low, high, lines)

    def lay(self, low: Numbers, high: Numbers, lines: Integers, heights: Numbers | None = None) -> None:
        """Material is laid in these boxes (3, n), ending at `heights` (n,)."""
        self._laid.stretch(low, high, lines)
        if heights is None or len(self._layers) > _LAYERS_MAX:
            return
        changes = heights[np.flatnonzero(np.diff(heights, prepend=np.inf))]
        levels = np.round(changes / _LAYER_MM).astype(np.int64)
        self._layers = np.union1d(self._layers, levels)

    def toolpath(self) -> Toolpath | None:
        """The record; None where nothing was laid."""
        if self._laid.empty:
            return None
        low, high = self._moved.corners()
        extruded_low, extruded_high = self._laid.corners()
        return Toolpath(
            lines=self.lines,
            commands=self.commands + self.moves,
            moves=self.moves,
            arcs=self.arcs,
            layers=len(self._layers),
            tools=max(1, len(self.tools)),
            low=low,
            high=high,
            extruded_low=extruded_low,
            extruded_high=extruded_high,
            filament_mm=self.filament,
            distance_mm=self.distance,
            time_s_min=self.seconds,
            temperature_c=self.nozzle.extreme(),
            bed_c=self.bed.extreme(),
            chamber_c=self.chamber.extreme(),
            feed_mm_s=self.feed.extreme(),
            acceleration_mm_s2=self.acceleration.extreme(),
        )
