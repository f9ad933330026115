"""Moves between two changes of mode, at once: where they lead, how far, how fast, with how much filament."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.toolpath.arcs import Arcs, measure_arcs
from mesh_tools.toolpath.faults import Faults
from mesh_tools.toolpath.scan import Column, Integers, Numbers
from mesh_tools.toolpath.state import AXES, State
from mesh_tools.toolpath.tally import Tally

NUMBER_MAX = 1e6
_SECONDS_A_MINUTE = 60.0


@dataclass(frozen=True, eq=False)
class Moves:
    """Moves under one set of modes: `lines` (n,) counted from 1, `kinds` (n,) 0 … 3, columns by letter.

    `resets` are (move, place in the file's unit): before that move the extruder's place got this name.
    """

    lines: Integers
    kinds: NDArray[np.uint8]
    columns: dict[str, Column]
    resets: Sequence[tuple[int, float]] = ()

    @property
    def count(self) -> int:
        """How many moves."""
        return len(self.lines)

    def column(self, letter: str) -> Column:
        """The column of `letter`, empty where no move has one."""
        return self.columns.get(letter, _NOTHING)


_NOTHING = Column(np.zeros(0, np.int64), np.zeros(0))


def advance(state: State, moves: Moves, tally: Tally, faults: Faults) -> None:
    """Carry out `moves`: leaves `state` behind the last one, adds to `tally` and `faults`."""
    _check_numbers(moves, faults)
    path = np.stack([_followed(state, moves, axis) for axis in range(3)])
    begin, end = path[:, :-1], path[:, 1:]
    distance: Numbers = np.sqrt(np.square(end - begin).sum(axis=0))
    tally.reach(end, end, moves.lines)
    rows = np.flatnonzero(moves.kinds >= 2)
    arcs = _arcs(state, moves, path, rows, faults) if len(rows) else None
    if arcs is not None:
        distance[rows] = np.hypot(arcs.lengths, end[2, rows] - begin[2, rows])
        tally.reach(arcs.low, arcs.high, moves.lines[rows])
    fed, amounts = _filament(state, moves)
    laid = fed[(amounts > 0) & (distance[fed] > 0)]
    if len(laid):
        ends = np.minimum(begin[:, laid], end[:, laid]), np.maximum(begin[:, laid], end[:, laid])
        tally.lay(*ends, moves.lines[laid], end[2, laid])
        if arcs is not None:
            drawn = np.isin(rows, laid)
            tally.lay(arcs.low[:, drawn], arcs.high[:, drawn], moves.lines[rows[drawn]])
    _check_homed(state, moves, laid, faults)
    tally.moves += moves.count
    tally.arcs += len(rows)
    tally.distance += float(distance.sum())
    tally.filament += float(amounts.sum())
    distance[fed] = np.where(distance[fed] > 0, distance[fed], np.abs(amounts))
    tally.seconds += _seconds(state, moves, distance, tally, faults)
    state.position = [float(place) for place in path[:, -1]]


def _check_numbers(moves: Moves, faults: Faults) -> None:
    for letter, column in moves.columns.items():
        if not len(column.rows):
            continue
        if max(-float(column.values.min()), float(column.values.max())) > NUMBER_MAX:
            row = column.rows[np.abs(column.values) > NUMBER_MAX][0]
            faults.add("toolpath.number_range", f"{letter} is beyond {NUMBER_MAX:g}", int(moves.lines[row]))


def _followed(state: State, moves: Moves, axis: int) -> Numbers:
    """Places (n + 1,) on one axis, the present one first."""
    column = moves.column(AXES[axis])
    levels = np.empty(len(column.rows) + 1)
    levels[0] = state.position[axis]
    np.multiply(column.values, state.unit_mm, out=levels[1:])
    if state.relative:
        levels = np.cumsum(levels)
    else:
        levels[1:] += state.offset[axis]
    if len(column.rows) == moves.count:
        return levels
    return _spread(levels, column.rows, moves.count + 1, shift=1)


def _spread(levels: Numbers, rows: Integers, count: int, *, shift: int) -> Numbers:
    """(count,) values: levels[0], and levels[i + 1] from place rows[i] + shift on."""
    edges = np.empty(len(rows) + 2, np.int64)
    edges[0], edges[-1] = 0, count
    np.add(rows, shift, out=edges[1:-1])
    return np.repeat(levels, np.diff(edges))


def _arcs(state: State, moves: Moves, path: Numbers, rows: Integers, faults: Faults) -> Arcs:
    """Measure the arcs in `rows`; those without a circle are faults. Their height is that of their ends."""
    given = np.full((4, moves.count), np.nan)
    for place, letter in enumerate("IJRP"):
        column = moves.column(letter)
        given[place, column.rows] = column.values
    across, up, radius, turns = given[:, rows]
    scale = state.unit_mm
    begin, end = path[:, :-1][:, rows], path[:, 1:][:, rows]
    centre = (across * scale, up * scale, radius * scale)
    flat = measure_arcs(begin[:2], end[:2], moves.kinds[rows] == 2, centre, np.nan_to_num(turns))
    if flat.malformed.any():
        line = int(moves.lines[rows[flat.malformed][0]])
        count = int(np.count_nonzero(flat.malformed))
        faults.add("toolpath.arc", "no circle leads from the start of this arc to its end", line, count=count)
    low = np.vstack([flat.low, np.minimum(begin[2], end[2])])
    high = np.vstack([flat.high, np.maximum(begin[2], end[2])])
    return Arcs(flat.lengths, low, high, flat.malformed)


def _filament(state: State, moves: Moves) -> tuple[Integers, Numbers]:
    """The moves with an E, and how much filament each feeds, in mm."""
    column = moves.column("E")
    given = column.values * state.unit_mm
    resets = [
        (int(np.searchsorted(column.rows, move)), place * state.unit_mm) for move, place in moves.resets
    ]
    if state.extrudes_relative:
        since, place = resets[-1] if resets else (0, state.filament)
        state.filament = place + float(given[since:].sum())
        return column.rows, given
    before = np.concatenate([[state.filament], given])
    for since, place in resets:
        before[since] = place
    state.filament = float(before[-1])
    return column.rows, given - before[:-1]


def _check_homed(state: State, moves: Moves, laid: Integers, faults: Faults) -> None:
    if all(state.homed):
        return
    moved = [moves.column(letter).rows[:1] for axis, letter in enumerate(AXES) if not state.homed[axis]]
    rows = [int(row[0]) for row in moved if len(row)]
    if rows:
        faults.add(
            "toolpath.moved_before_homing", "an axis moves before it was homed", int(moves.lines[min(rows)])
        )
    if len(laid):
        faults.add(
            "toolpath.not_homed", "material is laid before every axis was homed", int(moves.lines[laid[0]])
        )


def _seconds(state: State, moves: Moves, lengths: Numbers, tally: Tally, faults: Faults) -> float:
    """How long the moves take at their feed rates, and what these are at most."""
    column = moves.column("F")
    levels = np.empty(len(column.rows) + 1)
    levels[0] = state.feed
    scale = state.unit_mm / _SECONDS_A_MINUTE * state.feed_share
    np.multiply(column.values, scale, out=levels[1:])
    if len(column.rows):
        if float(column.values.min()) <= 0:
            line = int(moves.lines[column.rows[column.values <= 0][0]])
            faults.add("toolpath.feed", "a feed rate must be above zero", line)
        top = int(levels[1:].argmax())
        tally.feed.raise_to(float(levels[1 + top]), int(moves.lines[column.rows[top]]))
        state.feed = float(levels[-1])
    feeds = _spread(levels, column.rows, moves.count, shift=0)
    return float(np.divide(lengths, feeds, out=np.zeros(moves.count), where=feeds > 0).sum())
