"""A slow, plain interpreter of G-code, written apart from the one under test: a line at a time, no arrays."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, field


@dataclass
class Run:
    """What the program did; places in mm, `feed` in mm/s."""

    here: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    shift: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    spool: float = 0.0
    relative: bool = False
    spool_relative: bool = False
    unit: float = 1.0
    feed: float = 0.0
    share: float = 1.0
    moves: int = 0
    arcs: int = 0
    filament: float = 0.0
    distance: float = 0.0
    seconds: float = 0.0
    feed_max: float = 0.0
    seen: list[tuple[float, float, float]] = field(default_factory=list)
    laid: list[tuple[float, float, float]] = field(default_factory=list)
    heights: set[float] = field(default_factory=set)
    broken_arcs: int = 0


def run(program: str, *, klipper: bool = False) -> Run:
    state = Run()
    for raw in program.split("\n"):
        words = re.findall(r"([A-Z])([-+.0-9]*)", raw.split(";")[0])
        if words:
            _step(state, words[0][0] + (words[0][1].lstrip("0") or "0"), dict(words[1:]), klipper=klipper)
    return state


def _step(state: Run, name: str, words: dict[str, str], *, klipper: bool) -> None:
    if name in ("G0", "G1", "G2", "G3"):
        _move(state, int(name[1]), {letter: float(text) for letter, text in words.items()}, klipper=klipper)
    elif name in ("G20", "G21"):
        state.unit = 25.4 if name == "G20" else 1.0
    elif name in ("G90", "G91"):
        state.relative = name == "G91"
        if not klipper:
            state.spool_relative = name == "G91"
    elif name in ("M82", "M83"):
        state.spool_relative = name == "M83"
    elif name == "M220":
        state.feed *= float(words["S"]) / 100 / state.share
        state.share = float(words["S"]) / 100
        state.feed_max = max(state.feed_max, state.feed)
    elif name == "G28":
        for axis, letter in enumerate("XYZ"):
            if letter in words or not set("XYZ") & set(words):
                state.here[axis] = state.shift[axis] = 0.0
    elif name == "G92":
        for letter in words or dict.fromkeys("XYZE", "0"):
            value = float((words or {}).get(letter, "0")) * state.unit
            if letter == "E":
                state.spool = value
            else:
                state.shift["XYZ".index(letter)] = state.here["XYZ".index(letter)] - value


def _move(state: Run, kind: int, words: dict[str, float], *, klipper: bool) -> None:
    state.moves += 1
    begin = list(state.here)
    for axis, letter in enumerate("XYZ"):
        if letter in words:
            value = words[letter] * state.unit
            state.here[axis] = state.here[axis] + value if state.relative else value + state.shift[axis]
    fed = 0.0
    if "E" in words:
        value = words["E"] * state.unit
        if state.spool_relative or (klipper and state.relative):
            fed = value
            state.spool += value
        else:
            fed, state.spool = value - state.spool, value
    if "F" in words:
        state.feed = words["F"] * state.unit / 60 * state.share
        state.feed_max = max(state.feed_max, state.feed)
    path = [(begin[0], begin[1], begin[2])]
    if kind >= 2:
        state.arcs += 1
        path += _arc(state, begin, kind == 2, words)
    end = (state.here[0], state.here[1], state.here[2])
    path.append(end)
    length = sum(math.dist(a, b) for a, b in itertools.pairwise(path))
    state.seen += path[1:]
    state.distance += length
    state.filament += fed
    if fed > 0 and length > 0:
        state.laid += path
        state.heights.add(round(end[2], 3))
    if state.feed > 0:
        state.seconds += (length or abs(fed)) / state.feed


def _arc(
    state: Run, begin: list[float], clockwise: bool, words: dict[str, float]
) -> list[tuple[float, float, float]]:
    """Points along the arc, found by turning a complex number; none where there is no circle."""
    first, last = complex(begin[0], begin[1]), complex(state.here[0], state.here[1])
    across, up, radius = (words.get(letter, 0.0) * state.unit for letter in "IJR")
    if ("R" in words) == ("I" in words or "J" in words):
        state.broken_arcs += 1
        return []
    if "R" in words:
        chord = last - first
        if abs(chord) == 0 or abs(radius) + 1e-3 < abs(chord) / 2:
            state.broken_arcs += 1
            return []
        height = math.sqrt(max(radius**2 - abs(chord) ** 2 / 4, 0))
        to_left = chord / abs(chord) * 1j
        middle = (first + last) / 2 + to_left * height * (-1 if clockwise != (radius < 0) else 1)
    else:
        middle = first + complex(across, up)
    spoke, other = first - middle, last - middle
    if abs(spoke) < 1e-3 or abs(abs(spoke) - abs(other)) > max(0.1, 0.01 * abs(spoke)):
        state.broken_arcs += 1
        return []
    turn = (math.atan2(other.imag, other.real) - math.atan2(spoke.imag, spoke.real)) * (
        -1 if clockwise else 1
    )
    turn %= 2 * math.pi
    if turn < 1e-4:
        turn = 2 * math.pi
    steps = 720
    size = max(abs(spoke), abs(other))
    points = []
    for step in range(1, steps):
        angle = turn * step / steps * (-1 if clockwise else 1)
        here = middle + spoke / abs(spoke) * size * complex(math.cos(angle), math.sin(angle))
        points.append((here.real, here.imag, begin[2] + (state.here[2] - begin[2]) * step / steps))
    return points
