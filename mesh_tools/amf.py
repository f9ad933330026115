"""AMF (ISO/ASTM 52915), plain or zipped, read strictly by one pass of an XML parser, without a tree.

Taken: flat triangles in volumes that share an object's vertices, units, and constellations as placements.
Refused: what changes the shape beyond the triangles (curved triangles, graded materials, voids), elements
that the standard does not have where they stand, document types, several arrangements. Metadata, colours and
textures are passed over. Where there is a constellation, one of them holds every object: nothing is left for
a reader to decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

import numpy as np

from mesh_tools.errors import Refused
from mesh_tools.findings import Finding, finding
from mesh_tools.limits import Limits
from mesh_tools.model import IDENTITY, Body, Model, Placement
from mesh_tools.threemf.archive import Archive

UNITS_MM: Final[Mapping[str, float]] = {
    "millimeter": 1.0, "inch": 25.4, "feet": 304.8, "meter": 1000.0, "micron": 0.001,
}  # fmt: skip
_INSTANCE = ("deltax", "deltay", "deltaz", "rx", "ry", "rz")
_CHILDREN: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({"amf"}),
    "amf": frozenset({"object", "constellation", "material", "texture", "metadata"}),
    "object": frozenset({"mesh", "metadata", "color"}),
    "mesh": frozenset({"vertices", "volume"}),
    "vertices": frozenset({"vertex"}),
    "vertex": frozenset({"coordinates", "color", "metadata"}),
    "coordinates": frozenset("xyz"),
    "volume": frozenset({"triangle", "metadata", "color"}),
    "triangle": frozenset({"v1", "v2", "v3", "color", "texmap", "map"}),
    "constellation": frozenset({"instance", "metadata"}),
    "instance": frozenset(_INSTANCE),
}
_PASSED_OVER = frozenset({"metadata", "color", "texmap", "map", "texture", "material"})
_SHAPING = {
    ("vertex", "normal"): "curved triangles (normals)",
    ("vertices", "edge"): "curved triangles (edges)",
    ("material", "composite"): "graded materials",
}
_NUMBERED = frozenset({*"xyz", "v1", "v2", "v3", *_INSTANCE})
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_NUMBERS = re.compile(rf"{_NUMBER}(?: {_NUMBER})*")
_INDICES = re.compile(r"[0-9]{1,10}(?: [0-9]{1,10})*")
_ROOT = re.compile(rb"<amf[\s>]")
_ZIP = b"PK\x03\x04"
_WORD_CHARACTERS_MAX = 64
_BLOCK = 1 << 20


def is_amf(data: memoryview, extension: str, limits: Limits) -> bool:
    """Whether the bytes are AMF, plain or as the one file of a ZIP archive."""
    head = bytes(data[:4096])
    if head.startswith(_ZIP):
        return extension != ".3mf" and _zipped(data, limits)
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and (
        extension == ".amf" or _ROOT.search(head) is not None
    )


def load_amf(data: memoryview, limits: Limits) -> Model:
    """Read and check an AMF file completely; raises Refused."""
    reader = _Reader(limits)
    for block in _blocks(data, limits):
        reader.feed(block)
    return reader.finish()


def _zipped(data: memoryview, limits: Limits) -> bool:
    try:
        names = list(Archive(data, limits).entries)
    except Refused:
        return False
    return len(names) == 1 and names[0].lower().endswith(".amf")


def _blocks(data: memoryview, limits: Limits) -> Iterable[bytes]:
    if bytes(data[:4]) == _ZIP:
        archive = Archive(data, limits)
        for entry in archive.entries.values():
            yield from archive.blocks(entry)
        return
    for start in range(0, len(data), _BLOCK):
        yield bytes(data[start : start + _BLOCK])


@dataclass(eq=False)
class _Volume:
    support: bool
    corners: tuple[list[str], list[str], list[str]] = field(default_factory=lambda: ([], [], []))


@dataclass(eq=False)
class _Object:
    id: str
    axes: tuple[list[str], list[str], list[str]] = field(default_factory=lambda: ([], [], []))
    vertices: int = 0
    meshes: int = 0
    lists: int = 0
    volumes: list[_Volume] = field(default_factory=list)


@dataclass(eq=False)
class _Instance:
    target: str
    numbers: dict[str, str] = field(default_factory=dict)


class _Reader:
    """Collects the parser's events; numbers stay text until their list is complete."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._path: list[str] = [""]
        self._passing = 0
        self._elements = 0
        self._text: list[str] = []
        self._unit = "millimeter"
        self._objects: dict[str, _Object] = {}
        self._constellations: dict[str, list[_Instance]] = {}
        self._object = _Object("")
        self._volume = _Volume(support=False)
        self._instances: list[_Instance] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._doctype
        self._parser.XmlDeclHandler = self._declaration

    def feed(self, block: bytes, *, last: bool = False) -> None:
        """Parse a part of the file."""
        try:
            self._parser.Parse(block, last)
        except expat.ExpatError as error:
            raise _bad(f"not well-formed: {error}") from None

    def finish(self) -> Model:
        """The model, once all was fed."""
        self.feed(b"", last=True)
        placements = self._placements()
        bodies: list[Body] = []
        findings: list[Finding] = []
        for held in self._objects.values():
            points = self._points(held)
            for number, volume in enumerate(held.volumes):
                if volume.support:
                    findings.append(finding("content.support", f"A volume of object {held.id!r} is support."))
                else:
                    bodies.append(self._body(held, number, points, placements[held.id]))
        total = sum(body.facet_count * len(body.placements) for body in bodies)
        if total > self._limits.facets_max:
            raise Refused("limit.facets", f"{total} facets; the limit is {self._limits.facets_max}.")
        return Model("amf", tuple(bodies), UNITS_MM[self._unit], tuple(findings))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > self._limits.xml_elements_max or len(self._path) > self._limits.xml_depth_max:
            raise Refused("package.limit", "The XML has too many elements, or too deep ones.")
        parent = self._path[-1]
        self._path.append(name)
        shaping = _SHAPING.get((parent, name))
        if shaping is not None:
            raise Refused("content.not_faceted", f"The file has {shaping}: the triangles are not its shape.")
        if self._passing:
            return
        if name not in _CHILDREN.get(parent, ()):
            raise _bad(f"<{name[:40]}> does not belong into <{parent[:40]}>")
        if name in _PASSED_OVER:
            self._passing = len(self._path)
        elif name in _NUMBERED:
            self._text = []
        elif name in ("vertex", "triangle", "coordinates"):
            self._count(name)
        else:
            self._open(name, attributes)

    def _count(self, name: str) -> None:
        held = self._object
        if name == "coordinates":
            return
        if name == "vertex":
            self._require_even(held.axes, held.vertices, "vertex")
            held.vertices += 1
            if held.vertices > self._limits.vertices_max:
                raise Refused("limit.vertices", f"More than {self._limits.vertices_max} vertices.")
        elif len(self._volume.corners[0]) > self._limits.facets_max:
            raise Refused("limit.facets", f"More than {self._limits.facets_max} facets.")

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        held = self._object
        if name == "amf":
            self._unit = attributes.get("unit", "millimeter").strip().lower()
            if self._unit not in UNITS_MM:
                raise _bad(f"the unit {self._unit[:40]!r} is not one of {', '.join(UNITS_MM)}")
        elif name == "object":
            self._object = _Object(self._new_id(attributes))
            self._objects[self._object.id] = self._object
        elif name == "mesh":
            held.meshes += 1
        elif name == "vertices":
            held.lists += 1
        elif name == "volume":
            self._volume = _volume(attributes)
            held.volumes.append(self._volume)
        elif name == "constellation":
            self._instances = self._constellations[self._new_id(attributes)] = []
        elif name == "instance":
            self._instances.append(_Instance(attributes.get("objectid", "")))

    def _new_id(self, attributes: dict[str, str]) -> str:
        found = attributes.get("id", "")
        if not found or found in self._objects or found in self._constellations:
            raise _bad(f"the id {found[:40]!r} is missing or stands twice")
        return found

    def _end(self, name: str) -> None:
        self._path.pop()
        if self._passing:
            if len(self._path) < self._passing:
                self._passing = 0
            return
        if name in _NUMBERED:
            self._take(name, "".join(self._text).strip(" \t\r\n"))
        elif name == "triangle":
            corners = self._volume.corners
            self._require_even(corners, len(corners[2]), "triangle")

    def _take(self, name: str, word: str) -> None:
        if not 0 < len(word) <= _WORD_CHARACTERS_MAX or " " in word:
            raise _bad(f"<{name}> holds {word[:20]!r}, which is no number")
        if name in "xyz":
            self._object.axes["xyz".index(name)].append(word)
        elif name[0] == "v":
            self._volume.corners[int(name[1]) - 1].append(word)
        elif self._instances[-1].numbers.setdefault(name, word) is not word:
            raise _bad(f"<{name}> stands twice in an instance")

    def _require_even(self, lists: tuple[list[str], list[str], list[str]], count: int, name: str) -> None:
        if not len(lists[0]) == len(lists[1]) == len(lists[2]) == count:
            raise _bad(f"a <{name}> lacks one of its three numbers or has one twice")

    def _characters(self, text: str) -> None:
        if self._passing:
            return
        if self._path[-1] in _NUMBERED:
            self._text.append(text)
        elif text.strip(" \t\r\n"):
            raise _bad(f"<{self._path[-1][:40]}> holds the text {text.strip()[:20]!r}")

    def _doctype(self, *_: object) -> None:
        raise _bad("it contains a document type declaration")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise _bad(f"it is encoded as {encoding[:40]!r}, not UTF-8")

    def _points(self, held: _Object) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        if held.meshes != 1 or held.lists != 1:
            raise _bad(f"object {held.id[:40]!r} needs one mesh with one list of vertices")
        self._require_even(held.axes, held.vertices, "vertex")
        return np.stack([_numbers(words) for words in held.axes], axis=1)

    def _body(
        self,
        held: _Object,
        number: int,
        points: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
        placements: list[Placement],
    ) -> Body:
        columns = [_indices(words) for words in held.volumes[number].corners]
        facets = np.stack(columns, axis=1)
        if facets.size and int(facets.max()) >= len(points):
            raise Refused("mesh.index_range", f"Object {held.id[:40]!r} names vertex {facets.max()}.")
        name = held.id[:40] if len(held.volumes) == 1 else f"{held.id[:40]}, volume {number + 1}"
        return Body(points, facets.astype(np.int32), placements, name)

    def _placements(self) -> dict[str, list[Placement]]:
        """Where each object stands: as it is, or as the one outermost constellation says."""
        placed: dict[str, list[Placement]] = {name: [] for name in self._objects}
        if not self._constellations:
            return {name: [IDENTITY] for name in self._objects}
        inner = {row.target for rows in self._constellations.values() for row in rows}
        outer = [name for name in self._constellations if name not in inner]
        if len(outer) != 1:
            raise _bad(f"{len(outer)} constellations stand outermost; one must hold all")
        self._place(outer[0], np.eye(4), 0, placed)
        missing = [name for name, places in placed.items() if not places]
        if missing:
            raise _bad(f"object {missing[0][:40]!r} is in no constellation that is printed")
        return placed

    def _place(self, name: str, matrix: Placement, depth: int, placed: dict[str, list[Placement]]) -> None:
        if depth > self._limits.component_depth_max:
            raise Refused("package.cycle", "Constellations hold themselves, or nest too deep.")
        for row in self._constellations[name]:
            here = _matrix(row.numbers) @ matrix
            if row.target in self._objects:
                placed[row.target].append(np.ascontiguousarray(here[:, :3]))
                if sum(map(len, placed.values())) > self._limits.instances_max:
                    raise Refused("limit.instances", f"More than {self._limits.instances_max} instances.")
            elif row.target in self._constellations:
                self._place(row.target, here, depth + 1, placed)
            else:
                raise _bad(f"an instance names {row.target[:40]!r}, which is not there")


