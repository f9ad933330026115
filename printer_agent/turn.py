"""One print at a time per home: a lock that goes with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = "agent.lock"


@contextmanager
def turn(home: Path) -> Iterator[None]:
    """Wait for this home's turn and hold it; the system gives it back even after kill -9."""
    descriptor = os.open(home / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
