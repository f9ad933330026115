"""Tampering planted in ten parts is found, and true copies are not taken for tampered ones."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from tests.mesh_tools.comparison.campaign import EXPECTED, EXPORTS, TAMPERINGS, misses, tampered, untouched
from tests.mesh_tools.comparison.parts import PARTS

FOUND_MIN, FALSE_ALARMS_MAX = 0.99, 0.01


class TestCampaign:
    @pytest.mark.parametrize("name", PARTS)
    def test_one_tampering_and_one_export_of_every_part(self, name: str) -> None:
        turn = list(PARTS).index(name)
        how = list(TAMPERINGS)[turn % len(TAMPERINGS)]
        export = list(EXPORTS)[turn % len(EXPORTS)]
        assert tampered(name, turn % 3, how).kind == EXPECTED.get(how, "altered")
        assert untouched(name, turn % 4, export).accepted

    @pytest.mark.slow
    def test_finds_99_percent_at_1_percent_false_alarms(self) -> None:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        wrong = misses(PARTS, range(20), counts)
        passed = [line for line in wrong if " passed as " in line]
        refused = [line for line in wrong if " refused as " in line]
        assert len(passed) <= (1 - FOUND_MIN) * sum(counts[how].total() for how in TAMPERINGS), passed
        assert len(refused) <= FALSE_ALARMS_MAX * sum(counts[export].total() for export in EXPORTS), refused
