from __future__ import annotations

import pytest

from storage.backends import open_objects
from storage.backends.base import ObjectStore
from tests.conformance.object_store import ObjectStoreContract


class TestMemoryObjects(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return open_objects("memory:")
