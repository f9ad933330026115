"""Saving what the service streams: whole or not at all, with a progress bar."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.progress import transfer

if TYPE_CHECKING:
    from app.cli.service_client import ServiceClient


def save(client: ServiceClient, path: str, target: Path, *, quiet: bool) -> int:
    """Save the answer of `GET path` as `target`; gives its size. A broken one leaves `target` as it was."""
    part = target.with_name(f".{target.name}.part")
    total: list[int | None] = [None]
    size = 0
    try:
        with part.open("wb") as stream, contextlib.ExitStack() as stack:
            pieces = client.download(path, lambda length: total.__setitem__(0, length))
            moved = None
            for piece in pieces:
                moved = moved or stack.enter_context(transfer(f"saving {target.name}", total[0], quiet=quiet))
                size += stream.write(piece)
                moved(len(piece))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return size
