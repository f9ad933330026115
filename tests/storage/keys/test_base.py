from __future__ import annotations

import pytest

from storage.errors import KeyUnavailable
from storage.keys.base import WrappedKey


class TestWrappedKey:
    def test_survives_json(self) -> None:
        wrapped = WrappedKey("ring", "3", b"\x00\xffblob")
        assert wrapped.to_json() == {"keyring": "ring", "version": "3", "blob": "AP9ibG9i"}
        assert WrappedKey.from_json(wrapped.to_json()) == wrapped

    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"keyring": "r", "version": "1"},
            {"keyring": "r", "version": 1, "blob": "AA=="},
            {"keyring": None, "version": "1", "blob": "AA=="},
            {"keyring": "r", "version": "1", "blob": 7},
            {"keyring": "r", "version": "1", "blob": "A"},
            {"keyring": "r", "version": "1", "blob": "!!!!"},
        ],
    )
    def test_refuses_a_malformed_row(self, value: dict[str, object]) -> None:
        with pytest.raises(KeyUnavailable, match="malformed"):
            WrappedKey.from_json(value)
