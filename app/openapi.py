"""Writes the OpenAPI document: `python -m app.openapi docs/openapi.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from app.main import assemble
from app.observability.metrics import Metrics
from app.settings import Settings


def document() -> str:
    """Give the document as it is committed: sorted, indented, one newline at the end."""
    return (
        json.dumps(assemble(Metrics(), Settings()).openapi(), indent=1, sort_keys=True, ensure_ascii=False)
        + "\n"
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
