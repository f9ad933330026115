"""The child's answer on the pipe: strict JSON and named blobs, read by a parent that trusts nothing.

Frame: magic `PVA2`, two big-endian uint32 (bytes of the JSON, number of blobs), one uint64 for each blob's
length, the JSON `{"blobs": [names], "value": …}`, the blobs; then the end.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

EXIT_FAILED, EXIT_MEMORY, EXIT_UNCONFINED = 70, 71, 72
"""Exit codes of a child that gives no answer: it broke, ran out of memory, could not be confined."""

BLOBS_MAX: Final = 16

_HEAD = struct.Struct(">4sII")
_MAGIC = b"PVA2"
_SIGNATURES: Final = {"png": b"\x89PNG\r\n\x1a\n", "glb": b"glTF"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a job found: plain JSON values, and files by name (`thumbnail.png`)."""

    value: dict[str, Any]
    blobs: Mapping[str, bytes] = field(default_factory=dict)


def encode(answer: Answer) -> bytes:
    """The frame of `answer`."""
    head = {"blobs": list(answer.blobs), "value": answer.value}
    text = json.dumps(head, allow_nan=False, separators=(",", ":")).encode()
    lengths = struct.pack(f">{len(answer.blobs)}Q", *map(len, answer.blobs.values()))
    return b"".join([_HEAD.pack(_MAGIC, len(text), len(answer.blobs)), lengths, text, *answer.blobs.values()])


def decode(frame: bytes) -> Answer:
    """Read a frame; ValueError on any byte, name or type that `encode` would not have written.

    The value's own fields are for the caller to check.
    """
    if len(frame) < _HEAD.size:
        raise ValueError(f"the answer has only {len(frame)} bytes")
    magic, text_bytes, count = _HEAD.unpack_from(frame)
    if magic != _MAGIC or count > BLOBS_MAX or len(frame) < _HEAD.size + 8 * count + text_bytes:
        raise ValueError("the answer's frame is wrong")
    lengths = struct.unpack_from(f">{count}Q", frame, _HEAD.size)
    start = _HEAD.size + 8 * count
    if len(frame) != start + text_bytes + sum(lengths):
        raise ValueError("the answer's frame is wrong")
    value, names = _head(frame[start : start + text_bytes], count)
    blobs = {}
    start += text_bytes
    for name, length in zip(names, lengths, strict=True):
        blobs[name] = _blob(name, frame[start : start + length])
        start += length
    return Answer(value, blobs)


def _head(text: bytes, count: int) -> tuple[dict[str, Any], list[str]]:
    head = json.loads(text.decode(), parse_constant=_no_constant)
    if not isinstance(head, dict) or set(head) != {"blobs", "value"} or not isinstance(head["value"], dict):
        raise ValueError("expected an object of blobs and value")
    names = head["blobs"]
    if not isinstance(names, list) or len(names) != count or len(set(map(str, names))) != count:
        raise ValueError("the blobs are not the ones that are named")
    if not all(isinstance(name, str) and 0 < len(name) <= 64 for name in names):
        raise ValueError("a blob's name must be a short text")
    return head["value"], names


def _blob(name: str, content: bytes) -> bytes:
    signature = _SIGNATURES.get(name.rpartition(".")[2], b"")
    if not content.startswith(signature):
        raise ValueError(f"{name[:64]!r} is not what its name says")
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
