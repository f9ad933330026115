"""Connected components of a large sparse graph, vectorised: hook, compress, contract."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]

_BLOCK = 1 << 15


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
    """Point every node to its root. Parents are smaller: blocks before the one at work are done already."""
    for start in range(0, len(parent), _BLOCK):
        block = parent[start : start + _BLOCK]
        while True:
            grandparent = parent[block]
            if np.array_equal(grandparent, block):
                break
            block[:] = grandparent
