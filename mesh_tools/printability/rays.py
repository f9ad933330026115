"""First hits of rays on facets, by Embree, without a thread.

Embree's task scheduler counts the processors when it is first used and later makes threads of its own for
them. A forked child has none of its parent's threads and may make none, so the first use happens while this
thread may run on one processor only: the scheduler then never makes any. `settle` does that before the fork.
"""

from __future__ import annotations

import functools
import os

import numpy as np
from embreex.mesh_construction import TriangleMesh  # type: ignore[import-untyped]
from embreex.rtcore import EmbreeDevice  # type: ignore[import-untyped]
from embreex.rtcore_scene import EmbreeScene  # type: ignore[import-untyped]
from numpy.typing import NDArray

from mesh_tools.printability.placed import Placed, Singles

FacetNumbers = NDArray[np.int32]

_BASE_BYTES, _BYTES_PER_FACET = 136 << 20, 160


@functools.cache
def settle() -> None:
    """Make Embree's scheduler believe in one processor, once in a process and before its first use."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        _scene(np.eye(3, dtype=np.float32)[None])
    finally:
        os.sched_setaffinity(0, allowed)


class Rays:
    """Rays against the facets of a placed part. Robust: no ray slips between neighbours."""

    def __init__(self, placed: Placed) -> None:
        """MemoryError where there is too little memory for Embree's tree.

        Embree ends the process when it runs out, or only logs it: so as much is asked for beforehand, and a
        ray that must meet the part is cast afterwards.
        """
        settle()
        np.empty(_BASE_BYTES + _BYTES_PER_FACET * len(placed.corners), np.uint8)
        self._scene = _scene(placed.corners)
        broadest = int(placed.areas.argmax())
        inward = -placed.normals[broadest : broadest + 1]
        start = placed.corners[broadest].mean(axis=0) - inward * np.float32(placed.extent)
        if self.first_hits(start, inward)[0] < 0:
            raise MemoryError("Embree built no tree")

    def first_hits(self, origins: Singles, directions: Singles) -> FacetNumbers:
        """The facet (n,) that each ray of (n, 3) meets first, −1 where it meets none."""
        found = self._scene.run(np.ascontiguousarray(origins), np.ascontiguousarray(directions), output=True)
        facets: FacetNumbers = np.where(found["geomID"] < 0, -1, found["primID"]).astype(np.int32)
        return facets


def _scene(corners: Singles) -> EmbreeScene:
    scene = EmbreeScene(EmbreeDevice(), robust=True)
    TriangleMesh(scene, corners)
    nowhere = np.zeros((1, 3), np.float32)
    scene.run(nowhere, nowhere + 1, query="DISTANCE")
    return scene
