"""What a machine can do, and which words it understands: the part of a policy that toolpaths are held to."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, cast

from mesh_tools.errors import PolicyInvalid

Dialect = Literal["marlin", "klipper", "reprapfirmware"]
Corner = tuple[float, float, float]

DIALECTS: Final = ("marlin", "klipper", "reprapfirmware")
TOOLS_MAX: Final = 64
_FIGURE_MAX: Final = 1e7
_MACRO = re.compile(r"[A-Z_][A-Z0-9_]{2,63}|[GM][0-9]{1,4}(\.[0-9])?")
_ABOVE_ZERO = ("temperature_c_max", "feed_mm_s_max", "acceleration_mm_s2_max")
_NOT_BELOW_ZERO = ("bed_c_max", "chamber_c_max")


@dataclass(frozen=True, slots=True)
class MachineLimits:
    """Temperatures in °C, feed rates in mm/s, accelerations in mm/s², corners in mm.

    `reach_mm` is the lowest and the highest corner that the nozzle may be sent to; None takes the policy's
    build volume from (0, 0, 0). `home_mm` is where homing leaves the nozzle. `macros` are further words that
    the machine's own configuration defines and its operator vouches for: their effect is not seen, only their
    values are held to the temperatures. Those in `homing_macros` home the machine as well.
    """

    temperature_c_max: float
    bed_c_max: float
    feed_mm_s_max: float
    acceleration_mm_s2_max: float
    dialect: Dialect = "marlin"
    chamber_c_max: float = 0.0
    tools: int = 1
    reach_mm: tuple[Corner, Corner] | None = None
    home_mm: Corner = (0.0, 0.0, 0.0)
    macros: tuple[str, ...] = ()
    homing_macros: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise PolicyInvalid(f"dialect {self.dialect!r} is not one of {', '.join(DIALECTS)}")
        for name in (*_ABOVE_ZERO, *_NOT_BELOW_ZERO):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (name in _ABOVE_ZERO and not value):
                raise PolicyInvalid(f"{name} {value!r} is not a possible limit")
        if not 1 <= self.tools <= TOOLS_MAX:
            raise PolicyInvalid(f"tools {self.tools!r} is not between 1 and {TOOLS_MAX}")
        corners = (self.home_mm, *(self.reach_mm or ()))
        if not all(math.isfinite(axis) for corner in corners for axis in corner):
            raise PolicyInvalid("home_mm and reach_mm must be finite")
        if self.reach_mm is not None and not all(a < b for a, b in zip(*self.reach_mm, strict=True)):
            raise PolicyInvalid(f"reach_mm {self.reach_mm!r} is not a lowest and a highest corner")
        wrong = [name for name in (*self.macros, *self.homing_macros) if not _MACRO.fullmatch(name)]
        if wrong:
            raise PolicyInvalid(f"macros {wrong} are not names in capitals or commands such as M620")

    def to_json(self) -> dict[str, Any]:
        """The limits as plain JSON values."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("home_mm", "macros", "homing_macros"):
            plain[name] = list(plain[name])
        plain["reach_mm"] = None if self.reach_mm is None else [list(corner) for corner in self.reach_mm]
        return plain

    @classmethod
    def from_json(cls, value: object) -> MachineLimits:
        """Read what `to_json` wrote; absent keys with a default take it; PolicyInvalid on anything else."""
        if not isinstance(value, Mapping):
            raise PolicyInvalid("machine limits must be an object")
        unknown = set(value) - {field.name for field in fields(cls)}
        missing = {*_ABOVE_ZERO, "bed_c_max"} - set(value)
        if unknown or missing:
            raise PolicyInvalid(f"machine limits: unknown {sorted(unknown)}, missing {sorted(missing)}")
        given: dict[str, Any] = dict(value)
        for name in (*_ABOVE_ZERO, *_NOT_BELOW_ZERO):
            if name in given:
                given[name] = _number(given[name], name)
        if "tools" in given and (isinstance(given["tools"], bool) or not isinstance(given["tools"], int)):
            raise PolicyInvalid(f"tools {given['tools']!r} is not a count")
        if "home_mm" in given:
            given["home_mm"] = _corner(given["home_mm"], "home_mm")
        if given.get("reach_mm") is not None:
            given["reach_mm"] = _corners(given["reach_mm"])
        for name in ("macros", "homing_macros"):
            if name in given:
                given[name] = _names(given[name], name)
        return cls(**given)


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PolicyInvalid(f"{name} {value!r} is not a number")
    if abs(value) > _FIGURE_MAX:
        raise PolicyInvalid(f"{name} is beyond any machine's: above {_FIGURE_MAX:g}")
    return float(value)


def _corner(value: object, name: str) -> Corner:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise PolicyInvalid(f"{name} {value!r} is not a corner of three numbers")
    return cast("Corner", tuple(_number(axis, name) for axis in value))


def _corners(value: object) -> tuple[Corner, Corner]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise PolicyInvalid(f"reach_mm {value!r} is not two corners")
    return _corner(value[0], "reach_mm"), _corner(value[1], "reach_mm")


def _names(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise PolicyInvalid(f"{name} {value!r} is not a list of names")
    return tuple(value)
