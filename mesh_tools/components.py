"""Connected components of a large sparse graph, vectorised: hook, compress, contract."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]


def components(nodes: int, first: Labels, second: Labels) -> Labels:
    """Label (n,) of each node: the smallest node of its component, given edges first[i]–second[i].

    Each round hooks the larger root of every edge below the smaller one (parents are always smaller,
    so there are no cycles), flattens the trees and keeps the edges that still join two trees.
    """
    parent = np.arange(nodes, dtype=np.int32)
    low, high = np.minimum(first, second), np.maximum(first, second)
    while len(low):
        parent[high] = low
        _flatten(parent)
        left, right = parent[low], parent[high]
        apart = left != right
        left, right = left[apart], right[apart]
        low, high = np.minimum(left, right), np.maximum(left, right)
    return parent


def _flatten(parent: Labels) -> None:
    while True:
        grandparent = parent[parent]
        if np.array_equal(grandparent, parent):
            return
        parent[:] = grandparent
