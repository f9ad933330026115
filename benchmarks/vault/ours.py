"""A plain copy loop, and the project's two ways from file to file."""

from __future__ import annotations

from pathlib import Path

from benchmarks.vault.peers import KEY
from benchmarks.vault.steady import overwrite, pieces
from storage import stream
from storage.envelope import ObjectContext
from storage.files import decrypt_file, encrypt_file
from storage.secret import DataKey

CONTEXT = ObjectContext("org_bench", "rev_bench", 1, "print-file")


def copy(_: str, source: Path, target: Path) -> None:
    """Copy in pieces of 1 MiB."""
    overwrite(target, pieces(source))


def files(direction: str, source: Path, target: Path) -> None:
    """Run `storage.files`."""
    run = encrypt_file if direction == "encrypt" else decrypt_file
    with source.open("rb", buffering=0) as taken, target.open("r+b", buffering=0) as out:
        run(taken.fileno(), out.fileno(), DataKey(KEY), CONTEXT)


def iterators(direction: str, source: Path, target: Path) -> None:
    """Run `storage.stream` over an iterator, in one thread."""
    run = stream.encrypt if direction == "encrypt" else stream.decrypt_views
    overwrite(target, run(pieces(source), DataKey(KEY), CONTEXT))
