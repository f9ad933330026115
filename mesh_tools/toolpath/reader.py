"""Reads a toolpath: text in, figures and faults out.

Moves go through in columns; whatever stands between them is read line by line. A line that changes how
numbers are meant splits the moves around it; every other line does not.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mesh_tools.findings import Finding
from mesh_tools.toolpath.effects import Effects, changes_modes, is_lasting, resets_extruder
from mesh_tools.toolpath.faults import Faults
from mesh_tools.toolpath.lines import Command, LineFault, read_line
from mesh_tools.toolpath.machine import MachineLimits
from mesh_tools.toolpath.motion import Moves, advance
from mesh_tools.toolpath.scan import Column, Scanned, scan
from mesh_tools.toolpath.state import State
from mesh_tools.toolpath.tally import Tally
from mesh_tools.toolpath.text import code_chunks
from mesh_tools.toolpath_record import Toolpath

_REMEMBERED_MAX = 4096


def read_gcode(
    pieces: Iterable[bytes], machine: MachineLimits
) -> tuple[Toolpath | None, tuple[Finding, ...]]:
    """Read the text in `pieces` as `machine` would; the figures are None where nothing is printed.

    Raises Refused where the text itself cannot be told apart into lines (see `text`).
    """
    reader = _Reader(machine)
    for chunk in code_chunks(pieces):
        reader.feed(chunk)
    return reader.finish()


class _Reader:
    def __init__(self, machine: MachineLimits) -> None:
        self._machine = machine
        self._state = State(machine)
        self._tally = Tally()
        self._faults = Faults()
        self._effects = Effects(self._state, self._tally, self._faults)
        self._known: dict[bytes, Command] = {}
        self._lasting: set[bytes] = set()
        self._resets: list[tuple[int, float]] = []

    def feed(self, chunk: bytes) -> None:
        """Take whole lines."""
        scanned = scan(chunk)
        first = self._tally.lines + 1
        done = 0
        for line, text in scanned.others:
            if text in self._lasting:
                self._tally.commands += 1
                continue
            command = self._read(text, first + line)
            if command is None:
                continue
            upto = int(np.searchsorted(scanned.move_lines, line))
            place = resets_extruder(command)
            if place is not None:
                self._resets.append((upto - done, place))
                self._tally.commands += 1
                continue
            if changes_modes(command, self._state):
                self._advance(scanned, done, upto, first)
                done = upto
            self._apply(command, text, first + line)
        self._advance(scanned, done, len(scanned.move_lines), first)
        self._tally.lines += scanned.lines

    def finish(self) -> tuple[Toolpath | None, tuple[Finding, ...]]:
        """The record and the findings of all lines."""
        toolpath = self._tally.toolpath()
        if toolpath is None:
            self._faults.add("toolpath.empty", "nothing is printed up to here", max(1, self._tally.lines))
        elif not self._state.unit_stated:
            self._faults.add("toolpath.units_assumed", "neither G20 nor G21 up to here", self._tally.lines)
        return toolpath, self._faults.findings()

    def _apply(self, command: Command, text: bytes, line: int) -> None:
        faults = self._faults.total
        self._effects.apply(command, line)
        if is_lasting(command) and faults == self._faults.total and len(self._lasting) < _REMEMBERED_MAX:
            self._lasting.add(text)

    def _read(self, text: bytes, line: int) -> Command | None:
        command = self._known.get(text)
        if command is not None:
            return command
        try:
            command = read_line(text, self._machine)
        except LineFault as fault:
            self._faults.add(fault.code, fault.message, line)
            return None
        if len(self._known) < _REMEMBERED_MAX:
            self._known[text] = command
        return command

    def _advance(self, scanned: Scanned, start: int, stop: int, first: int) -> None:
        resets, self._resets = self._resets, []
        if start == stop:
            if resets:
                self._state.rename("E", resets[-1][1])
            return
        columns = scanned.columns
        if (start, stop) != (0, len(scanned.move_lines)):
            columns = {letter: _part(column, start, stop) for letter, column in columns.items()}
        lines = scanned.move_lines[start:stop] + first
        moves = Moves(lines, scanned.move_kinds[start:stop], columns, resets)
        advance(self._state, moves, self._tally, self._faults)


def _part(column: Column, start: int, stop: int) -> Column:
    low, high = np.searchsorted(column.rows, (start, stop))
    return Column(column.rows[low:high] - start, column.values[low:high])
