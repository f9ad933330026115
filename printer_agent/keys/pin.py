"""The PIN of a token, or the authorisation value of a TPM's keys: a secret that shows as ***."""

from __future__ import annotations

import hmac
from pathlib import Path

from printer_agent.errors import KeysUnavailable
from printer_agent.private_files import read_private

_NAME = "keys.pin"


class Pin:
    """A PIN; its text form is `***`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the PIN, for the device alone."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pin) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(Pin)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


def read_pin(path: Path) -> Pin:
    """Read the one line of a file of mode 0600.

    KeysUnavailable ("pin_missing") where it is missing or empty, IdentityError where others may read it.
    """
    if not path.exists():
        raise KeysUnavailable(
            "pin_missing", f"the PIN's file {path} is missing", "write the PIN into it and chmod 600 it"
        )
    line = read_private(path).decode("utf-8", "replace").strip()
    if not line:
        raise KeysUnavailable("pin_missing", f"the PIN's file {path} is empty", "write the PIN into it")
    return Pin(line)


def pin_of_home(home: Path) -> Pin | None:
    """Read HOME/keys.pin, None where there is none."""
    path = home / _NAME
    return read_pin(path) if path.exists() else None
