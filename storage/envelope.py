"""The context that binds a ciphertext and its wrapped key to one object version.

The encoding is canonical and injective (docs/formats/stream.md, "Context"): equal bytes mean equal fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from storage.errors import InvalidName

VERSION_MAX = 2**63 - 1
"""Largest object version; it fits a signed 64-bit database column."""

_LABEL = b"partvault/object/v1\x00"
_NAMES = ("tenant", "object_id", "version", "kind")
_FIELD = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True)
class ObjectContext:
    """Which object version some bytes belong to.

    `tenant`, `object_id` and `kind` are 1–128 visible ASCII characters without spaces, so that no two
    spellings (Unicode forms, letter case folded by a store) mean the same object; `version` counts from 0.
    Raises `InvalidName` that names the field at fault.
    """

    tenant: str
    object_id: str
    version: int
    kind: str

    def __post_init__(self) -> None:
        for name in ("tenant", "object_id", "kind"):
            value = getattr(self, name)
            if not isinstance(value, str) or not _FIELD.fullmatch(value):
                raise InvalidName(f"{name} {value!r} must be 1 to 128 visible ASCII characters")
        if type(self.version) is not int or not 0 <= self.version <= VERSION_MAX:
            raise InvalidName(f"version {self.version!r} must be an integer from 0 to {VERSION_MAX}")

    def encode(self) -> bytes:
        """Return label ‖ 0x00 ‖ tenant, object id, kind, each after its u16 length ‖ u64 version."""
        fields = (self.tenant, self.object_id, self.kind)
        framed = b"".join(len(field).to_bytes(2, "big") + field.encode("ascii") for field in fields)
        return _LABEL + framed + self.version.to_bytes(8, "big")

    def to_json(self) -> dict[str, str | int]:
        """Return the fields as JSON values, for manifests and release answers."""
        return {name: getattr(self, name) for name in _NAMES}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> ObjectContext:
        """Read what `to_json` wrote; `InvalidName` on a missing, foreign or malformed field."""
        if set(value) != set(_NAMES):
            raise InvalidName(f"a context holds exactly {', '.join(_NAMES)}")
        return cls(**value)  # type: ignore[arg-type]  # __post_init__ judges the types
