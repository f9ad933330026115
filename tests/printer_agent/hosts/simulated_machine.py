"""A printer's parts behind a simulated controller: motors that count steps, end stops, heaters with sensors.

Times are 64-bit clocks of the controller. The physics are as simple as the firmware lets them be: a motor
takes each step when it is due, an end stop closes `HOMING_S` after it is armed, a heater warms by its duty,
which it takes at once, and loses a share of what it is above the room.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

FREQUENCY = 20_000_000
ADC_MAX = 4095
HOMING_S = 0.05
ROOM_C, FULL_SCALE_C = 25.0, 500.0
WARMING_C_PER_S, LOSS_PER_S = 60.0, 0.02
SENSOR_OF = 8
"""A heater's sensor sits so many pins after it."""
PINS = {"step": 0, "dir": 4, "heater": 8, "sensor": 16, "stop": 24, "fan": 28}
"""First pin of each kind; x, y, z, e and nozzle, bed follow in this order."""

Said: TypeAlias = tuple[str, tuple[int, ...]]
"""A response and its values."""


@dataclass
class Motor:
    """A stepper motor: where it is, and the steps it has yet to take."""

    position: int = 0
    forward: bool = False
    clock: int = 0
    halted: bool = False
    due: deque[tuple[int, int, int]] = field(default_factory=deque)

    def queue(self, interval: int, count: int, add: int) -> None:
        """Take `count` steps, the first in `interval` ticks, each pause `add` ticks longer than the last."""
        if self.halted:
            return
        begin, self.clock = self.clock, self.clock + interval * count + add * count * (count - 1) // 2
        self.due.append((begin, self.clock, count if self.forward else -count))

    def at(self, now: int) -> int:
        """Where the motor is; steps that are over are counted for good."""
        while self.due and self.due[0][1] <= now:
            self.position += self.due.popleft()[2]
        if not self.due or self.due[0][0] >= now:
            return self.position
        begin, end, steps = self.due[0]
        return self.position + int(steps * (now - begin) / (end - begin))

    def halt(self, now: int) -> None:
        """Stand still; take no steps until the clock is set anew."""
        self.position, self.halted = self.at(now), True
        self.due.clear()

    def reset(self, clock: int) -> None:
        self.clock, self.halted = clock, False


@dataclass
class Heater:
    """A heater with what it heats."""

    cycle: int = 1
    duty: float = 0.0
    celsius: float = ROOM_C
    seen: int = 0

    def warm(self, now: int) -> None:
        seconds = max(0, now - self.seen) / FREQUENCY
        self.celsius += (self.duty * WARMING_C_PER_S - (self.celsius - ROOM_C) * LOSS_PER_S) * seconds
        self.celsius = min(self.celsius, FULL_SCALE_C)
        self.seen = now


@dataclass
class Sensor:
    """An analogue input that reports every `rest` ticks; 0 to `ADC_MAX` are 0 to `FULL_SCALE_C`."""

    pin: int
    due: int = 0
    rest: int = 0
    samples: int = 0


@dataclass
class Trigger:
    """What halts motors together when an end stop closes, or when the host says so."""

    armed: bool = False
    reason: int = 0
    motors: list[int] = field(default_factory=list)


@dataclass
class Stop:
    """An end stop; `due` is when it closes, 0 where nobody waits for it."""

    trigger: int = 0
    reason: int = 0
    rest: int = 0
    due: int = 0
    closed_at: int = 0


