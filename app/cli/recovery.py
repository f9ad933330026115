"""Bringing a file back whose key its owner holds: the ciphertext is the service's, the key is here."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.cli.connection import Connection
from app.cli.downloads import save
from app.cli.failures import CliError, usage
from app.cli.owner_vault import Holding, OwnerVault
from app.cli.progress import waiting
from storage.errors import StorageError
from storage.files import decrypt_file

_LEFT_AS_IT_WAS = "nothing was written; restore the service's object from a backup and try again"


def recover(
    connection: Connection, vault: OwnerVault, revision: Mapping[str, Any], target: Path, *, quiet: bool
) -> int:
    """Write the print file of a revision to `target` (0600), which must be new; gives its length in bytes.

    1. The key of the revision's ciphertext is in the owner's folder.
    2. What the service sends is the ciphertext that was uploaded.
    3. It opens under that key for that very version, and is whole.
    4. The file is the one that was uploaded: length and digest.

    Raises CliError; then there is no `target`, and no plaintext is left.
    """
    if target.exists():
        raise usage(f"{target} exists", "name another file with --output")
    # (1) the key
    holding = vault.holding_of(revision)
    sealed, draft = (target.with_name(f".{target.name}.{end}") for end in ("sealed", "opened"))
    try:
        # (2) the ciphertext
        save(connection.client, f"/v1/revisions/{revision['id']}/ciphertext", sealed, quiet=quiet)
        _require(_sha256(sealed), holding.ciphertext_sha256, "ciphertext")
        # (3) the file
        with waiting(f"decrypting {target.name}", quiet=quiet):
            size = _opened(vault, holding, sealed, draft)
            # (4) the same as then
            _require(_sha256(draft), holding.expected["sha256"], "file")
        draft.rename(target)
    finally:
        sealed.unlink(missing_ok=True)
        draft.unlink(missing_ok=True)
    return size


def _opened(vault: OwnerVault, holding: Holding, sealed: Path, draft: Path) -> int:
    """(3) decrypt from file to file."""
    try:
        with vault.data_key(holding) as key, _descriptor(sealed, os.O_RDONLY) as source:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with _descriptor(draft, flags) as opened:
                size = decrypt_file(source, opened, key, holding.context)
                os.fsync(opened)
                return size
    except StorageError as error:
        raise CliError(error.kind, f"the ciphertext does not open: {error}", _LEFT_AS_IT_WAS) from None


@contextmanager
def _descriptor(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require(found: str, expected: str | None, what: str) -> None:
    if not hmac.compare_digest(found, expected or ""):
        raise CliError("altered", f"the {what} is not the one that was uploaded", _LEFT_AS_IT_WAS)
