"""Wrapped keys without a service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.custody.holding import Holding, copied, holding


@pytest.fixture(scope="session")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holding]:
    with holding(tmp_path_factory.mktemp("twelve") / "data", 12) as made:
        yield made


@pytest.fixture
def held(twelve: Holding, tmp_path: Path) -> Iterator[Holding]:
    """Twelve wraps under version 1."""
    with copied(twelve, tmp_path / "data") as made:
        yield made
