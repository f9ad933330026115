"""Indices and transforms: negative, past the end, past 31 and 32 bits, twice, singular, not finite."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.mesh_tools import shapes
from tests.mesh_tools.hostile.variant import Variant, edited
from tests.mesh_tools.threemf.packages import OBJECT, model, package
from tests.mesh_tools.writers import WRITERS, glb_of, gltf, mesh_xml

_SCHEMA, _REFERENCE = "package.schema", "package.reference"
_INDICES = {
    "-1": _SCHEMA, "-0": _SCHEMA, "1.0": _SCHEMA, "0x2": _SCHEMA, "1e0": _SCHEMA, "": _SCHEMA, "٢": _SCHEMA,
    "two": _SCHEMA, "2147483648": _SCHEMA, "4294967298": _SCHEMA, "18446744073709551618": _SCHEMA,
    "99999999999999999999": _SCHEMA, "2147483647": _REFERENCE, "4": _REFERENCE, "0": _REFERENCE,
}  # fmt: skip
_TRANSFORMS = {
    "1 0 0 0 1 0 0 0 1 0 0": _SCHEMA,
    "1 0 0 0 1 0 0 0 1 0 0 0 0": "mesh.placement",
    "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1": "mesh.placement",
    "1 0 0 0 1 0 0 0 nan 0 0 0": _SCHEMA,
    "1 0 0 0 1 0 0 0 inf 0 0 0": _SCHEMA,
    "1 0 0 0 1 0 0 0 1 0 0 1e999": _SCHEMA,
    "1,0,0,0,1,0,0,0,1,0,0,0": _SCHEMA,
    "": _SCHEMA,
    "0 0 0 0 0 0 0 0 0 0 0 0": "mesh.placement",
    "1 0 0 0 1 0 0 0 0 0 0 0": "mesh.placement",
    "1 2 3 2 4 6 0 0 1 0 0 0": "mesh.placement",
    "1 0 0 0 1 0 1 1 1e-12 0 0 0": "mesh.placement",
    "1e200 0 0 0 1e200 0 0 0 1e200 0 0 0": "mesh.out_of_range",
    "1 0 0 0 1 0 0 0 1 1e300 0 0": "mesh.out_of_range",
}
_MOVED = "0 1 0 -1 0 0 0 0 1 5 5 5"


def _index(text: str, code: str, *, long: bool) -> Variant:
    """An index in a list short enough for the XML reader, or long enough for the scanner."""

    def written(word: str) -> bytes:
        mesh = mesh_xml(shapes.sphere(rings=8, segments=8)) if long else OBJECT
        whole = model(f'<object id="1">{mesh}</object>' if long else mesh)
        old = '<triangle v1="0" v2="2"'
        assert old in whole
        return package(whole.replace(old, f'<triangle v1="0" v2="{word}"', 1))

    hostile = "9999" if long and text == "4" else text
    name = f"3MF index {text!r} of a {'long' if long else 'short'} list"
    return Variant(name, code, lambda: written(hostile), lambda: written("2"))


def _transform(text: str, code: str) -> Variant:
    def item(value: str) -> bytes:
        return package(model(build=f'<item objectid="1" transform="{value}"/>'))

    return Variant(f"item's transform {text!r}", code, lambda: item(text), lambda: item(_MOVED))


def _component(text: str, code: str) -> Variant:
    def component(value: str) -> bytes:
        inner = (
            f'<object id="2"><components><component objectid="1" transform="{value}"/></components></object>'
        )
        return package(model(OBJECT + inner, '<item objectid="2"/>'))

    return Variant(
        f"component's transform {text!r}", code, lambda: component(text), lambda: component(_MOVED)
    )


def _line(filename: str, old: str, new: str, code: str) -> Variant:
    def written(line: str) -> bytes:
        data = WRITERS[filename](shapes.box())
        assert old.encode() in data
        return data.replace(old.encode(), line.encode(), 1)

    return Variant(
        f"{filename} facet {new.strip()!r}", code, lambda: written(new), lambda: written(old), filename
    )


def _ply(index: int) -> Variant:
    def written(last: int) -> bytes:
        data = WRITERS["part.ply"](shapes.box())
        return data[:-4] + struct.pack("<i", last)

    last = int(shapes.box()[1][-1, -1])
    return Variant(
        f"binary PLY index {index}",
        "mesh.index_range",
        lambda: written(index),
        lambda: written(last),
        "part.ply",
    )


def _glb(
    name: str, change: Callable[[dict[str, Any], list[int]], None], code: str = "format.unreadable"
) -> Variant:
    def written(altered: bool) -> bytes:
        points, facets = shapes.box(0.01, 0.02, 0.03)
        document: dict[str, Any] = json.loads(json.dumps(gltf(points.astype("<f4"), facets)))
        indices = facets.reshape(-1).tolist()
        if altered:
            change(document, indices)
        return glb_of(document, points.astype("<f4").tobytes() + np.array(indices, "<u4").tobytes())

    return Variant(f"GLB {name}", code, lambda: written(True), lambda: written(False), "part.glb")


def _last_index(value: int) -> Callable[[dict[str, Any], list[int]], None]:
    def change(_document: dict[str, Any], indices: list[int]) -> None:
        indices[-1] = value

    return change


def _node(**fields: object) -> Callable[[dict[str, Any], list[int]], None]:
    def change(document: dict[str, Any], _indices: list[int]) -> None:
        document["nodes"][0].update(fields)

    return change


VARIANTS: tuple[Variant, ...] = (
    *(_index(text, code, long=long) for text, code in _INDICES.items() for long in (False, True)),
    edited("object id past 31 bits", _SCHEMA, 'objectid="1"', 'objectid="2147483649"'),
    edited("object id that wraps to one", _SCHEMA, 'objectid="1"', 'objectid="4294967297"'),
    edited("object id zero", _SCHEMA, 'objectid="1"', 'objectid="0"'),
    *(_transform(text, code) for text, code in _TRANSFORMS.items()),
    *(_component(text, code) for text, code in _TRANSFORMS.items()),
    *(
        _line("part.obj", "f 1 3 2", f"f 1 3 {word}", code)
        for word, code in (
            ("0", "mesh.index_range"),
            ("9", "mesh.index_range"),
            ("-9", "mesh.index_range"),
            ("4294967298", "mesh.index_range"),
            ("18446744073709551618", "format.unreadable"),
            ("2.5", "format.unreadable"),
        )
    ),
    *(
        _line("part.off", "3 0 2 1", f"3 0 2 {word}", code)
        for word, code in (
            ("8", "mesh.index_range"),
            ("-1", "mesh.index_range"),
            ("4294967297", "mesh.index_range"),
            ("1.5", "format.unreadable"),
            ("x", "format.unreadable"),
        )
    ),
    *(
        _line("text.ply", "3 0 2 1", f"3 0 2 {word}", code)
        for word, code in (
            ("8", "mesh.index_range"),
            ("-1", "mesh.index_range"),
            ("x", "format.unreadable"),
        )
    ),
    *(_ply(index) for index in (8, -1, -(2**31), 2**31 - 1)),
    _glb("index past the end", _last_index(8), "mesh.index_range"),
    _glb("index of 32 ones", _last_index(2**32 - 1), "mesh.index_range"),
    _glb("scale of nothing", _node(scale=[1, 1, 0]), "mesh.placement"),
    _glb("matrix of fifteen numbers", _node(matrix=[1] + [0] * 14)),
    _glb("matrix of zeros", _node(matrix=[0] * 15 + [1]), "mesh.placement"),
    _glb("mesh that is not there", _node(mesh=7)),
)
