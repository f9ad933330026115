"""A finding with the facets it is about, inside the sandbox; the answer carries the finding alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mesh_tools.findings import Finding

FacetNumbers = NDArray[np.int32]


def _none() -> FacetNumbers:
    return np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class Marked:
    """`facets` are numbers of facets in the model's body number `body`; empty where none can be named."""

    finding: Finding
    body: int = 0
    facets: FacetNumbers = field(default_factory=_none)
