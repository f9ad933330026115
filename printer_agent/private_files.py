"""Files that belong to the agent alone: folder 0700, files 0600, written whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from printer_agent.errors import IdentityError

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_OTHERS = 0o077


def make_private_folder(path: Path) -> None:
    """Make the folder with mode 0700, parents as needed; refuse one that others may enter."""
    path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    require_private(path)


def require_private(path: Path) -> None:
    """Raise IdentityError ("loose_permissions") unless only the agent's own user may use `path`."""
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        raise IdentityError(
            "loose_permissions", f"{path} is a symbolic link", "put the real folder or file there"
        )
    if status.st_uid != os.geteuid():
        raise IdentityError(
            "loose_permissions",
            f"{path} belongs to user {status.st_uid}, the agent runs as {os.geteuid()}",
            "run the agent as the owner of its home folder",
        )
    if mode & _OTHERS:
        wanted = _FOLDER_MODE if stat.S_ISDIR(status.st_mode) else _FILE_MODE
        raise IdentityError(
            "loose_permissions",
            f"{path} has mode {mode:04o}, others could use it",
            f"chmod {wanted:o} {path}",
        )


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, mode 0600; when this returns the content survives a loss of power."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_private(path: Path) -> bytes:
    """Read a file that only the agent may use; IdentityError where others could."""
    require_private(path)
    return path.read_bytes()
