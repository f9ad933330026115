from __future__ import annotations

import inspect

import pytest

from storage import errors

CLASSES = [
    item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, errors.StorageError)
]


class TestKinds:
    def test_are_all_different(self) -> None:
        assert len({item.kind for item in CLASSES}) == len(CLASSES)

    @pytest.mark.parametrize("item", CLASSES, ids=lambda item: item.__name__)
    def test_are_stable_words(self, item: type[errors.StorageError]) -> None:
        assert item.kind.replace("_", "").isalpha()
        assert item.kind == item.kind.lower()
        assert item.__doc__
