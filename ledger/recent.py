"""What this process appended a moment ago, so that it need not be read and worked out again.

Only ever a short cut: an entry is dropped when it is used or when there are too many, and whoever finds none
asks the database. Safe from any thread.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final, Generic, TypeVar

_ENTRIES_MAX: Final = 4096
_V = TypeVar("_V")


class Recent(Generic[_V]):
    """The newest entries by name, each handed out once."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._entries: OrderedDict[str, _V] = OrderedDict()

    def put(self, name: str, entry: _V) -> None:
        """Keep an entry until it is taken, or until too many newer ones came."""
        with self._guard:
            self._entries[name] = entry
            if len(self._entries) > _ENTRIES_MAX:
                self._entries.popitem(last=False)

    def take(self, name: str) -> _V | None:
        """Return an entry and forget it; None where there is none."""
        with self._guard:
            return self._entries.pop(name, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._guard:
            self._entries.clear()
