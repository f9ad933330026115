"""The answer of the job `canonical`, checked by a process that only asks the sandbox. Loads no engine."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final

from mesh_tools.answer import Answer

FILE: Final = "canonical.stl"
_FIELDS: Final = {"sha256", "bytes", "facets", "vertices", "grid_mm", "moved_mm", "collapsed", "sound"}
_COUNTS: Final = ("bytes", "facets", "vertices", "collapsed")


def checked(answer: Answer) -> dict[str, Any]:
    """The values of `answer`, each held to its type, digest and length to the blob; ValueError otherwise."""
    value, data = answer.value, answer.blobs.get(FILE)
    if set(value) != _FIELDS or data is None or set(answer.blobs) != {FILE}:
        raise ValueError("the canonical form's answer has the wrong fields")
    if any(type(value[name]) is not int or value[name] < 0 for name in _COUNTS):
        raise ValueError("the canonical form's counts are wrong")
    if any(type(value[name]) is not float for name in ("grid_mm", "moved_mm")):
        raise ValueError("the canonical form's lengths are wrong")
    if not isinstance(value["sound"], bool) or not isinstance(value["sha256"], str):
        raise ValueError("the canonical form's verdict or digest is wrong")
    digest = hashlib.sha256(data).hexdigest()
    if value["bytes"] != len(data) or not hmac.compare_digest(digest, value["sha256"]):
        raise ValueError("the canonical form is not the file its digest names")
    return value
