"""Which commands a toolpath may hold, by dialect, and what those are that it must never hold.

An allow-list: what stands in no table is refused as unknown. The forbidden ones are listed only so that the
refusal can say why. Letters are the parameters a command may have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mesh_tools.toolpath.machine import Dialect

_EVERYWHERE = """
G0 XYZEF
G1 XYZEF
G2 XYZEFIJRP
G3 XYZEFIJRP
G4 PS
G10
G11
G17
G21
G28 XYZEWORI
G29 PXYZWHCAJ
G90
G91
G92 XYZE
M17 XYZE
M18 XYZES
M82
M83
M84 XYZES
M104 STFR
M105
M106 PST
M107 PT
M109 STRF
M114
M119
M140 SR
M141 S
M190 SR
M191 SR
M204 SPRT
M211 S
M220 S
M221 ST
M400
M73 PRQSCD
"""
_MARLIN = """
G12 PSTR
G20
G27 P
G80
M31
M75
M76
M77
M78
M110 N
M114 DR
M142 S
M150 RUWBPISK
M155 S
M201 XYZEST
M203 XYZET
M205 XYZESTBJ
M207 SFZR
M208 SFWR
M209 S
M240
M300 SP
M302 SP
M401
M402
M403 EF
M407
M412 SHR
M413 S
M420 SZV
M555 XYWH
M569 SEXYZT
M572 SD
M593 FDTPXY
M602
M603 LU
M701 LZT
M702 LZTU
M711
M74 W
M862.1 PAF
M862.2 P
M862.5 P
M900 KLRT
"""
_REPRAPFIRMWARE = """
G10 PSR
G20
G29 S
G32
G60 S
M116 PHCS
M201 XYZE
M203 XYZEI
M205 XYZE
M207 SFZR
M300 SP
M302 SR
M400 S
M566 XYZEP
M567 PE
M568 PSRA
M572 DS
M573 P
M593 FPSL
"""
TEXT: Final = frozenset({"M117", "M115", "M486", "M862.3", "M862.4", "M862.6"})
"""Commands that take a text rather than words."""

_KLIPPER_WORDS: Final = frozenset({
    "SET_VELOCITY_LIMIT", "SET_PRESSURE_ADVANCE", "SET_PRINT_STATS_INFO", "EXCLUDE_OBJECT_DEFINE",
    "EXCLUDE_OBJECT_START", "EXCLUDE_OBJECT_END", "SET_FAN_SPEED", "SET_HEATER_TEMPERATURE",
})  # fmt: skip

_FORBIDDEN_WORDS = {
    "firmware_write": "M997 M936 M985 M35 FIRMWARE_RESTART UPDATE_FIRMWARE",
    "settings_write": "M500 M501 M502 M504 M505 M507 M92 M206 M301 M303 M304 M305 M306 M307 M308 M309 M350"
    " M290 M425 M428 M430 M451 M452 M453 M550 M563 M574 M575 M579 M584 M665 M666 M667 M669 M672"
    " M673 M674 M851 M906"
    " M907 M908 M909 M910 M911 M913 M914 M915 M917 M919 M200 M149 M10 M218 SAVE_CONFIG SAVE_VARIABLE"
    " PID_CALIBRATE Z_OFFSET_APPLY_PROBE Z_OFFSET_APPLY_ENDSTOP BED_MESH_PROFILE SET_STEPPER_ENABLE"
    " SET_KINEMATIC_POSITION SET_TMC_CURRENT SET_TMC_FIELD DUMP_TMC INIT_TMC SET_GCODE_OFFSET",
    "file_access": "M20 M21 M22 M23 M24 M26 M27 M28 M29 M30 M32 M33 M34 M36 M37 M38 M39 M98 M99 M470 M471"
    " M472 M559 M560 M808 M810 M820 M928 M929 SDCARD_PRINT_FILE SDCARD_RESET_FILE",
    "host_command": "M118 M291 M292 M408 M409 M876 RUN_SHELL_COMMAND RESPOND ACTION_CALL_REMOTE_METHOD"
    " CALL_REMOTE_METHOD UPDATE_DELAYED_GCODE SET_GCODE_VARIABLE",
    "network": "M540 M551 M552 M553 M554 M586 M587 M588 M589 M111",
    "protection_off": "M562 M570 M143 M85 M120 M121 M564 M999 M42 M280 M43 SET_PIN SET_SERVO"
    " SET_IDLE_TIMEOUT FORCE_MOVE MANUAL_STEPPER",
    "stop": "M112 M108 M410 M81 M80 EMERGENCY_STOP CANCEL_PRINT RESTART HOST_SHUTDOWN",
}
_PAUSES: Final = frozenset({"M0", "M1", "M25", "M226", "M600", "M601", "PAUSE"})

FORBIDDEN: Final = {
    name: f"toolpath.{kind}" for kind, names in _FORBIDDEN_WORDS.items() for name in names.split()
}
WHY: Final = {
    "toolpath.firmware_write": "writes or restarts the firmware",
    "toolpath.settings_write": "changes the machine's settings or calibration",
    "toolpath.file_access": "reads, writes or runs files of the machine",
    "toolpath.host_command": "acts on the host or on whoever stands beside the machine",
    "toolpath.network": "changes network access or debugging",
    "toolpath.protection_off": "moves or switches past the machine's protection",
    "toolpath.stop": "stops the machine or cuts into what it does",
}
_NAME = re.compile(r"([GMT])0*([0-9]{1,4}(?:\.[0-9])?)")


def _table(*texts: str) -> dict[str, str]:
    rows = (line.partition(" ") for text in texts for line in text.strip().splitlines())
    return {name: letters for name, _, letters in rows}


_ALLOWED: Final[dict[Dialect, dict[str, str]]] = {
    "marlin": _table(_EVERYWHERE, _MARLIN),
    "klipper": _table(_EVERYWHERE),
    "reprapfirmware": _table(_EVERYWHERE, _REPRAPFIRMWARE),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a command may have: these letters, or a text, or KEY=VALUE pairs."""

    letters: str = ""
    text: bool = False
    pairs: bool = False


def canonical(word: str) -> str:
    """The one name of a command: `M0104` is `M104`."""
    match = _NAME.fullmatch(word)
    return f"{match[1]}{match[2]}" if match else word


def rule_for(name: str, dialect: Dialect) -> Rule | None:
    """What `dialect` lets a toolpath do with `name`; None when it stands on no list."""
    if name in FORBIDDEN:
        return None
    if name in TEXT:
        return Rule(text=True)
    if name in _ALLOWED[dialect]:
        return Rule(_ALLOWED[dialect][name])
    if name in _PAUSES and dialect != "klipper":
        return Rule("PSXYZELTU")
    if dialect == "klipper" and name in _KLIPPER_WORDS:
        return Rule(pairs=True)
    return None


def pauses(name: str) -> bool:
    """Whether the machine waits for a person."""
    return name in _PAUSES
