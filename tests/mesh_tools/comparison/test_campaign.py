"""Tampering planted in ten parts is found, and true copies are not taken for tampered ones."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from tests.mesh_tools.comparison.campaign import EXPECTED, TAMPERINGS, judged, tampered, untouched
from tests.mesh_tools.comparison.exports import EXPORTS, decimated, flipped
from tests.mesh_tools.comparison.parts import PARTS, Design, facets_of

FOUND_MIN, FALSE_ALARMS_MAX = 0.99, 0.01
SEEDS, SLICE = range(100, 120), 200


class TestCampaign:
    @pytest.mark.parametrize("name", PARTS)
    def test_one_tampering_and_one_export_of_every_part(self, name: str) -> None:
        turn = list(PARTS).index(name)
        how = list(TAMPERINGS)[turn % len(TAMPERINGS)]
        export = list(EXPORTS)[turn % len(EXPORTS)]
        assert tampered(name, SLICE + turn, how).kind == EXPECTED.get(how, "altered")
        assert untouched(name, SLICE + turn, export).accepted

    @pytest.mark.slow
    def test_finds_99_percent_at_1_percent_false_alarms(self) -> None:
        campaign = [one for name in PARTS for seed in SEEDS for one in judged(name, seed)]
        planted = [one for one in campaign if one.planted]
        copies = [one for one in campaign if not one.planted]
        missed = [str(one) for one in planted if not one.right]
        refused = [str(one) for one in copies if not one.right]
        assert len(missed) <= (1 - FOUND_MIN) * len(planted), missed
        assert len(refused) <= FALSE_ALARMS_MAX * len(copies), refused


class TestParts:
    @pytest.mark.parametrize("name", PARTS)
    @pytest.mark.parametrize("change", [field.name for field in fields(Design)][2:])
    def test_every_change_of_a_design_changes_the_part(self, name: str, change: str) -> None:
        part, changed = PARTS[name](Design()), PARTS[name](Design(**{change: 0.15}))
        assert (part - changed).volume() + (changed - part).volume() > 0.1


class TestExports:
    def test_flipped_edges_are_others_of_the_same_surface(self) -> None:
        before = facets_of(PARTS["bracket"](Design()))
        after = flipped(before, np.random.default_rng(1))
        kept = {facet.tobytes() for facet in before} & {facet.tobytes() for facet in after}
        assert len(after) == len(before) > 1.5 * len(kept)
        assert surface(after) == pytest.approx(surface(before), rel=1e-12)

    def test_decimated_has_fewer_facets(self) -> None:
        before = facets_of(PARTS["lever"](Design(96)))
        after = decimated(before, np.random.default_rng(1))
        assert len(after) < 0.9 * len(before)
        assert surface(after) == pytest.approx(surface(before), rel=1e-3)


def surface(corners: np.ndarray) -> float:
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(normals, axis=1).sum() / 2)
