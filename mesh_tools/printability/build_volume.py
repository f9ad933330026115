"""Does the part fit the build volume in a turn that the policy allows?

By its box first. Where that does not settle it, by its convex hull: turns about the vertical are decided
exactly (`footprint`); tilted any way, it is a search over many ways up, each with the exact turn about the
vertical: what it finds fits, what it does not find it says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mesh_tools.findings import Finding, finding
from mesh_tools.gate import FIT_SLACK_MM, Sides, fits, lengths, never_fits, right_angle_turns
from mesh_tools.policy.words import Rotations
from mesh_tools.printability.footprint import least_excess
from mesh_tools.printability.hull import coarse_hull, directions, hull_outline, hull_points
from mesh_tools.printability.placed import Doubles, Placed

WAYS_UP = 500

_REFINED = 6
_STEPS_DEGREES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.1)


@dataclass(frozen=True, eq=False)
class Turn:
    """The direction of the part that points up in the best turn found, and by how much it sticks out of the
    build volume then: it fits where `excess` (mm) is not above the slack. `tried` ways up were looked at."""

    up: Doubles
    excess: float
    tried: int

    @property
    def fits(self) -> bool:
        """Whether the part fits in this turn."""
        return self.excess <= FIT_SLACK_MM


def build_findings(placed: Placed, size: Sides, room: Sides, rotations: Rotations) -> list[Finding]:
    """`build.turned`, `build.too_large`, or nothing where the part of that size fits as it stands."""
    if fits(size, room):
        return []
    text = f"{lengths(size)} into {lengths(room)}"
    if any(fits([size[axis] for axis in order], room) for order in right_angle_turns(rotations)):
        return [finding("build.turned", f"The part fits only turned: {text}.")]
    if never_fits(size, room, rotations):
        return [finding("build.too_large", f"The part does not fit the build volume: {text}.")]
    turn = best_turn(hull_points(placed), room, rotations)
    if turn.fits:
        up = ", ".join(f"{axis:.3f}" for axis in turn.up)
        message = f"The part fits only turned, with ({up}) up and turned about it: {text}."
        return [finding("build.turned", message)]
    searched = f" A search of {turn.tried} ways up found no fit." if rotations == "any" else ""
    return [finding("build.too_large", f"The part does not fit the build volume: {text}.{searched}")]


def best_turn(points: Doubles, room: Sides, rotations: Rotations) -> Turn:
    """The turn in which the hull's corners (n, 3) stick out least; the first that fits."""
    axes = np.eye(3)[::-1]
    if rotations != "any":
        return _best(points, axes[:1] if rotations == "about_z" else axes, room, 0.0)[0]
    coarse, margin = coarse_hull(points)
    _, _, principal = np.linalg.svd(coarse - coarse.mean(axis=0), full_matrices=False)
    ways = np.concatenate([axes, principal, directions(2 * WAYS_UP)[:WAYS_UP]])
    turns = _best(coarse, ways, room, margin)
    tried = turns[0].tried
    for turn in turns[:_REFINED]:
        for degrees in _STEPS_DEGREES:
            if turns[0].fits:
                return replace(turns[0], tried=tried)
            closer = _best(coarse, _about(turn.up, degrees), room, margin)[0]
            tried += closer.tried
            turn = min(turn, closer, key=_excess)
            turns[0] = min(turns[0], turn, key=_excess)
    return replace(turns[0], tried=tried)


def _best(points: Doubles, ways: Doubles, room: Sides, margin: float) -> list[Turn]:
    """A turn for each way up, the best first; ends at the first that fits. `margin`: how far the part sticks
    out of `points`."""
    turns: list[Turn] = []
    for up in ways:
        turns.append(Turn(up, _excess_of(points, up, room) + 2 * margin, len(turns) + 1))
        if turns[-1].fits:
            break
    tried = len(turns)
    return [replace(turn, tried=tried) for turn in sorted(turns, key=_excess)]


def _excess(turn: Turn) -> float:
    return turn.excess


def _excess_of(points: Doubles, up: Doubles, room: Sides) -> float:
    frame = _frame(up)
    tall = float(np.ptp(points @ frame[2])) - room[2]
    if tall > max(room):
        return tall
    return max(tall, least_excess(hull_outline(points @ frame[:2].T), room[0], room[1])[0])


def _about(up: Doubles, degrees: float) -> Doubles:
    """Six directions around `up`, tilted by `degrees`."""
    turns = np.arange(6) * np.pi / 3
    frame = _frame(up)
    tilt = np.tan(np.radians(degrees))
    ways: Doubles = up + tilt * (np.cos(turns)[:, None] * frame[0] + np.sin(turns)[:, None] * frame[1])
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    return ways


def _frame(up: Doubles) -> Doubles:
    """Rows of a rotation whose last is `up`."""
    side = np.eye(3)[int(np.abs(up).argmin())]
    first = np.cross(side, up)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(up, first), up])
