"""A furniture leg cap: the plug that closes a round tube leg and stands on the floor. Writes binary STL.

    python examples/parts/leg_cap.py -o leg_cap.stl --tube-inner 22 --flange 28

The cap is one surface of revolution over a closed profile: a domed foot, a gripped flange, a plug with
barbs that hold in the tube, and a hollow with stiffening ribs. All lengths are mm. `--open` leaves a hole
in the wall, to see the gate refuse the part.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Facets = NDArray[np.int64]

_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = b"PartVault example: furniture leg cap, mm"


@dataclass(frozen=True)
class LegCap:
    """The measures of a cap in mm. `tube_inner` is the inner diameter of the tube that it closes."""

    tube_inner: float = 22.0
    flange: float = 28.0
    plug_height: float = 20.0
    flange_height: float = 4.0
    dome: float = 2.5
    wall: float = 2.0
    barbs: int = 5
    barb_reach: float = 0.7
    ribs: int = 6
    grips: int = 36
    segments: int = 216

    def check(self) -> None:
        """ValueError, naming the measure, when the cap cannot be made."""
        lengths = ("tube_inner", "flange", "plug_height", "flange_height", "dome", "wall")
        for name in lengths:
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} must be a positive length in mm")
        if self.flange < self.tube_inner + 2:
            raise ValueError("flange must be 2 mm wider than tube_inner, or the cap slips into the tube")
        if self.wall > self.tube_inner / 4:
            raise ValueError("wall must be at most a quarter of tube_inner")
        if self.plug_height < 2 * self.barbs or self.segments < 24:
            raise ValueError("plug_height must allow 2 mm for each barb, and segments be at least 24")


@dataclass(frozen=True)
class _Ring:
    """One circle of the surface: radius, height, and how strongly grips or inner ribs shape it."""

    radius: float
    height: float
    grip: float = 0.0
    rib: float = 0.0


def build(cap: LegCap) -> tuple[Points, Facets]:
    """Vertices (v, 3) in mm and facets (n, 3), closed and wound outward."""
    cap.check()
    rings = [*_foot(cap), *_plug(cap), *_hollow(cap)]
    angles = np.linspace(0, 2 * math.pi, cap.segments, endpoint=False)
    circles = [_circle(ring, angles, cap) for ring in rings]
    bottom, top = np.array([[0.0, 0.0, 0.0]]), np.array([[0.0, 0.0, _floor(cap)]])
    points = np.concatenate([bottom, *circles, top])
    return points, _facets(len(rings), cap.segments)


def _foot(cap: LegCap) -> list[_Ring]:
    """From the middle of the dome, which has a flat landing, round the flange to the foot of the plug."""
    radius, landing = cap.flange / 2, cap.flange * 0.16
    base, top = cap.dome, cap.dome + cap.flange_height
    rings = [_Ring(landing * share, 0.0) for share in (0.5, 1.0)]
    turns = np.linspace(0.12, 1, 10) * math.pi / 2
    reach = radius - 0.6 - landing
    rings += [_Ring(landing + reach * math.sin(turn), base * (1 - math.cos(turn))) for turn in turns]
    rings += [_Ring(radius - 0.2, base + 0.25, 0.3), _Ring(radius, base + 0.7, 1.0)]
    rings += [_Ring(radius, top - 0.9, 1.0), _Ring(radius - 0.15, top - 0.4, 0.4)]
    rings.append(_Ring(radius - 0.5, top - 0.1))
    rings.append(_Ring(radius - 0.9, top))
    return rings


def _plug(cap: LegCap) -> list[_Ring]:
    """Up the plug: barbs that rise gently and end sharply, so that they go in easily and hold."""
    shaft = cap.tube_inner / 2 - cap.barb_reach
    bottom = cap.dome + cap.flange_height
    rings = [_Ring(shaft + 0.35, bottom), _Ring(shaft, bottom + 0.35)]
    pitch = (cap.plug_height - 3.0) / cap.barbs
    for number in range(cap.barbs):
        low = bottom + 0.9 + number * pitch
        reach = shaft + cap.barb_reach * (1.25 if number < cap.barbs - 1 else 1.0)
        rings += [_Ring(shaft, low), _Ring(reach - 0.1, low + 0.12), _Ring(reach, low + 0.3)]
        rings += [_Ring(reach - 0.05, low + 0.5), _Ring(shaft, low + pitch * 0.78)]
    top = bottom + cap.plug_height
    rings += [_Ring(shaft, top - 1.2), _Ring(shaft - 0.7, top - 0.15), _Ring(shaft - 0.9, top)]
    return rings


def _hollow(cap: LegCap) -> list[_Ring]:
    """Down the inside, with ribs that fade in below the rim and end in the floor."""
    inner = cap.tube_inner / 2 - cap.barb_reach - cap.wall
    top, floor = cap.dome + cap.flange_height + cap.plug_height, _floor(cap)
    depth = top - floor
    rings = [_Ring(inner + 0.35, top), _Ring(inner, top - 0.35)]
    rings += [_Ring(inner, top - depth * 0.12), _Ring(inner, top - depth * 0.16, rib=1.0)]
    rings.append(_Ring(inner, top - depth * 0.55, rib=1.0))
    rings += [_Ring(inner, floor + 1.0, rib=1.0), _Ring(inner - 0.3, floor + 0.3, rib=1.0)]
    rings += [_Ring(inner - 1.0, floor, rib=0.8), _Ring(inner * 0.4, floor)]
    return rings


def _floor(cap: LegCap) -> float:
    return cap.dome + max(cap.wall, cap.flange_height * 0.6)


def _circle(ring: _Ring, angles: Points, cap: LegCap) -> Points:
    grip = 0.3 * ring.grip * (np.cos(cap.grips * angles) - 1)
    wave = np.clip(np.cos(cap.ribs * angles) * 3.5 - 2.4, 0, 1)
    rib = ring.rib * wave * cap.tube_inner * 0.11
    radius = ring.radius + grip - rib
    return np.stack(
        [radius * np.cos(angles), radius * np.sin(angles), np.full_like(angles, ring.height)], axis=1
    )


def _facets(rings: int, segments: int) -> Facets:
    """Two fans at the ends of the axis and strips of quads between the rings, each quad cut in two."""
    here = np.arange(segments)
    following = (here + 1) % segments
    centre_top = 1 + rings * segments
    pieces = [np.stack([np.zeros(segments, np.int64), 1 + following, 1 + here], axis=1)]
    for ring in range(rings - 1):
        low, high = 1 + ring * segments, 1 + (ring + 1) * segments
        pieces.append(np.stack([low + here, low + following, high + here], axis=1))
        pieces.append(np.stack([low + following, high + following, high + here], axis=1))
    last = 1 + (rings - 1) * segments
    pieces.append(np.stack([last + here, last + following, np.full(segments, centre_top)], axis=1))
    return np.concatenate(pieces)


def cut_hole(points: Points, facets: Facets, cap: LegCap) -> Facets:
    """The facets without a window of about 6 × 6 mm in the outer wall of the plug."""
    corners = points[facets]
    low, high = corners.min(axis=1), corners.max(axis=1)
    height = cap.dome + cap.flange_height + cap.plug_height / 2
    distance = np.hypot(corners[:, :, 0], corners[:, :, 1]).min(axis=1)
    outside = distance > cap.tube_inner / 2 - cap.barb_reach - cap.wall / 2
    across = (low[:, 0] > -3) & (high[:, 0] < 3) & (high[:, 1] < 0)
    along = (low[:, 2] > height - 4.5) & (high[:, 2] < height + 4.5)
    kept: Facets = facets[~(outside & across & along)]
    return kept


def write_stl(path: Path, points: Points, facets: Facets) -> None:
    """Write binary STL; every corner of a vertex has the same float32, so that edges close exactly."""
    corners = points.astype(np.float32)[facets]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    records = np.zeros(len(facets), _RECORD)
    records["normal"] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    records["corners"] = corners
    path.write_bytes(_HEADER.ljust(80) + len(facets).to_bytes(4, "little") + records.tobytes())


def main() -> None:
    """Command line: measures in mm, where to write, and `--open`."""
    standard = LegCap()
    parser = argparse.ArgumentParser(description="Make a furniture leg cap as binary STL; lengths in mm.")
    parser.add_argument("-o", "--output", type=Path, default=Path("leg_cap.stl"))
    for name in ("tube_inner", "flange", "plug_height", "flange_height", "dome", "wall", "barb_reach"):
        parser.add_argument("--" + name.replace("_", "-"), type=float, default=getattr(standard, name))
    for name in ("barbs", "ribs", "grips", "segments"):
        parser.add_argument("--" + name, type=int, default=getattr(standard, name))
    parser.add_argument("--open", action="store_true", help="leave a hole in the wall")
    chosen = vars(parser.parse_args())
    output, leave_open = chosen.pop("output"), chosen.pop("open")
    cap = LegCap(**chosen)
    try:
        points, facets = build(cap)
    except ValueError as error:
        parser.error(str(error))
    if leave_open:
        facets = cut_hole(points, facets, cap)
    write_stl(output, points, facets)
    print(f"{output}: {len(facets)} facets, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
