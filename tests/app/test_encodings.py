"""JSON that clients send: what may be kept of it, and what is refused before anybody reads it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from app.encodings import JSON_DEPTH_MAX, JsonInput


class Sent(BaseModel):
    value: JsonInput


def nested(depth: int) -> dict[str, Any]:
    """Objects and lists in each other, so many of them."""
    value: dict[str, Any] = {}
    for level in range(depth - 1):
        value = {"in": value} if level % 2 else {"in": value, "beside": [1, "two", None, {}][:level]}
    return value


class TestJsonInput:
    @pytest.mark.parametrize("depth", [1, 2, JSON_DEPTH_MAX])
    def test_takes_what_is_not_too_deep(self, depth: int) -> None:
        assert Sent(value=nested(depth)).value == nested(depth)

    @pytest.mark.parametrize("depth", [JSON_DEPTH_MAX + 1, 3 * JSON_DEPTH_MAX])
    def test_refuses_what_is_too_deep(self, depth: int) -> None:
        with pytest.raises(ValidationError, match="must not be nested more than 32 deep"):
            Sent(value=nested(depth))

    @pytest.mark.parametrize("value", [{"n": float("nan")}, {"n": 2**60}, {"\ud800": 1}])
    def test_refuses_what_has_no_canonical_form(self, value: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            Sent(value=value)
