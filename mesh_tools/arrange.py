"""Where the parts of a plate stand: given by people, or packed by the boxes around them. Pure.

A part is turned about the vertical and moved so that the corner of its box with the lowest x and y stands at
a spot, its lowest point on the bed. Boxes must not overlap: what is decided by boxes before a print is
counted still holds when the meshes are there, as a turned part's own box is never larger than its box's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mesh_tools.errors import Refused

PARTS_MAX: Final = 16
GAP_MM: Final = 5.0
"""Room left between two parts that are packed."""
SLACK_MM: Final = 1e-6

Size = tuple[float, float]


@dataclass(frozen=True)
class Spot:
    """Where a part stands: the lowest corner of its box in mm, and its turn in degrees, counter-clockwise."""

    x_mm: float
    y_mm: float
    turn_deg: float = 0.0

    def to_json(self) -> dict[str, float]:
        """Give the spot as JSON."""
        return {"x_mm": self.x_mm, "y_mm": self.y_mm, "turn_deg": self.turn_deg}


@dataclass(frozen=True)
class Box:
    """A part's rectangle on the bed."""

    x: float
    y: float
    width: float
    depth: float

    def within(self, room: Size) -> bool:
        """Whether it lies on a bed of this size."""
        inside = self.x + self.width <= room[0] + SLACK_MM and self.y + self.depth <= room[1] + SLACK_MM
        return inside and self.x >= -SLACK_MM and self.y >= -SLACK_MM

    def meets(self, other: Box) -> bool:
        """Whether the two share more than an edge."""
        beside = self.x + self.width <= other.x + SLACK_MM or other.x + other.width <= self.x + SLACK_MM
        above = self.y + self.depth <= other.y + SLACK_MM or other.y + other.depth <= self.y + SLACK_MM
        return not (beside or above)


def turned(size: Size, turn_deg: float) -> Size:
    """Give the sides of the box around a box that is turned; exact for right angles."""
    quarter = turn_deg / 90.0
    if quarter == math.floor(quarter):
        return (size[1], size[0]) if int(quarter) % 2 else size
    cos, sin = abs(math.cos(math.radians(turn_deg))), abs(math.sin(math.radians(turn_deg)))
    return size[0] * cos + size[1] * sin, size[0] * sin + size[1] * cos


def box_at(size: Size, spot: Spot) -> Box:
    """Give the rectangle of a part with these sides at a spot."""
    return Box(spot.x_mm, spot.y_mm, *turned(size, spot.turn_deg))


def misplaced(sizes: Sequence[Size], spots: Sequence[Spot], room: Size) -> dict[int, str]:
    """Say what is wrong with spots, by the place of the part: off the bed, or upon another part."""
    boxes = [box_at(size, spot) for size, spot in zip(sizes, spots, strict=True)]
    wrong: dict[int, str] = {}
    for place, box in enumerate(boxes):
        if not box.within(room):
            sides = f"{box.width:.4g} × {box.depth:.4g} mm at {box.x:.4g}, {box.y:.4g}"
            wrong[place] = f"leaves the bed of {room[0]:.4g} × {room[1]:.4g} mm: {sides}"
            continue
        upon = next((other for other in range(place) if boxes[other].meets(box)), None)
        if upon is not None:
            wrong[place] = f"stands upon part {upon}"
    return wrong


def pack(sizes: Sequence[Size], room: Size, gap_mm: float = GAP_MM) -> tuple[Spot, ...] | None:
    """Give each part a spot, `gap_mm` apart; None where rows of them do not fit.

    Parts stand in rows, the deepest first, as they are or by a quarter turn; the first way that fits wins, so
    equal parts get equal spots wherever this is asked.
    """
    for quarters in _ways(sizes):
        found = _rows([turned(size, 90.0 * q) for size, q in zip(sizes, quarters, strict=True)], room, gap_mm)
        if found is not None:
            return tuple(Spot(x, y, 90.0 * q) for (x, y), q in zip(found, quarters, strict=True))
    return None


def require_placed(sizes: Sequence[Size], spots: Sequence[Spot], room: Size) -> None:
    """Raise Refused ("build.too_large") naming the first part that is off the bed or upon another."""
    for place, problem in sorted(misplaced(sizes, spots, room).items()):
        raise Refused("build.too_large", f"Part {place} of the plate {problem}.")


def _ways(sizes: Sequence[Size]) -> Iterator[list[int]]:
    """Quarter turns to try: none, all lying across the bed, all along it."""
    yield [0] * len(sizes)
    yield [int(depth > width) for width, depth in sizes]
    yield [int(width > depth) for width, depth in sizes]


def _rows(sizes: Sequence[Size], room: Size, gap_mm: float) -> list[tuple[float, float]] | None:
    """Lay parts in rows from the front; each goes into the first row that has room for it."""
    spots: dict[int, tuple[float, float]] = {}
    rows: list[list[float]] = []  # y, depth, where the next part stands
    for place in sorted(range(len(sizes)), key=lambda at: (-sizes[at][1], -sizes[at][0], at)):
        width, depth = sizes[place]
        row = next((r for r in rows if depth <= r[1] and r[2] + width <= room[0] + SLACK_MM), None)
        if row is None:
            y = rows[-1][0] + rows[-1][1] + gap_mm if rows else 0.0
            if width > room[0] + SLACK_MM or y + depth > room[1] + SLACK_MM:
                return None
            row = [y, depth, 0.0]
            rows.append(row)
        spots[place] = (row[2], row[0])
        row[2] += width + gap_mm
    return [spots[place] for place in range(len(sizes))]
