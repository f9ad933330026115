from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storage.backends import open_objects
from storage.backends.base import ObjectStat, ObjectStore
from storage.backends.memory import MemoryObjects
from tests.conformance.object_store import ObjectStoreContract


class TestMemoryObjects(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return open_objects("memory:")

    def test_dates_by_its_clock(self) -> None:
        now = datetime(2030, 1, 2, tzinfo=UTC)
        store = MemoryObjects(lambda: now)
        store.put("one", [b"content"])
        assert store.stat("one") == ObjectStat(7, now)
