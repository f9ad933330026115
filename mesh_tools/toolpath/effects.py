"""What the lines between the moves do: modes, homing, tools, and the settings a machine is held to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from mesh_tools.toolpath.commands import pauses
from mesh_tools.toolpath.faults import Faults
from mesh_tools.toolpath.lines import Command, decimal
from mesh_tools.toolpath.state import AXES, INCH_MM, State
from mesh_tools.toolpath.tally import Peak, Tally

_MODES: Final = frozenset({
    "G20", "G21", "G28", "G90", "G91", "G92", "M18", "M82", "M83", "M84", "M220",
})  # fmt: skip
_COLD_C: Final = 150.0
_NOZZLE: Final = {"M104": "SR", "M109": "SR", "G10": "SR", "M568": "SR"}
_BED: Final = {"M140": "SR", "M190": "SR"}
_CHAMBER: Final = {"M141": "S", "M191": "SR"}
_ACCELERATION: Final = {"M201": "XYZE", "M204": "SPRT"}
_WARM_WORDS: Final = (("BED", "bed"), ("CHAMBER", "chamber"), ("TEMP", "nozzle"), ("NOZZLE", "nozzle"),
                      ("EXTRUDER", "nozzle"), ("HOTEND", "nozzle"), ("TARGET", "nozzle"))  # fmt: skip
_SECONDS_A_MINUTE = 60.0


def resets_extruder(command: Command) -> float | None:
    """The place that a G92 of the extruder alone names, in the file's unit; None for any other command."""
    return command.words.get("E") if command.name == "G92" and set(command.words) == {"E"} else None


def is_lasting(command: Command) -> bool:
    """Whether a second one, word for word the same, adds nothing to the first."""
    return not (command.name in _MODES or command.macro or pauses(command.name))


def changes_modes(command: Command, state: State) -> bool:
    """Whether the moves before `command` must be carried out before it takes effect."""
    if command.name == "G90" or command.name == "G91":
        relative = command.name == "G91"
        extruder = state.filament_relative if state.machine.dialect == "marlin" else relative
        return (state.relative, extruder) != (relative, relative)
    if command.name in ("M82", "M83"):
        return state.filament_relative != (command.name == "M83")
    if command.name == "G21":
        return state.unit_mm != 1.0
    return command.name in _MODES or command.name in state.machine.homing_macros


