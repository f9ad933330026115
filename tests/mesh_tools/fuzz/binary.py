"""Mutations of binary files: bytes, STL records, PLY bodies, GLB chunks, with lengths put right or not."""

from __future__ import annotations

import json
import struct
from random import Random
from typing import Any

from tests.mesh_tools.fuzz.words import NUMBERS, mutated_text
from tests.mesh_tools.writers import glb_of

_WORDS = tuple(
    struct.pack("<f", value) for value in (0.0, -0.0, 1.0, -1.0, 1e38, 1e-45, float("nan"), float("inf"))
) + tuple(struct.pack("<I", value) for value in (0, 1, 2, 7, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1))
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, -1, 1.5, 2**31, 2**32, 2**53, 1e308, -1e308, "", "x", "data:,x",
    "file:///etc/passwd", [], {}, [0], [[]], {"x": 1}, 5120, 5121, 5123, 5125, 5126, "SCALAR", "VEC2",
    "VEC3", "MAT4", [0, 0, 0], [1e30] * 3, [0, 0, 0, 0],
)  # fmt: skip


def mutated_bytes(data: bytes, rng: Random) -> bytes:
    """`data` after one edit that knows no format."""
    place = rng.randrange(len(data) + 1)
    action = rng.randrange(6)
    if action == 0:
        return data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
    if action == 1:
        return data[:place] + rng.choice(_WORDS) + data[place + 4 :]
    if action == 2:
        return data[:place] + rng.randbytes(rng.choice((1, 2, 4, 50))) + data[place:]
    if action == 3:
        return data[:place] + data[place + rng.choice((1, 2, 4, 50, len(data))) :]
    if action == 4:
        return data + rng.choice((b"\0", b"\n", b"PK\5\6", data[:84], data))
    other = rng.randrange(len(data) + 1)
    return data[:place] + data[other : other + 64] + data[place:]


def mutated_stl(data: bytes, rng: Random) -> bytes:
    """A binary STL with one record changed, mostly with a count that fits."""
    records = [data[start : start + 50] for start in range(84, len(data), 50)]
    if not records:
        return mutated_bytes(data, rng)
    place, other = rng.randrange(len(records)), rng.randrange(len(records))
    action = rng.randrange(7)
    record = records[place]
    if action == 0:
        records[place] = record[:12] + record[24:36] + record[12:24] + record[36:]
    elif action == 1:
        del records[place]
    elif action == 2:
        records.append(record)
    elif action == 3:
        records[place], records[other] = records[other], record
    elif action == 4:
        corner = 12 + 4 * rng.randrange(9)
        records[place] = record[:corner] + rng.choice(_WORDS) + record[corner + 4 :]
    elif action == 5:
        corner = 12 + 12 * rng.randrange(3)
        records[place] = record[:corner] + records[other][12:24] + record[corner + 12 :]
    else:
        records[place] = record[:48] + rng.randbytes(2)
    count = len(records) if rng.random() < 0.9 else rng.choice((0, 1, len(records) + 1, 2**31, 2**32 - 1))
    head = (
        data[:80]
        if rng.random() < 0.9
        else rng.choice((b"solid x", b"solid x\nfacet", b"PK\3\4", b"ply\n", b"glTF"))
    )
    return head.ljust(80, b"\0") + struct.pack("<I", count) + b"".join(records)


def mutated_ply(data: bytes, rng: Random) -> bytes:
    """A binary PLY with its header edited as text or four bytes of its body replaced."""
    split = data.index(b"end_header\n") + 11
    if rng.random() < 0.5:
        return mutated_text(data[:split].decode("latin-1"), rng).encode("utf-8", "replace") + data[split:]
    place = split + rng.randrange(max(1, len(data) - split))
    return data[:place] + rng.choice(_WORDS) + data[place + 4 :]


def mutated_glb(data: bytes, rng: Random) -> bytes:
    """A GLB with a value of its JSON or a word of its binary chunk replaced, or its chunks rearranged."""
    (size,) = struct.unpack_from("<I", data, 12)
    text, binary = data[20 : 20 + size], data[28 + size :]
    action = rng.randrange(4)
    if action == 0:
        place = 4 * rng.randrange(max(1, len(binary) // 4))
        return glb_of(json.loads(text), binary[:place] + rng.choice(_WORDS) + binary[place + 4 :])
    if action == 1:
        chunks = [
            (b"JSON", text),
            (b"BIN\0", binary),
            (rng.choice((b"JSON", b"BIN\0", b"XXXX")), rng.choice((text, binary, b""))),
        ]
        rng.shuffle(chunks)
        return glb_of({}, chunks=chunks)
    if action == 2:
        edited = mutated_text(text.decode(), rng).encode("utf-8", "replace")
        return glb_of({}, chunks=[(b"JSON", edited + b" " * (-len(edited) % 4)), (b"BIN\0", binary)])
    return glb_of(_changed(json.loads(text), rng), binary)


def _changed(value: Any, rng: Random) -> Any:
    """`value` with one member at a random depth removed or replaced."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return rng.choice(_VALUES)
    key = rng.choice(keys)
    if isinstance(value[key], dict | list) and rng.random() < 0.85:
        value[key] = _changed(value[key], rng)
    elif rng.random() < 0.2:
        del value[key]
    else:
        value[key] = rng.choice((*_VALUES, rng.choice(NUMBERS)))
    return value
