"""A place where one anvil at a time runs: started in it, ended from any thread, nothing left behind."""

from __future__ import annotations

import threading
from pathlib import Path

from ledger.anvil import AnvilOptions, AnvilProcess, end_stale, forget, spawn
from ledger.chain import ChainError


class Berth:
    """Runs children in a folder, one after the other. `spawn` and `retire` belong to the thread that the
    child is bound to; `close` may be called by another, at any moment.
    """

    def __init__(self, binary: Path, directory: Path, options: AnvilOptions) -> None:
        self._binary = binary
        self._directory = directory
        self._options = options
        self._guard = threading.Lock()
        self._running: AnvilProcess | None = None
        self._closed = False

    def clear(self) -> int | None:
        """End the child that a killed process left here; return the port it served."""
        return end_stale(self._directory)

    def spawn(self, port: int | None = None) -> AnvilProcess:
        """Start a fresh node, on `port` if that is free; ChainError if it does not run or this is closed."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.closed:
            raise ChainError("the embedded chain is being stopped")
        running = spawn(self._binary, self._directory, self._options, port=port)
        with self._guard:
            self._running = running
            if self._closed:
                running.kill()
        return running

    def retire(self) -> None:
        """End the child, if there is one, and clear what it leaves."""
        with self._guard:
            running, self._running = self._running, None
        if running is not None:
            running.kill()
            forget(self._directory, running)

    def close(self) -> None:
        """End the child and let no other start; whoever talks to it gets an error."""
        with self._guard:
            self._closed = True
            if self._running is not None:
                self._running.kill()

    @property
    def closed(self) -> bool:
        """Whether no child may start any more."""
        return self._closed