class Effects:
    """Applies commands to the state and the tally; what may not be is a fault."""

    def __init__(self, state: State, tally: Tally, faults: Faults) -> None:
        self._state = state
        self._tally = tally
        self._faults = faults
        self._handlers: Mapping[str, Callable[[Command, int], None]] = {
            "G20": self._inches, "G21": self._millimetres, "G28": self._home, "G90": self._place,
            "G91": self._place, "G92": self._rename, "M82": self._extruder, "M83": self._extruder,
            "G29": self._levelling, "M18": self._release, "M84": self._release, "M207": self._retraction,
            "M208": self._retraction, "M203": self._feeds, "M211": self._endstops,
            "M220": self._share, "M302": self._cold,
            "SET_VELOCITY_LIMIT": self._velocity, "SET_HEATER_TEMPERATURE": self._heater,
        }  # fmt: skip

    def apply(self, command: Command, line: int) -> None:
        """Let `command` of `line` take effect."""
        self._tally.commands += 1
        name = command.name
        handler = self._handlers.get(name)
        if handler is not None:
            handler(command, line)
        self._settings(command, line)
        if name.startswith("T") and name[1:].lstrip("-").isdigit():
            self._tool(int(name[1:]), line)
        if command.words.get("T") is not None and name in _NOZZLE:
            self._tool(int(command.words["T"] or 0), line)
        if pauses(name):
            self._faults.add("toolpath.pause", f"{name} waits for a person", line)
        if command.macro:
            self._macro(command, line)

    def _settings(self, command: Command, line: int) -> None:
        for table, peak in (
            (_NOZZLE, self._tally.nozzle), (_BED, self._tally.bed), (_CHAMBER, self._tally.chamber),
            (_ACCELERATION, self._tally.acceleration),
        ):  # fmt: skip
            for letter in table.get(command.name, ""):
                value = command.words.get(letter)
                if value is not None:
                    peak.raise_to(value, line)

    def _inches(self, _command: Command, _line: int) -> None:
        self._state.unit_mm, self._state.unit_stated = INCH_MM, True

    def _millimetres(self, _command: Command, _line: int) -> None:
        self._state.unit_mm, self._state.unit_stated = 1.0, True

    def _home(self, command: Command, _line: int) -> None:
        named = "".join(letter for letter in AXES if letter in command.words)
        self._state.home(named or AXES)

    def _release(self, command: Command, _line: int) -> None:
        """Motors without current hold no place: these axes must be homed again. S alone is a delay."""
        if not command.words or set(command.words) & set(AXES):
            self._state.release("".join(command.words) or AXES)

    def _levelling(self, command: Command, line: int) -> None:
        if command.words.get("S", 1) not in (1, 2):
            self._faults.add("toolpath.settings_write", "G29 with this S stores what it probed", line)

    def _place(self, command: Command, _line: int) -> None:
        self._state.place(relative=command.name == "G91")

    def _extruder(self, command: Command, _line: int) -> None:
        self._state.filament_relative = command.name == "M83"

    def _rename(self, command: Command, line: int) -> None:
        for letter in command.words or dict.fromkeys("XYZE"):
            value = command.words.get(letter, 0.0)
            if value is None:
                self._faults.add("toolpath.grammar", f"G92 {letter} has no number", line)
            else:
                self._state.rename(letter, value)

    def _share(self, command: Command, line: int) -> None:
        value = command.words.get("S")
        if value is None or value <= 0:
            self._faults.add("toolpath.feed", "M220 needs a share S above zero", line)
            return
        share = value / 100
        self._state.feed *= share / self._state.feed_share
        self._state.feed_share = share
        self._tally.feed.raise_to(self._state.feed, line)

    def _feeds(self, command: Command, line: int) -> None:
        scale = 1 / _SECONDS_A_MINUTE if self._state.machine.dialect == "reprapfirmware" else 1.0
        for letter in "XYZE":
            value = command.words.get(letter)
            if value is not None:
                self._tally.feed.raise_to(value * scale, line)

    def _retraction(self, command: Command, line: int) -> None:
        self._tally.feed.raise_to((command.words.get("F") or 0.0) / _SECONDS_A_MINUTE, line)

    def _endstops(self, command: Command, line: int) -> None:
        if command.words.get("S") != 1:
            self._faults.add(
                "toolpath.protection_off", "M211 other than S1 lets moves leave the machine", line
            )

    def _cold(self, command: Command, line: int) -> None:
        lowest = command.words.get("S")
        if "P" in command.words or lowest is None or lowest < _COLD_C:
            self._faults.add("toolpath.protection_off", "M302 lets the machine extrude cold", line)

    def _velocity(self, command: Command, line: int) -> None:
        for key, text in command.pairs.items():
            value = decimal(text)
            if value is None:
                self._faults.add("toolpath.grammar", f"{key}={text[:20]} is no number", line)
            elif key == "VELOCITY":
                self._tally.feed.raise_to(value, line)
            elif key.startswith("ACCEL"):
                self._tally.acceleration.raise_to(value, line)

    def _heater(self, command: Command, line: int) -> None:
        value = decimal(command.pairs.get("TARGET", "0"))
        if value is None:
            self._faults.add("toolpath.grammar", "TARGET is no number", line)
            return
        peak = self._peak_for(command.pairs.get("HEATER", "").upper()) or self._tally.nozzle
        peak.raise_to(value, line)

    def _tool(self, number: int, line: int) -> None:
        if not 0 <= number < self._state.machine.tools:
            self._faults.add("toolpath.tool", f"the machine has no tool {number}", line)
            return
        self._tally.tools.add(number)

    def _macro(self, command: Command, line: int) -> None:
        self._faults.add(
            "toolpath.macro", f"{command.name} is the machine's own: its moves are not seen", line
        )
        for key, text in command.pairs.items():
            value = decimal(text)
            peak = self._peak_for(key)
            if value is not None and peak is not None:
                peak.raise_to(value, line)
        if command.name in self._state.machine.homing_macros:
            self._state.home(AXES)

    def _peak_for(self, key: str) -> Peak | None:
        for word, peak in _WARM_WORDS:
            if word in key:
                return {"bed": self._tally.bed, "chamber": self._tally.chamber}.get(peak, self._tally.nozzle)
        return None
