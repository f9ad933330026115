from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mesh_tools.intersections.box_tree import BoxTree, Sides


def boxes(seed: int, count: int, size: float) -> tuple[Sides, Sides]:
    rng = np.random.default_rng(seed)
    low = rng.uniform(-50, 50, (3, count)).astype(np.float32)
    return low, low + rng.uniform(0, size, (3, count)).astype(np.float32)


def all_pairs(low: Sides, high: Sides) -> set[tuple[int, int]]:
    meet = ((low[:, :, None] <= high[:, None]) & (high[:, :, None] >= low[:, None])).all(axis=0)
    return {(i, j) for i, j in np.argwhere(meet).tolist() if i < j}


def tree_pairs(low: Sides, high: Sides) -> list[tuple[int, int]]:
    tree = BoxTree.over(low, high)
    return [
        (min(i, j), max(i, j))
        for first, second in tree.pairs()
        for i, j in zip(tree.order[first].tolist(), tree.order[second].tolist(), strict=True)
    ]


class TestPairs:
    @pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 64, 65, 700])
    @pytest.mark.parametrize("size", [0.0, 8.0, 90.0])
    def test_finds_every_overlap_once(self, count: int, size: float) -> None:
        low, high = boxes(count, count, size)
        found = tree_pairs(low, high)
        assert len(found) == len(set(found))
        assert set(found) == all_pairs(low, high)

    def test_finds_boxes_that_touch_and_boxes_in_one_place(self) -> None:
        low: NDArray[np.float32] = np.zeros((3, 20), np.float32)
        assert len(tree_pairs(low, low)) == 190
        low = np.arange(30, dtype=np.float32).reshape(1, 30).repeat(3, axis=0)
        assert len(tree_pairs(low, low + 1)) == 29

    def test_opens_many_pairs_in_blocks(self) -> None:
        low, high = boxes(5, 3000, 60)
        tree = BoxTree.over(low, high)
        blocks = [len(first) for first, _ in tree.pairs()]
        assert len(blocks) > 10
        assert max(blocks) <= 4096 * 64


class TestHits:
    def test_finds_every_box_that_a_query_meets(self) -> None:
        low, high = boxes(1, 500, 20)
        asked_low, asked_high = boxes(2, 40, 30)
        tree = BoxTree.over(low, high)
        found = [
            (query, int(tree.order[place]))
            for queries, places in tree.hits(asked_low, asked_high)
            for query, place in zip(queries.tolist(), places.tolist(), strict=True)
        ]
        meet = (asked_low[:, :, None] <= high[:, None]) & (asked_high[:, :, None] >= low[:, None])
        assert sorted(found) == sorted(tuple(row) for row in np.argwhere(meet.all(axis=0)).tolist())
