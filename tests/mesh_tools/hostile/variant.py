"""A hostile file, the code that must refuse it, and its twin: the nearest sound file, which must pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.mesh_tools.threemf.packages import model, package, parts

Make = Callable[[], bytes]


@dataclass(frozen=True)
class Variant:
    """`hostile` and `twin` make the bytes; they differ in what `name` says and in nothing else of weight."""

    name: str
    code: str
    hostile: Make
    twin: Make
    filename: str = "part.3mf"

    def __str__(self) -> str:
        return self.name


def edited(name: str, code: str, old: str, new: str, sound: str | None = None) -> Variant:
    """A 3MF whose model has `new` in the place of `old`; its twin has `sound` there, or what was there."""

    def written(text: str) -> bytes:
        whole = model()
        assert old in whole, old
        return package(whole.replace(old, text, 1))

    return Variant(name, code, lambda: written(new), lambda: written(old if sound is None else sound))


def with_parts(
    name: str, code: str, hostile: dict[str, str | bytes], twin: dict[str, str | bytes]
) -> Variant:
    """A 3MF with these parts added or replaced."""
    return Variant(name, code, lambda: package(parts(**hostile)), lambda: package(parts(**twin)))
