"""Wavefront OBJ, the polygonal part of it, read strictly.

Vertices (`v`, with a colour or a weight of 1), faces (`f`, indices from 1 or backwards from the last vertex
before the face). Normals, texture places, groups and material names are passed over, and no other file is
opened. What changes the shape (free-form curves and surfaces, `call`) or is none (points, lines) is refused.
"""

from __future__ import annotations

import re

import numpy as np

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.mesh_text import Integers, Numbers, decimals, integers, lines_of, unreadable
from mesh_tools.model import Body, Model
from mesh_tools.polygons import triangulated

_PASSED_OVER = frozenset({b"vt", b"vn", b"g", b"o", b"s", b"usemtl", b"mtllib", b"mg", b"usemap", b"maplib"})
_SHAPES = frozenset({
    b"vp", b"cstype", b"deg", b"bmat", b"step", b"curv", b"curv2", b"surf", b"parm", b"trim", b"hole",
    b"scrv", b"sp", b"end", b"con", b"ctech", b"stech", b"bsp", b"bzp", b"cdc", b"cdp", b"res",
})  # fmt: skip
_CORNER = re.compile(rb"-?[0-9]{1,10}(?:/(?:-?[0-9]{1,10})?){0,2}")
_FURTHER = re.compile(rb"/[^ ]*")
_CORNERS = re.compile(rb"%b(?: %b)*" % (_CORNER.pattern, _CORNER.pattern))


def load_obj(data: memoryview, limits: Limits) -> Model:
    """Read `data`; raises Refused."""
    vertices: list[list[bytes]] = []
    faces: list[list[bytes]] = []
    before: list[int] = []
    for line in _joined(lines_of(data, "obj")):
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        if line[:1] in (b" ", b"\t"):
            raise unreadable("obj", "a line begins with a blank, and some readers pass over it")
        if words[0] == b"v":
            vertices.append(words[1:])
        elif words[0] == b"f":
            faces.append(words[1:])
            before.append(len(vertices))
        elif words[0] not in _PASSED_OVER:
            raise _other(words[0])
    points = _points(vertices)
    if len(points) and not faces:
        raise _other(b"p")
    sizes = np.array(list(map(len, faces)), np.int64)
    corners = _corners(faces, sizes, np.array(before, np.int64))
    return Model("obj", (Body(points, triangulated(points, sizes, corners, limits)),))


def _joined(lines: list[bytes]) -> list[bytes]:
    """The lines, those ending in a backslash with the next."""
    if not any(line.endswith(b"\\") for line in lines):
        return lines
    return b"\n".join(lines).replace(b"\\\n", b" ").split(b"\n")


def _other(word: bytes) -> Refused:
    if word in (b"p", b"l"):
        return Refused("content.no_mesh", "obj: the file holds points or lines.")
    if word in _SHAPES:
        return Refused(
            "content.not_faceted", f"obj: {word.decode('ascii')} describes a shape without facets."
        )
    return unreadable("obj", f"{word[:20]!r} is not known")


def _points(vertices: list[list[bytes]]) -> Numbers:
    counts = set(map(len, vertices))
    if counts - {3, 4, 6, 7}:
        raise unreadable("obj", "a vertex needs three coordinates, and a weight or a colour at most")
    points = decimals([word for row in vertices for word in row[:3]], "obj").reshape(-1, 3)
    weights = [row[3] for row in vertices if len(row) == 4] if 4 in counts else []
    if (decimals(weights, "obj") != 1).any():
        raise Refused("content.not_faceted", "obj: a vertex has a weight other than 1.")
    decimals([word for row in vertices for word in row[3:]] if counts - {3, 4} else [], "obj")
    return points


def _corners(faces: list[list[bytes]], sizes: Integers, before: Integers) -> Integers:
    joined = b" ".join([word for row in faces for word in row])
    if joined and not _CORNERS.fullmatch(joined):
        wrong = next(word for word in joined.split() if not _CORNER.fullmatch(word))
        raise unreadable("obj", f"{wrong[:20]!r} is no corner of a face")
    if b"/" in joined:
        joined = _FURTHER.sub(b"", joined)
    given = integers(joined.split(), "obj")
    if (given == 0).any():
        raise Refused("mesh.index_range", "obj: a face names vertex 0; they count from 1.")
    corners: Integers = np.where(given > 0, given - 1, np.repeat(before, sizes) + given)
    return corners
