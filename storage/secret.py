"""Key bytes with a type of their own: never shown, compared in constant time, wiped where Python allows."""

from __future__ import annotations

import hmac
import secrets
from typing import NoReturn, Self

KEY_BYTES = 32
"""Length of every data key (256 bits)."""

_ZEROS = bytes(64 * 1024)


class DataKey:
    """A 32-byte secret.

    Its bytes live in one mutable buffer that `wipe` (or leaving a `with` block) overwrites. `reveal` hands
    out a copy that Python cannot wipe: keep it short-lived. A wrong length is a `ValueError`, use after
    `wipe` a `RuntimeError`; both are programming errors and neither message holds the bytes.
    """

    __slots__ = ("_bytes",)

    def __init__(self, value: bytes | bytearray | memoryview) -> None:
        if len(value) != KEY_BYTES:
            raise ValueError(f"a data key has {KEY_BYTES} bytes, not {len(value)}")
        self._bytes = bytearray(value)

    @classmethod
    def generate(cls) -> DataKey:
        """Return a fresh key from the operating system's generator."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def reveal(self) -> bytes:
        """Return a copy of the bytes."""
        return bytes(self.view())

    def view(self) -> memoryview:
        """Return the bytes without a copy, for handing to a cipher."""
        if not self._bytes:
            raise RuntimeError("this data key was wiped")
        return memoryview(self._bytes).toreadonly()

    def wipe(self) -> None:
        """Overwrite the bytes; the key is unusable afterwards. May be called again."""
        wipe(self._bytes)
        self._bytes = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataKey) and hmac.compare_digest(self.view(), other.view())

    __hash__ = None  # type: ignore[assignment]  # a hash of a secret would leak into sets and logs

    def __repr__(self) -> str:
        return "DataKey(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a data key is never pickled; wrap or seal it")


def wipe(buffer: bytearray) -> None:
    """Overwrite `buffer` with zeros in place, block by block: a large one costs no memory beside it."""
    with memoryview(buffer) as view:
        for at in range(0, len(view), len(_ZEROS)):
            view[at : at + len(_ZEROS)] = _ZEROS[: len(view) - at]
