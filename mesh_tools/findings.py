"""The words of a verdict: findings, geometry, inspection, and their JSON form.

Every code is documented, with cause and cure, in docs/findings.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from mesh_tools.catalogue import advice_for, severity_for
from mesh_tools.toolpath_record import Toolpath

Severity = Literal["refuse", "warn", "info"]
Verdict = Literal["pass", "refuse"]
Blob = bytes
Point = tuple[float, float, float]
Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: a stable `code`, how bad, how often, where (mm), what it is and what cures it."""

    code: str
    severity: Severity
    count: int
    sample: Point | None
    message: str
    advice: str

    def to_json(self) -> dict[str, Any]:
        """The finding as plain JSON values."""
        return {
            "code": self.code,
            "severity": self.severity,
            "count": self.count,
            "sample": None if self.sample is None else list(self.sample),
            "message": self.message,
            "advice": self.advice,
        }

    @classmethod
    def from_json(cls, value: object) -> Finding:
        """Read what `to_json` wrote; ValueError on anything else."""
        row = _object(value, {"code", "severity", "count", "sample", "message", "advice"})
        severity = _text(row["severity"])
        if severity not in ("refuse", "warn", "info"):
            raise ValueError(f"unknown severity {severity!r}")
        sample = None if row["sample"] is None else _point(row["sample"])
        return cls(_text(row["code"]), cast("Severity", severity), _count(row["count"]), sample,
                   _text(row["message"]), _text(row["advice"]))  # fmt: skip


def finding(code: str, message: str, *, count: int = 1, sample: Point | None = None) -> Finding:
    """A finding with the catalogue's severity and advice for `code`."""
    return Finding(code, severity_for(code), count, _finite(sample), message, advice_for(code))


