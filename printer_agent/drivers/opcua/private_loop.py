"""An event loop in a thread of its own, for synchronous callers of an asynchronous library."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_GRACE_S = 5.0
"""How much longer than the work's own limit the calling thread waits for the loop."""


class PrivateLoop:
    """Runs coroutines one by one; what they leave running ends with `close`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T], timeout_s: float) -> _T:
        """Wait for the coroutine's result; after `timeout_s` it is cancelled: TimeoutError."""
        limited = asyncio.wait_for(work, timeout_s)
        return asyncio.run_coroutine_threadsafe(limited, self._loop).result(timeout_s + _GRACE_S)

    def close(self) -> None:
        """Stop the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_GRACE_S)

    def _serve(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._cancelled(asyncio.all_tasks(self._loop)))
        self._loop.close()

    @staticmethod
    async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # sockets that were closed are let go in the next turn