class Machine:
    """All parts by their object number; `take` commands, `tick` as time goes by."""

    def __init__(self) -> None:
        self.now = 0
        self.said: list[Said] = []
        self.motors: dict[int, Motor] = {}
        self.outputs: dict[int, Heater] = {}
        self.heaters: dict[int, Heater] = {}
        self.sensors: dict[int, Sensor] = {}
        self.triggers: dict[int, Trigger] = {}
        self.stops: dict[int, Stop] = {}

    def take(self, name: str, values: list[int], now: int) -> list[Said]:
        """Do a command of the firmware; give what is answered. An unknown one is an AttributeError."""
        self.now, self.said = now, []
        getattr(self, f"do_{name}")(*values)
        return self.said

    def tick(self, now: int) -> list[Said]:
        """Do what is due; give what is reported unasked."""
        self.now, self.said = now, []
        for oid, sensor in self.sensors.items():
            if sensor.rest and sensor.due <= now:
                sensor.due = max(sensor.due + sensor.rest, now)
                self.say("analog_in_state", oid, sensor.due, self.measured(sensor))
        for stop in self.stops.values():
            if stop.due and stop.due <= now:
                stop.closed_at, stop.due = stop.due, 0
                if self.fire(stop.trigger, stop.reason, stop.closed_at):
                    self.do_trsync_report(stop.trigger)
        return self.said

    def say(self, name: str, *values: int) -> None:
        self.said.append((name, tuple(value & 0xFFFFFFFF for value in values)))

    def measured(self, sensor: Sensor) -> int:
        heater = self.heaters[sensor.pin - SENSOR_OF]
        heater.warm(self.now)
        return int(heater.celsius / FULL_SCALE_C * ADC_MAX * sensor.samples)

    def fire(self, oid: int, reason: int, at: int) -> bool:
        """Halt the trigger's motors; whether it was still armed."""
        trigger = self.triggers[oid]
        fired, trigger.armed = trigger.armed, False
        if fired:
            trigger.reason = reason
            for motor in trigger.motors:
                self.motors[motor].halt(at)
        return fired

    def do_config_stepper(self, oid: int, *_pins: int) -> None:
        self.motors[oid] = Motor()

    def do_queue_step(self, oid: int, interval: int, count: int, add: int) -> None:
        self.motors[oid].queue(interval, count, add - (1 << 32) if add >> 31 else add)

    def do_set_next_step_dir(self, oid: int, forward: int) -> None:
        self.motors[oid].forward = bool(forward)

    def do_reset_step_clock(self, oid: int, clock: int) -> None:
        self.motors[oid].reset(whole(clock, self.now))

    def do_stepper_get_position(self, oid: int) -> None:
        self.say("stepper_position", oid, self.motors[oid].at(self.now))

    def do_stepper_stop_on_trigger(self, oid: int, trigger: int) -> None:
        self.triggers[trigger].motors.append(oid)

    def do_config_trsync(self, oid: int) -> None:
        self.triggers[oid] = Trigger()

    def do_trsync_start(self, oid: int, report_clock: int, *_rest: int) -> None:
        """Arm it; at the machine's start, with no clock, it stays unarmed."""
        self.triggers[oid] = Trigger(armed=report_clock != 0)

    def do_trsync_set_timeout(self, _oid: int, _clock: int) -> None:
        """Do nothing: the line to the host does not break while its terminal is open."""

    def do_trsync_trigger(self, oid: int, reason: int) -> None:
        self.fire(oid, reason, self.now)
        self.do_trsync_report(oid)

    def do_trsync_report(self, oid: int) -> None:
        trigger = self.triggers[oid]
        self.say("trsync_state", oid, int(trigger.armed), trigger.reason, 0)

    def do_config_endstop(self, oid: int, *_pin: int) -> None:
        self.stops[oid] = Stop()

    def do_endstop_home(self, oid: int, clock: int, *rest: int) -> None:
        _ticks, count, pause, _value, trigger, reason = rest
        if count:
            closes = whole(clock, self.now) + int(HOMING_S * FREQUENCY)
            self.stops[oid] = Stop(trigger, reason, pause, closes)
        else:
            self.stops[oid].due = 0

    def do_endstop_query_state(self, oid: int) -> None:
        stop = self.stops[oid]
        self.say(
            "endstop_state", oid, int(stop.due != 0), stop.closed_at + stop.rest, int(stop.closed_at != 0)
        )

    def do_config_analog_in(self, oid: int, pin: int) -> None:
        self.sensors[oid] = Sensor(pin)

    def do_query_analog_in(self, oid: int, clock: int, *rest: int) -> None:
        _ticks, samples, pause, *_range = rest
        sensor = self.sensors[oid]
        sensor.due, sensor.samples, sensor.rest = whole(clock, self.now), samples, pause

    def do_config_digital_out(self, oid: int, pin: int, *_rest: int) -> None:
        self.outputs[oid] = self.heaters[pin] = Heater(seen=self.now)

    def do_set_digital_out_pwm_cycle(self, oid: int, ticks: int) -> None:
        self.outputs[oid].cycle = ticks

    def do_queue_digital_out(self, oid: int, _clock: int, on_ticks: int) -> None:
        output = self.outputs[oid]
        output.warm(self.now)
        output.duty = on_ticks / output.cycle


def whole(clock: int, now: int) -> int:
    """The 64-bit clock nearest to `now` with these lowest 32 bits."""
    return now + ((clock - now + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
