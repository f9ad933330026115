"""From a number to a mutated file: the same number always gives the same file."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

from tests.mesh_tools.fuzz import seeds
from tests.mesh_tools.fuzz.binary import mutated_bytes, mutated_glb, mutated_ply, mutated_stl
from tests.mesh_tools.fuzz.packages import mutated_package
from tests.mesh_tools.fuzz.words import mutated_text

_PLAIN = seeds.plain()
_PACKAGES = seeds.packages()
_NAMES = (*_PLAIN, *_PACKAGES, *_PACKAGES, *_PACKAGES)
_BY_ENDING: dict[str, Callable[[bytes, Random], bytes]] = {
    "part.stl": mutated_stl,
    "part.ply": mutated_ply,
    "part.glb": mutated_glb,
}


def mutated_file(number: int) -> tuple[str, bytes]:
    """A file name and the bytes of a mutated file."""
    rng = Random(number)
    name = rng.choice(_NAMES)
    if name in _PACKAGES:
        return name, mutated_package(_PACKAGES[name], rng)
    data = _PLAIN[name]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = _edited(name, data, rng)
    return name if rng.random() < 0.95 else "part." + rng.choice(
        ("stl", "3mf", "obj", "ply", "off", "glb", "txt")
    ), data


def _edited(name: str, data: bytes, rng: Random) -> bytes:
    by_format = _BY_ENDING.get(name.partition("-")[2])
    if rng.random() < 0.15:
        return mutated_bytes(data, rng)
    if by_format is None:
        return mutated_text(data.decode("utf-8", "replace"), rng).encode("utf-8", "replace")
    try:
        return by_format(data, rng)
    except (ValueError, IndexError, KeyError, struct.error):  # an earlier edit left nothing of the format
        return mutated_bytes(data, rng)
