"""Contexts and keys the storage tests share."""

from __future__ import annotations

import pytest

from storage.envelope import ObjectContext
from storage.secret import DataKey

pytest.register_assert_rewrite("tests.conformance.object_store", "tests.conformance.key_backend")


@pytest.fixture
def context() -> ObjectContext:
    return ObjectContext("org_a", "rev_1", 1, "print-file")


@pytest.fixture
def key() -> DataKey:
    return DataKey.generate()
