"""What was sampled of one kind of distance, walls or gaps: the least, a low percentile, what falls short."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.printability.placed import Doubles
from mesh_tools.printability.sampling import Samples

ROUND = 0.98
"""A limit is met from this share of it on: facets cut into round walls, coordinates are rounded."""

SAMPLES_MIN = 3
"""So many samples must fall short before anything is said."""


@dataclass(frozen=True, eq=False)
class Spread:
    """Distances (n,) in mm at the samples, infinite where nothing is opposite."""

    samples: Samples
    distances: Doubles

    @property
    def least(self) -> float | None:
        """The smallest distance, None where nothing is opposite anything."""
        least = float(self.distances.min()) if len(self.distances) else np.inf
        return least if np.isfinite(least) else None

    @property
    def first_percentile(self) -> float | None:
        """A hundredth of the surface that has something opposite has it nearer than this."""
        spread = self.distances[: self.samples.spread]
        spread = spread[np.isfinite(spread)]
        return float(np.quantile(spread, 0.01, method="inverted_cdf")) if len(spread) else self.least

    def short(self, limit: float) -> NDArray[np.bool_]:
        """The samples (n,) that fall short of `limit`; none where they are too few to tell."""
        short = np.asarray(self.distances < limit * ROUND)
        return short if np.count_nonzero(short) >= SAMPLES_MIN else np.zeros_like(short)

    def share(self, chosen: NDArray[np.bool_]) -> float:
        """The share of the whole surface that samples so chosen stand for."""
        return float(np.count_nonzero(chosen[: self.samples.spread])) / max(1, self.samples.spread)
