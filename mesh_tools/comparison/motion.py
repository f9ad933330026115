"""Similarities of space: how a file's part was turned, moved, scaled or mirrored against its master."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mesh_tools.comparison.solid import Floats, Solid


@dataclass(frozen=True, eq=False)
class Motion:
    """p' = p · `linear` + `shift` (row vectors, mm) takes the file's points onto the master's."""

    linear: Floats
    shift: Floats

    @classmethod
    def none(cls) -> Self:
        """The motion that leaves all where it is."""
        return cls(np.eye(3), np.zeros(3))

    @property
    def scale(self) -> float:
        """Lengths in the master for each length in the file."""
        return float(abs(np.linalg.det(self.linear)) ** (1 / 3))

    @property
    def mirrors(self) -> bool:
        """Whether left becomes right."""
        return bool(np.linalg.det(self.linear) < 0)

    @property
    def angle(self) -> float:
        """Turn in radians, without a mirroring."""
        turn = self.linear / self.scale * (-1 if self.mirrors else 1)
        return float(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))

    def of_points(self, points: Floats) -> Floats:
        """Points (…, 3), moved."""
        return points @ self.linear + self.shift

    def of_solid(self, solid: Solid) -> Solid:
        """The solid, moved, its facets wound outward."""
        corners = self.of_points(solid.corners)
        return Solid(np.ascontiguousarray(corners[:, ::-1] if self.mirrors else corners))

    def then(self, turn: Floats, shift: Floats) -> Motion:
        """This motion followed by another."""
        return Motion(self.linear @ turn, self.shift @ turn + shift)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values: how the master's part became the file's."""
        back = np.linalg.inv(self.linear)
        return {
            "linear": back.tolist(),
            "shift_mm": (-self.shift @ back).tolist(),
            "angle_deg": float(np.rad2deg(self.angle)),
            "factor": 1 / self.scale,
            "mirrored": self.mirrors,
        }
