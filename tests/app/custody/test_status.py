"""How the versions stand."""

from __future__ import annotations

from typing import Any

from app.custody import destruction, rotation
from app.custody.status import survey
from tests.app.custody.holding import Holding


def versions(held: Holding) -> list[tuple[str, str, int]]:
    found: dict[str, Any] = survey(held.database, held.keys).to_json()
    return [(each["version"], each["state"], each["wraps"]) for each in found["versions"]]


class TestSurvey:
    def test_follows_a_version_from_current_to_destroyed(self, held: Holding) -> None:
        assert versions(held) == [("1", "current", 12)]
        begun = rotation.begin(held.database, held.keys, held.clock)
        assert versions(held) == [("1", "old", 12), ("2", "current", 0)]
        assert survey(held.database, held.keys).to_json()["rotation"]["id"] == begun.id
        held.rotate()
        assert survey(held.database, held.keys).rotation is None
        destruction.destroy(held.database, held.keys, held.clock, "1")
        assert versions(held) == [("1", "destroyed", 0), ("2", "current", 12)]
        assert survey(held.database, held.keys).ok

    def test_sorts_versions_as_numbers(self, held: Holding) -> None:
        for _ in range(10):
            held.keys.rotate()
        assert [version for version, _, _ in versions(held)] == [str(number) for number in range(1, 12)]

    def test_is_not_well_where_a_version_is_lost(self, held: Holding) -> None:
        held.keys.rotate()
        held.keys.destroy("1")
        found = survey(held.database, held.keys)
        assert versions(held) == [("1", "missing", 12), ("2", "current", 0)]
        assert not found.ok

    def test_is_not_well_where_wraps_are_another_keyrings(self, held: Holding) -> None:
        held.tamper("update wrapped_keys set keyring = 'another' where kind = 'file'")
        found = survey(held.database, held.keys)
        assert {(each.keyring, each.wraps) for each in found.versions} == {
            ("another", 4),
            (found.keyring, 8),
        }
        assert not found.ok
