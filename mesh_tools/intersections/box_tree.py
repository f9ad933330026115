"""A tree of boxes for finding which of a million of them overlap, without a loop over boxes.

Boxes are sorted along a Morton curve through their centres; eight neighbours on the curve form a node, eight
nodes the next one, up to a single root. Two nodes that overlap are opened into their 8 × 8 children, many
pairs of nodes at once, depth first so that memory stays small however many pairs there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Sides = NDArray[np.float32]
Places = NDArray[np.int32]
Mask = NDArray[np.bool_]
Words = NDArray[np.uint64]

_BITS = 3
FANOUT = 1 << _BITS
_PAIRS = 4096
_WORD_BITS = 64
_ONCE = np.triu(np.ones((FANOUT, FANOUT), np.bool_), 1)[:, :, None]
_ONCE_AND_ITSELF = np.triu(np.ones((FANOUT, FANOUT), np.bool_))[:, :, None]


@dataclass(frozen=True, eq=False)
class BoxTree:
    """`order` (n,) is the boxes' order along the curve: place p holds box order[p].

    `levels`, leaves first, hold (nodes, 6, 8): low x, y, z and negated high x, y, z of each node's children.
    """

    order: Places
    levels: tuple[Sides, ...]

    @classmethod
    def over(cls, low: Sides, high: Sides) -> BoxTree:
        """The tree of n ≥ 1 boxes given by their finite corners `low` and `high` (3, n)."""
        order = _along_curve(low, high)
        least = np.empty((6, len(order)), np.float32)
        for axis in range(3):
            np.take(low[axis], order, out=least[axis])
            np.take(high[axis], order, out=least[3 + axis])
        np.negative(least[3:], out=least[3:])
        levels = []
        while True:
            nodes = -(-least.shape[1] // FANOUT)
            room = np.full((6, nodes * FANOUT), np.inf, np.float32)
            room[:, : least.shape[1]] = least
            levels.append(np.ascontiguousarray(room.reshape(6, nodes, FANOUT).transpose(1, 0, 2)))
            if nodes == 1:
                return cls(order, tuple(levels))
            least = room.reshape(6, nodes, FANOUT).min(axis=2)

    def pairs(self) -> Iterator[tuple[Places, Places]]:
        """Yield the places (p, q), p < q, of all boxes that overlap or touch, each pair once, in blocks."""
        root = np.zeros(1, np.int32)
        yield from self._opened(len(self.levels) - 1, root, root)

    def _opened(self, height: int, first: Places, second: Places) -> Iterator[tuple[Places, Places]]:
        for start in range(0, len(first), _PAIRS):
            left, right = first[start : start + _PAIRS], second[start : start + _PAIRS]
            overlap = _overlaps(self.levels[height], left, right)
            itself = np.flatnonzero(left == right)
            if len(itself):
                overlap[:, :, itself] &= _ONCE_AND_ITSELF if height else _ONCE
            found = np.flatnonzero(overlap)
            slots = found // len(left)  # divmod would not be vectorised
            found -= slots * len(left)
            slot = slots.astype(np.int32)
            left = (left.take(found) << _BITS) + (slot >> _BITS)
            right = (right.take(found) << _BITS) + (slot & np.int32(FANOUT - 1))
            if not height:
                yield left, right
            else:
                yield from self._opened(height - 1, left, right)

    def hits(self, low: Sides, high: Sides) -> Iterator[tuple[Places, Places]]:
        """Yield (query, place) of all boxes of the tree that meet the query boxes (3, m), in blocks."""
        query = np.arange(low.shape[1], dtype=np.int32)
        sides = np.concatenate([-low, high])
        yield from self._struck(len(self.levels) - 1, sides, query, np.zeros_like(query))

    def _struck(
        self, height: int, sides: Sides, query: Places, node: Places
    ) -> Iterator[tuple[Places, Places]]:
        for start in range(0, len(query), _PAIRS):
            asked, opened = query[start : start + _PAIRS], node[start : start + _PAIRS]
            children = np.ascontiguousarray(self.levels[height].take(opened, axis=0).transpose(1, 2, 0))
            limits = sides[:, None, asked]
            slot, pair = np.nonzero((children[:3] <= limits[3:]).all(0) & (children[3:] <= limits[:3]).all(0))
            asked = asked[pair]
            opened = opened[pair] * np.int32(FANOUT) + slot.astype(np.int32)
            if not height:
                yield asked, opened
            else:
                yield from self._struck(height - 1, sides, asked, opened)


def _overlaps(level: Sides, left: Places, right: Places) -> Mask:
    """Which children overlap: (8, 8, m) for the m pairs of nodes `left` and `right`."""
    first = np.ascontiguousarray(level.take(left, axis=0).transpose(1, 2, 0))
    second = np.ascontiguousarray(level.take(right, axis=0).transpose(1, 2, 0))
    np.negative(second, out=second)
    overlap = np.empty((FANOUT, FANOUT, len(left)), np.bool_)
    below = np.empty_like(overlap)
    np.less_equal(first[0][:, None], second[3], out=overlap)
    for side in range(1, 6):
        np.less_equal(first[side][:, None], second[(side + 3) % 6], out=below)
        overlap &= below
    return overlap


def _along_curve(low: Sides, high: Sides) -> Places:
    """The boxes' order along a Morton curve through their centres, as fine as fits beside an index."""
    count = low.shape[1]
    index_bits = max(count - 1, 1).bit_length()
    bits = (_WORD_BITS - index_bits) // 3
    spans = [(float(low[axis].min()), float(high[axis].max())) for axis in range(3)]
    cells = (2**bits - 1) / max(max(most - least for least, most in spans), 1e-30)
    code = np.zeros(count, np.uint64)
    for axis, (least, _) in enumerate(spans):
        middle = low[axis].astype(np.float64)
        middle += high[axis]
        middle *= 0.5
        middle -= least
        middle *= cells
        code |= _spread(middle.astype(np.uint64)) << np.uint64(axis)
    code <<= np.uint64(index_bits)
    code |= np.arange(count, dtype=np.uint64)
    code.sort()
    code &= np.uint64((1 << index_bits) - 1)
    return code.astype(np.int32)


def _spread(cell: Words) -> Words:
    """Put two zero bits between every two of the lowest 21 bits of `cell`."""
    for shift, kept in (
        (32, 0x001F00000000FFFF),
        (16, 0x001F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        cell |= cell << np.uint64(shift)
        cell &= np.uint64(kept)
    return cell
