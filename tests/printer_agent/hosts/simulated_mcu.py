"""A micro-controller of Klipper's protocol on a pseudo-terminal, before a simulated machine.

Run as `python -m tests.printer_agent.hosts.simulated_mcu LINK`: the terminal's name is put at LINK. Protocol:
Klipper's "Protocol" and "MCU commands" pages; blocks of length, sequence, content, CRC-16 (X.25) and 0x7E,
integers in its variable-length form.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
import tty
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.printer_agent.hosts.simulated_machine import ADC_MAX, FREQUENCY, PINS, Machine

TICK_S = 0.005
SYNC, SEQUENCE_MASK, DESTINATION = 0x7E, 0x0F, 0x10
ENDSTOP_HOME = (
    "endstop_home oid=%c clock=%u sample_ticks=%u sample_count=%c rest_ticks=%u pin_value=%c"
    " trsync_oid=%c trigger_reason=%c"
)
QUERY_ANALOG_IN = (
    "query_analog_in oid=%c clock=%u sample_ticks=%u sample_count=%c rest_ticks=%u min_value=%hu"
    " max_value=%hu range_check_count=%c"
)
MACHINE_COMMANDS = (
    "config_stepper oid=%c step_pin=%c dir_pin=%c invert_step=%c step_pulse_ticks=%u",
    "queue_step oid=%c interval=%u count=%hu add=%hi",
    "set_next_step_dir oid=%c dir=%c",
    "reset_step_clock oid=%c clock=%u",
    "stepper_get_position oid=%c",
    "stepper_stop_on_trigger oid=%c trsync_oid=%c",
    "config_trsync oid=%c",
    "trsync_start oid=%c report_clock=%u report_ticks=%u expire_reason=%c",
    "trsync_set_timeout oid=%c clock=%u",
    "trsync_trigger oid=%c reason=%c",
    "config_endstop oid=%c pin=%c pull_up=%c",
    ENDSTOP_HOME,
    "endstop_query_state oid=%c",
    "config_analog_in oid=%c pin=%u",
    QUERY_ANALOG_IN,
    "config_digital_out oid=%c pin=%u value=%c default_value=%c max_duration=%u",
    "set_digital_out_pwm_cycle oid=%c cycle_ticks=%u",
    "queue_digital_out oid=%c clock=%u on_ticks=%u",
)
COMMANDS = (
    "identify offset=%u count=%c",
    "allocate_oids count=%c",
    "get_config",
    "finalize_config crc=%u",
    "get_clock",
    "get_uptime",
    "emergency_stop",
    "clear_shutdown",
    "config_reset",
    "reset",
    *MACHINE_COMMANDS,
)
RESPONSES = (
    "identify_response offset=%u data=%.*s",
    "config is_config=%c crc=%u is_shutdown=%c move_count=%hu",
    "clock clock=%u",
    "uptime high=%u clock=%u",
    "stepper_position oid=%c pos=%i",
    "trsync_state oid=%c can_trigger=%c trigger_reason=%c clock=%u",
    "endstop_state oid=%c homing=%c next_clock=%u pin_value=%c",
    "analog_in_state oid=%c next_clock=%u value=%hu",
)
FIXED = {RESPONSES[0]: 0, COMMANDS[0]: 1}
CONSTANTS = {
    "CLOCK_FREQ": FREQUENCY,
    "MCU": "simulated",
    "STATS_SUMSQ_BASE": 256,
    "RECEIVE_WINDOW": 192,
    "ADC_MAX": ADC_MAX,
}
PIN_NUMBERS = {f"{kind}{number}": first + number for kind, first in PINS.items() for number in range(4)}


def numbers(first: int, words: tuple[str, ...]) -> dict[str, int]:
    """Give each message its number; the two of `identify` have theirs by the protocol."""
    free = [word for word in words if word not in FIXED]
    return {word: FIXED[word] for word in words if word in FIXED} | {w: first + i for i, w in enumerate(free)}


COMMAND_IDS, RESPONSE_IDS = numbers(2, COMMANDS), numbers(60, RESPONSES)
NAMES = {number: text.split()[0] for text, number in COMMAND_IDS.items()}
COUNTS = {number: text.count("%") for text, number in COMMAND_IDS.items()}
RESPONSE_OF = {text.split()[0]: number for text, number in RESPONSE_IDS.items()}
DICTIONARY = zlib.compress(
    json.dumps(
        {
            "commands": COMMAND_IDS,
            "responses": RESPONSE_IDS,
            "config": CONSTANTS,
            "version": "simulated",
            "build_versions": "",
            "app": "Klipper",
            "enumerations": {"pin": PIN_NUMBERS},
        }
    ).encode()
)


def crc16(data: bytes) -> bytes:
    crc = 0xFFFF
    for byte in data:
        byte ^= crc & 0xFF
        byte ^= (byte & 0x0F) << 4
        crc = ((byte << 8) | (crc >> 8)) ^ (byte >> 4) ^ (byte << 3)
    return (crc & 0xFFFF).to_bytes(2, "big")


def encoded(value: int) -> bytes:
    """Write an unsigned integer of 32 bits in groups of seven bits, the highest first."""
    signed = value - (1 << 32) if value >= 1 << 31 else value
    out = [signed & 0x7F]
    low, high = -0x20, 0x60
    shift = 7
    while not low <= signed < high and shift < 35:
        out.append((signed >> shift) & 0x7F | 0x80)
        low, high, shift = low << 7, high << 7, shift + 7
    return bytes(reversed(out))


def decoded(content: bytes, at: int) -> tuple[int, int]:
    """Read one integer; give it as unsigned 32 bits, and where the next begins."""
    byte = content[at]
    value = byte & 0x7F
    if byte & 0x60 == 0x60:
        value |= -0x20
    while byte & 0x80:
        at += 1
        byte = content[at]
        value = (value << 7) | (byte & 0x7F)
    return value & 0xFFFFFFFF, at + 1


class Mcu:
    """The state of the controller: its clock, the configuration it was given, and its machine."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.next = DESTINATION
        self.configured = 0
        self.stopped = False

    def take(self, block: bytes) -> Iterator[bytes]:
        """Take one block; give the blocks that answer it."""
        if block[1] == self.next:
            self.next = ((block[1] + 1) & SEQUENCE_MASK) | DESTINATION
            yield from (self.block(answer) for answer in self.answers(block[2:-3]))
        yield self.block(b"")

    def block(self, content: bytes) -> bytes:
        head = bytes([len(content) + 5, self.next]) + content
        return head + crc16(head) + bytes([SYNC])

    def answers(self, content: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(content):
            number, at = decoded(content, at)
            values = []
            for _ in range(COUNTS[number]):
                value, at = decoded(content, at)
                values.append(value)
            yield from self.answer(NAMES[number], values)

    def answer(self, name: str, values: list[int]) -> Iterator[bytes]:
        clock = ticks()
        if name == "identify":
            piece = DICTIONARY[values[0] : values[0] + values[1]]
            yield b"\x00" + encoded(values[0]) + bytes([len(piece)]) + piece
        elif name == "get_clock":
            yield said("clock", clock & 0xFFFFFFFF)
        elif name == "get_uptime":
            yield said("uptime", clock >> 32, clock & 0xFFFFFFFF)
        elif name == "get_config":
            yield said("config", int(self.configured != 0), self.configured, int(self.stopped), 512)
        elif name == "finalize_config":
            self.configured = values[0]
        elif name == "emergency_stop":
            self.stopped = True
        elif name == "clear_shutdown":
            self.stopped = False
        elif name in ("config_reset", "reset"):
            self.stopped, self.configured, self.machine = False, 0, Machine()
        elif name != "allocate_oids":
            yield from (said(word, *values) for word, values in self.machine.take(name, values, clock))

    def unasked(self) -> bytes:
        """The blocks of what the machine reports by itself."""
        return b"".join(self.block(said(word, *values)) for word, values in self.machine.tick(ticks()))


def ticks() -> int:
    """The controller's clock."""
    return int(time.monotonic() * FREQUENCY)


def said(name: str, *values: int) -> bytes:
    return encoded(RESPONSE_OF[name]) + b"".join(encoded(value) for value in values)


def serve(descriptor: int) -> None:
    """Answer and report until the terminal is closed."""
    mcu, waiting = Mcu(), b""
    while True:
        readable, _, _ = select.select([descriptor], [], [], TICK_S)
        waiting += os.read(descriptor, 4096) if readable else b""
        answers = []
        while found := first_block(waiting):
            block, waiting = found
            answers += list(mcu.take(block)) if block else []
        os.write(descriptor, b"".join(answers) + mcu.unasked())


def first_block(waiting: bytes) -> tuple[bytes, bytes] | None:
    """Split the first block off, empty where a byte is noise; None where it has not come in full."""
    length = waiting[0] if waiting else 0
    if waiting and not 5 <= length <= 64:
        return b"", waiting[1:]
    if not waiting or len(waiting) < length:
        return None
    block = waiting[:length]
    if block[-1] != SYNC or crc16(block[:-3]) != block[-3:-1]:
        return b"", waiting[1:]
    return block, waiting[length:]


if __name__ == "__main__":
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    Path(sys.argv[1]).symlink_to(os.ttyname(theirs))
    serve(ours)