def _volume(attributes: dict[str, str]) -> _Volume:
    kind = attributes.get("type", "object")
    if kind not in ("object", "support"):
        raise _bad(f"a volume is of type {kind[:40]!r}")
    if attributes.get("materialid") == "0":
        raise Refused("content.not_faceted", "A volume is a void (material 0).")
    return _Volume(support=kind == "support")


def _matrix(numbers: Mapping[str, str]) -> Placement:
    """The 4×4 of an instance for row vectors: turned about x, then y, then z, then moved."""
    values = dict(zip(numbers, _numbers(list(numbers.values())), strict=True)) if numbers else {}
    matrix = np.eye(4)
    for axis, name in enumerate(("rx", "ry", "rz")):
        angle = np.radians(values.get(name, 0.0))
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(4)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = np.sin(angle), -np.sin(angle)
        matrix = matrix @ turn
    matrix[3, :3] = [values.get(name, 0.0) for name in ("deltax", "deltay", "deltaz")]
    return matrix


def _numbers(words: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if words and not _NUMBERS.fullmatch(" ".join(words)):
        wrong = next((word for word in words if not _NUMBERS.fullmatch(word)), words[0])
        raise _bad(f"{wrong[:20]!r} is no number")
    values = np.array([float(word) for word in words], np.float64)
    if not np.isfinite(values).all():
        raise _bad("a number is too large")
    return values


def _indices(words: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    if words and not _INDICES.fullmatch(" ".join(words)):
        wrong = next((word for word in words if not _INDICES.fullmatch(word)), words[0])
        raise _bad(f"{wrong[:20]!r} is no vertex")
    return np.array([int(word) for word in words], np.int64)


def _bad(message: str) -> Refused:
    return Refused("format.unreadable", f"amf: {message}.")
