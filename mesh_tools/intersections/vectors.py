"""Products of many vectors at once, axis by axis: (3, …) arrays, so that every step runs over whole rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
Numbers = NDArray[np.float64]


def cross(first: Vectors, second: Vectors) -> Vectors:
    """The cross products."""
    product = np.empty(np.broadcast_shapes(first.shape, second.shape))
    for axis in range(3):
        after, last = (axis + 1) % 3, (axis + 2) % 3
        np.multiply(first[after], second[last], out=product[axis])
        product[axis] -= first[last] * second[after]
    return product


def dot(first: Vectors, second: Vectors) -> Numbers:
    """The dot products."""
    product: Numbers = first[0] * second[0]
    product += first[1] * second[1]
    product += first[2] * second[2]
    return product
