"""OBJ, PLY, OFF and GLB: which one the bytes are, and its reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from mesh_tools.glb import MAGIC, load_glb
from mesh_tools.limits import Limits
from mesh_tools.model import Model
from mesh_tools.obj import load_obj
from mesh_tools.off import load_off
from mesh_tools.ply import load_ply

KINDS: Final = ("obj", "ply", "off", "glb")
_READERS: Final[Mapping[str, Callable[[memoryview, Limits], Model]]] = {
    "obj": load_obj, "ply": load_ply, "off": load_off, "glb": load_glb,
}  # fmt: skip


def kind_of(data: memoryview, extension: str) -> str | None:
    """Which of `KINDS` the bytes are, or None; OBJ has no mark of its own and goes by its extension."""
    head = bytes(data[:64])
    if head.startswith(MAGIC):
        return "glb"
    if head[:4] in (b"ply\n", b"ply\r"):
        return "ply"
    if head.lstrip()[:4].upper().startswith((b"OFF", b"COFF", b"NOFF")):
        return "off"
    return "obj" if extension == ".obj" and b"\0" not in bytes(data[:4096]) else None


def load_foreign(data: memoryview, kind: str, limits: Limits) -> Model:
    """Read `data` as `kind`; raises Refused."""
    return _READERS[kind](data, limits)
