"""A second opinion on what the gate passes: other readers, and edges counted one by one in plain Python.

It shares no line with the gate. STL is read by `struct` or by words, 3MF by `zipfile` and ElementTree, the
other formats by trimesh.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import trimesh

Corner = tuple[float, float, float]
Facet = tuple[Corner, Corner, Corner]

_CORE = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
_PATH = "{http://schemas.microsoft.com/3dmanufacturing/production/2015/06}path"
_START = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
_PLAINER = {"obj": (rb"\t", b" "), "off": (rb"#[^\n]*", b"")}
"""What trimesh does not read as the formats have it: tabs between words, comments behind them."""
_UNITS = {"micron": 1e-3, "millimeter": 1.0, "centimeter": 10.0, "inch": 25.4, "foot": 304.8, "meter": 1e3}


@dataclass(frozen=True)
class Instance:
    """A mesh and the factor by which its placement and unit multiply its volume."""

    facets: list[Facet]
    scale: float


def objections(data: bytes, kind: str, volume_mm3: float) -> list[str]:
    """What speaks against passing `data`, read as `kind`, with the volume that the gate measured."""
    instances = list(instances_of(data, kind))
    found = [objection for instance in instances for objection in _unsound(instance.facets)]
    volume = math.fsum(_volume(instance.facets) * instance.scale for instance in instances)
    doubt = 1e-6 * abs(volume) + 1e-9 * math.fsum(
        _extent(instance.facets) ** 3 * instance.scale for instance in instances
    )
    if not volume > 0:
        found.append(f"the volume is {volume}")
    if abs(volume - volume_mm3) > doubt:
        found.append(f"the volume is {volume}, the gate says {volume_mm3}")
    return found


def _unsound(facets: list[Facet]) -> list[str]:
    if not facets:
        return ["no facet"]
    if not all(math.isfinite(axis) for facet in facets for corner in facet for axis in corner):
        return ["not finite"]
    whole = [facet for facet in facets if len(set(facet)) == 3]
    edges = Counter(edge for facet in whole for edge in pairwise((*facet, facet[0])))
    wrong = [edge for edge, count in edges.items() if count != 1 or edges[edge[1], edge[0]] != 1]
    twice = len(whole) - len({frozenset(facet) for facet in whole})
    found = [f"{len(wrong)} edges are not matched, such as {wrong[0]}"] if wrong else []
    return found + ([f"{twice} facets stand twice"] if twice else [])


def _volume(facets: list[Facet]) -> float:
    origin = facets[0][0]
    moved = [[[a - o for a, o in zip(p, origin, strict=True)] for p in facet] for facet in facets]
    return math.fsum(
        term
        for (ax, ay, az), (bx, by, bz), (cx, cy, cz) in moved
        for term in (ax * (by * cz - bz * cy), ay * (bz * cx - bx * cz), az * (bx * cy - by * cx))
    ) / 6  # fmt: skip


def _extent(facets: list[Facet]) -> float:
    return max(
        max(corner[axis] for facet in facets for corner in facet)
        - min(corner[axis] for facet in facets for corner in facet)
        for axis in range(3)
    )


def instances_of(data: bytes, kind: str) -> Iterator[Instance]:
    """Every mesh that `data`, read as `kind`, asks to be made; support is not."""
    if kind == "stl-binary":
        yield Instance(list(_binary_stl(data)), 1.0)
    elif kind == "stl-ascii":
        yield Instance(list(_text_stl(data)), 1.0)
    elif kind == "3mf":
        yield from _Package(data).instances()
    else:
        yield from _by_trimesh(data, kind)


def _binary_stl(data: bytes) -> Iterator[Facet]:
    (count,) = struct.unpack_from("<I", data, 80)
    for number in range(count):
        values = struct.unpack_from("<9f", data, 96 + 50 * number)
        yield values[:3], values[3:6], values[6:]


def _text_stl(data: bytes) -> Iterator[Facet]:
    lines = data.decode("latin-1").lower().replace("\r", "\n").split("\n")
    words = [word for line in lines for word in line.split() if line.split()[0] not in ("solid", "endsolid")]
    corners: list[Corner] = [
        (float(words[i + 1]), float(words[i + 2]), float(words[i + 3]))
        for i, word in enumerate(words)
        if word == "vertex"
    ]
    for first in range(0, len(corners), 3):
        yield corners[first], corners[first + 1], corners[first + 2]


def _by_trimesh(data: bytes, kind: str) -> Iterator[Instance]:
    """Objects of an OBJ are one mesh: trimesh parts them by their materials."""
    if kind in _PLAINER:
        data = re.sub(*_PLAINER[kind], data)
    scene = trimesh.load_scene(io.BytesIO(data), file_type=kind, process=False, skip_materials=True)
    scale = 1e9 if kind == "glb" else 1.0
    found = []
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        mesh = scene.geometry[name]
        points = [(x, y, z) for x, y, z in mesh.vertices.tolist()]
        facets = [(points[a], points[b], points[c]) for a, b, c in mesh.faces.tolist()]
        factor = abs(_determinant([list(row[:3]) for row in matrix.tolist()[:3]]))
        found.append(Instance(facets, scale * factor))
    yield from [Instance([facet for part in found for facet in part.facets], 1.0)] if kind == "obj" else found


class _Package:
    """The build of a 3MF package, by the standard library alone."""

    def __init__(self, data: bytes) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self._names = {name.casefold(): name for name in self._zip.namelist()}
        self._roots: dict[str, Any] = {}
        relations = ET.fromstring(self._zip.read("_rels/.rels"))
        (self._start,) = [row.get("Target", "") for row in relations if row.get("Type") == _START]

    def instances(self) -> Iterator[Instance]:
        root = self._root(self._start)
        unit = _UNITS[(root.get("unit") or "millimeter").strip()]
        for item in root.iterfind(f"{_CORE}build/{_CORE}item"):
            yield from self._expanded(item, self._start, unit**3)

    def _expanded(self, node: Any, part: str, scale: float) -> Iterator[Instance]:
        part = node.get(_PATH) or part
        number = int(node.get("objectid"))
        (holder,) = [
            child for child in self._root(part).iterfind(f"{_CORE}resources/{_CORE}object")
            if int(child.get("id")) == number
        ]  # fmt: skip
        scale *= _factor(node.get("transform"))
        mesh = holder.find(f"{_CORE}mesh")
        if mesh is not None and (holder.get("type") or "").strip() != "support":
            yield Instance(list(_facets(mesh)), scale)
        for component in holder.iterfind(f"{_CORE}components/{_CORE}component"):
            yield from self._expanded(component, part, scale)

    def _root(self, name: str) -> Any:
        plain = name.removeprefix("/")
        exact = plain if plain in self._zip.namelist() else self._names[plain.casefold()]
        if exact not in self._roots:
            self._roots[exact] = _parsed(self._zip.read(exact))
        return self._roots[exact]


def _parsed(text: bytes) -> Any:
    """The root element; prefixes that nobody declared, which the gate warns of, are declared at the root."""
    try:
        return ET.fromstring(text)
    except ET.ParseError as error:
        if "unbound prefix" not in str(error):
            raise
    prefixes = {
        name
        for name in re.findall(rb"[<\s/]([A-Za-z_][\w.-]*):", text)
        if name not in (b"xml", b"xmlns") and b"xmlns:" + name not in text
    }
    added = b"".join(b' xmlns:%s="urn:%s"' % (name, name) for name in prefixes)
    return ET.fromstring(re.sub(rb"(<model)(?=[\s>])", lambda match: match.group() + added, text, count=1))


def _facets(mesh: Any) -> Iterator[Facet]:
    points = [
        (float(node.get("x")), float(node.get("y")), float(node.get("z")))
        for node in mesh.iterfind(f"{_CORE}vertices/{_CORE}vertex")
    ]
    for node in mesh.iterfind(f"{_CORE}triangles/{_CORE}triangle"):
        yield points[int(node.get("v1"))], points[int(node.get("v2"))], points[int(node.get("v3"))]


def _factor(transform: str | None) -> float:
    if transform is None:
        return 1.0
    values = [float(word) for word in transform.split()]
    return abs(_determinant([values[0:3], values[3:6], values[6:9]]))


def _determinant(rows: list[list[float]]) -> float:
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
