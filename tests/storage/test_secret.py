from __future__ import annotations

import copy
import pickle

import pytest

from storage.secret import DataKey, wipe


class TestDataKey:
    def test_reveals_its_bytes(self) -> None:
        assert DataKey(bytes(range(32))).reveal() == bytes(range(32))

    def test_generates_different_keys(self) -> None:
        assert DataKey.generate() != DataKey.generate()

    @pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format])
    def test_never_shows_its_bytes(self, show: object) -> None:
        assert show(DataKey(b"s" * 32)) == "DataKey(***)"  # type: ignore[operator]

    @pytest.mark.parametrize("length", [0, 16, 31, 33])
    def test_refuses_another_length_without_showing_it(self, length: int) -> None:
        with pytest.raises(ValueError, match=f"not {length}") as caught:
            DataKey(b"s" * length)
        assert "sss" not in str(caught.value)

    def test_is_unusable_once_wiped(self) -> None:
        key = DataKey.generate()
        view = key.view()
        with key:
            assert any(view)
        assert not any(view)
        key.wipe()
        with pytest.raises(RuntimeError, match="wiped"):
            key.reveal()

    def test_keeps_its_own_copy(self) -> None:
        source = bytearray(b"s" * 32)
        key = DataKey(source)
        wipe(source)
        assert key.reveal() == b"s" * 32

    def test_compares_by_content(self) -> None:
        assert DataKey(b"s" * 32) == DataKey(b"s" * 32)
        assert DataKey(b"s" * 32) != b"s" * 32

    def test_cannot_be_hashed_pickled_or_written_through(self) -> None:
        key = DataKey.generate()
        with pytest.raises(TypeError):
            hash(key)
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(key)
        with pytest.raises(TypeError, match="pickled"):
            copy.deepcopy(key)
        with pytest.raises(TypeError):
            key.view()[0] = 1
