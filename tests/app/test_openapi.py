"""The committed OpenAPI document is the one the code makes."""

from __future__ import annotations

import json
from pathlib import Path

from app.openapi import document

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


class TestDocument:
    def test_is_fresh(self) -> None:
        assert COMMITTED.read_text(encoding="utf-8") == document(), "run `make openapi`"

    def test_resolves_every_reference(self) -> None:
        text = document()
        components = json.loads(text)["components"].items()
        known = {f"#/components/{kind}/{name}" for kind, named in components for name in named}
        used = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
        assert used <= known

    def test_describes_refusals_as_problems(self) -> None:
        for path, operations in json.loads(document())["paths"].items():
            for operation in operations.values():
                assert "application/problem+json" in operation["responses"]["4XX"]["content"], path
