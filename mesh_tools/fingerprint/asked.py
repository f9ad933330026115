"""Asking the sandbox for a fingerprint. Loads no engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from mesh_tools.errors import Refused
from mesh_tools.sandbox import Sandbox

if TYPE_CHECKING:
    from mesh_tools.fingerprint.vector import Fingerprint

BLOB: Final = "fingerprint.f32"


def ask_fingerprint(sandbox: Sandbox, source: Iterable[bytes], filename: str, unit_mm: float) -> Fingerprint:
    """The fingerprint of the file that `source` yields.

    Raises Refused for what the file or the limits do not allow and for an answer that is none,
    SandboxUnavailable, and what `source` raises.
    """
    from mesh_tools.fingerprint.vector import Fingerprint

    answer = sandbox.run("fingerprint", [(filename, source)], {"unit_mm": unit_mm})
    try:
        return Fingerprint.from_bytes(answer.blobs.get(BLOB, b""))
    except ValueError as error:
        raise Refused("sandbox.garbled", str(error)) from None