@dataclass(frozen=True, slots=True)
class Geometry:
    """What the part measures, in mm, with units and every instance's placement applied.

    `volume_mm3` is signed as the facets are wound; `bounds_mm` is (lowest corner, highest corner).
    `watertight`: every edge of every body joins exactly two facets that agree about the outside.

    Sampled where the part is watertight, else None: `wall_mm` and `gap_mm`, each the least distance between
    faces that look at each other, inward and outward, and its first percentile over the surface;
    `overhang_share`, what part of the surface leans more than its process builds without support.
    """

    facets: int
    vertices: int
    bodies: int
    shells: int
    volume_mm3: float
    area_mm2: float
    bounds_mm: tuple[Point, Point]
    watertight: bool
    wall_mm: Pair | None = None
    gap_mm: Pair | None = None
    overhang_share: float | None = None

    @property
    def size_mm(self) -> Point:
        """Extent along x, y and z."""
        low, high = self.bounds_mm
        return (high[0] - low[0], high[1] - low[1], high[2] - low[2])

    def to_json(self) -> dict[str, Any]:
        """The measures as plain JSON values."""
        return {
            "facets": self.facets,
            "vertices": self.vertices,
            "bodies": self.bodies,
            "shells": self.shells,
            "volume_mm3": self.volume_mm3,
            "area_mm2": self.area_mm2,
            "bounds_mm": [list(self.bounds_mm[0]), list(self.bounds_mm[1])],
            "watertight": self.watertight,
            "wall_mm": None if self.wall_mm is None else list(self.wall_mm),
            "gap_mm": None if self.gap_mm is None else list(self.gap_mm),
            "overhang_share": self.overhang_share,
        }

    @classmethod
    def from_json(cls, value: object) -> Geometry:
        """Read what `to_json` wrote; ValueError on anything else, also on NaN and infinity.

        What is sampled may be missing: descriptions made before it was measured lack it.
        """
        sampled = {"wall_mm": None, "gap_mm": None, "overhang_share": None}
        row = _object(sampled | value if isinstance(value, dict) else value, set(cls.__dataclass_fields__))
        bounds = row["bounds_mm"]
        if not isinstance(bounds, list) or len(bounds) != 2:
            raise ValueError("bounds_mm must be two points")
        if not isinstance(row["watertight"], bool):
            raise ValueError("watertight must be true or false")
        low, high = bounds
        return cls(
            facets=_count(row["facets"]),
            vertices=_count(row["vertices"]),
            bodies=_count(row["bodies"]),
            shells=_count(row["shells"]),
            volume_mm3=_number(row["volume_mm3"]),
            area_mm2=_number(row["area_mm2"]),
            bounds_mm=(_point(low), _point(high)),
            watertight=row["watertight"],
            wall_mm=None if row["wall_mm"] is None else _pair(row["wall_mm"]),
            gap_mm=None if row["gap_mm"] is None else _pair(row["gap_mm"]),
            overhang_share=None if row["overhang_share"] is None else _share(row["overhang_share"]),
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What a child found: the parent adds the policy's findings and the verdict."""

    format: str
    unit_known: bool
    findings: tuple[Finding, ...]
    geometry: Geometry | None
    thumbnail_png: Blob | None
    toolpath: Toolpath | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values, without the picture."""
        return {
            "format": self.format,
            "unit_known": self.unit_known,
            "findings": [found.to_json() for found in self.findings],
            "geometry": None if self.geometry is None else self.geometry.to_json(),
            "toolpath": None if self.toolpath is None else self.toolpath.to_json(),
        }

    @classmethod
    def from_json(cls, value: object, thumbnail_png: Blob | None) -> Report:
        """Read what `to_json` wrote; ValueError on anything else."""
        row = _object(value, {"format", "unit_known", "findings", "geometry", "toolpath"})
        form = row["format"]
        if not isinstance(form, str) or len(form) > 32:
            raise ValueError("format must be a short text")
        if not isinstance(row["unit_known"], bool) or not isinstance(row["findings"], list):
            raise ValueError("unit_known must be a boolean and findings a list")
        findings = tuple(Finding.from_json(found) for found in row["findings"])
        geometry = None if row["geometry"] is None else Geometry.from_json(row["geometry"])
        toolpath = None if row["toolpath"] is None else Toolpath.from_json(row["toolpath"])
        return cls(form, row["unit_known"], findings, geometry, thumbnail_png, toolpath)


@dataclass(frozen=True, slots=True)
class Inspection:
    """The gate's answer for one file. `verdict` is `pass` only when no finding refuses.

    `format` is the format as read ("stl-binary", "stl-ascii", "3mf", … or "unknown"), `sha256` and
    `bytes` describe the input as received, `seconds` the whole inspection, `thumbnail_png` a picture. A part
    has `geometry`; G-code has `toolpath` instead, and the JSON form has that key only then.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    geometry: Geometry | None
    format: str
    sha256: Blob
    bytes: int
    seconds: float
    thumbnail_png: Blob | None = None
    toolpath: Toolpath | None = None

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """The findings that refuse, in the order found."""
        return tuple(found for found in self.findings if found.severity == "refuse")

    def to_json(self) -> dict[str, Any]:
        """The inspection as plain JSON values, without the picture."""
        figures = {} if self.toolpath is None else {"toolpath": self.toolpath.to_json()}
        return {
            "verdict": self.verdict,
            "findings": [found.to_json() for found in self.findings],
            "geometry": None if self.geometry is None else self.geometry.to_json(),
            "format": self.format,
            "sha256": self.sha256.hex(),
            "bytes": self.bytes,
            "seconds": round(self.seconds, 6),
            **figures,
        }


def _object(value: object, names: set[str]) -> Mapping[str, object]:
    if not isinstance(value, dict) or set(value) != names:
        raise ValueError(f"expected an object with exactly {sorted(names)}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 4096:
        raise ValueError("expected a text of at most 4096 characters")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError("expected a count")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("expected a finite number")
    return float(value)


def _pair(value: object) -> Pair:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("expected two lengths, the smaller first")
    least, percentile = _number(value[0]), _number(value[1])
    if not 0 <= least <= percentile:
        raise ValueError("expected two lengths, the smaller first")
    return (least, percentile)


def _share(value: object) -> float:
    share = _number(value)
    if not 0 <= share <= 1:
        raise ValueError("expected a share between 0 and 1")
    return share


def _point(value: object) -> Point:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("expected a point of three numbers")
    return (_number(value[0]), _number(value[1]), _number(value[2]))


def _finite(point: Point | None) -> Point | None:
    if point is None or not all(math.isfinite(axis) for axis in point):
        return None
    return (float(point[0]), float(point[1]), float(point[2]))
