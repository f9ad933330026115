from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mesh_tools.errors import Refused
from mesh_tools.foreign import KINDS, load_foreign
from mesh_tools.limits import Limits
from mesh_tools.model import Model
from tests.mesh_tools import shapes
from tests.mesh_tools.conftest import Gate


def _exported(kind: str, shape: shapes.Shape, **options: str) -> bytes:
    data = trimesh.Trimesh(*shape, process=False).export(file_type=kind, **options)
    return data.encode() if isinstance(data, str) else bytes(data)


BAD = "format.unreadable"
INDEX = "mesh.index_range"
SHAPE = "content.not_faceted"
POLYGONS = "mesh.polygons"
NOT_FINITE = "mesh.not_finite"
NO_MESH = "content.no_mesh"
PLACE = "mesh.placement"
TET = "v 0 0 0\nv 10 0 0\nv 0 10 0\nv 0 0 10\n"
FACES = "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
PLY = """ply
format ascii 1.0
element vertex 4
property float x
property float y
property float z
element face 4
property list uchar int vertex_indices
end_header
"""
POINTS = "0 0 0\n10 0 0\n0 10 0\n0 0 10\n"
CORNERS = "3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"


def _loaded(kind: str, data: bytes | str) -> Model:
    return load_foreign(memoryview(data.encode() if isinstance(data, str) else data), kind, Limits())


def _code(kind: str, data: bytes | str) -> str | None:
    """The code that `data` is refused with, None when it is not."""
    try:
        _loaded(kind, data)
    except Refused as refusal:
        return refusal.code
    return None


def _soup(model: Model) -> NDArray[np.float64]:
    """All corners (n, 3, 3) as placed, each facet beginning with its lowest corner, sorted."""
    rows = []
    for body in model.bodies:
        for place in body.placements:
            for _, corners in body.chunks():
                rows += (corners.astype(float) @ place[:3] + place[3]).round(4).tolist()
    turned = [min(row[k:] + row[:k] for k in range(3)) for row in rows]
    return np.array(sorted(turned))


def _glb(document: dict[str, object], binary: bytes = b"") -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = (
        struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    )
    return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks


class TestLoadForeign:
    @pytest.mark.parametrize("kind", ["obj", "ply", "off"])
    @pytest.mark.parametrize("shape", [shapes.box(), shapes.torus()], ids=["box", "torus"])
    def test_measures_a_sound_part(self, gate: Gate, kind: str, shape: shapes.Shape) -> None:
        inspection = gate.inspect(_exported(kind, shape), f"part.{kind}")
        assert inspection.verdict == "pass"
        assert inspection.format == kind
        assert inspection.geometry is not None
        assert inspection.geometry.volume_mm3 == pytest.approx(trimesh.Trimesh(*shape).volume, rel=1e-5)

    def test_takes_metres_and_y_up_from_glb(self, gate: Gate) -> None:
        points, facets = shapes.box(0.01, 0.02, 0.03)
        inspection = gate.inspect(_exported("glb", (points, facets)), "part.glb")
        assert inspection.verdict == "pass"
        assert inspection.geometry is not None
        assert inspection.geometry.size_mm == pytest.approx((10, 30, 20), rel=1e-5)

    @pytest.mark.parametrize("kind", ["obj", "ply", "off", "glb"])
    def test_refuses_an_open_part(self, gate: Gate, kind: str) -> None:
        points, facets = shapes.box()
        assert "mesh.open_edges" in gate.reasons(_exported(kind, (points, facets[1:])), f"part.{kind}")

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 4000000000\nproperty float x\nend_header\n1\n"),
            (
                "a.ply",
                b"ply\nformat binary_little_endian 1.0\nelement vertex 99\nproperty float x\nend_header\n",
            ),
            ("a.ply", b"ply\nnonsense\n"),
            ("a.off", b"OFF\n4 4 0\n0 0 0\n"),
            ("a.off", b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 9\n"),
            ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n"),
            ("a.obj", b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
            ("a.obj", b"v 0 0 0\n"),
            ("a.obj", b"v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n"),
            ("a.obj", b"v 0 0 0 1 1 1 9\nv 1 0 0 1 1 1 9\nv 0 1 0 1 1 1 9\nf 1 2 3\n"),
            ("a.obj", b"mtllib ../../../../etc/passwd\nusemtl x\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
            ("a.glb", b"glTF" + bytes(20)),
            ("a.glb", b"glTF" + struct.pack("<II", 2, 2**31)),
            ("a.glb", _glb({"asset": {"version": "2.0"}})),
            (
                "a.glb",
                _glb(
                    {"asset": {"version": "2.0"}, "buffers": [{"uri": "file:///etc/passwd", "byteLength": 9}]}
                ),
            ),
            (
                "a.glb",
                _glb(
                    {
                        "asset": {"version": "2.0"},
                        "nodes": [{"children": [0]}],
                        "scenes": [{"nodes": [0]}],
                        "scene": 0,
                    }
                ),
            ),
        ],
    )
    def test_refuses_what_is_broken_or_hostile(self, gate: Gate, name: str, data: bytes) -> None:
        reasons = gate.reasons(data, name)
        assert reasons
        assert "sandbox.unavailable" not in reasons


class TestAgainstTrimesh:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        "shape", [shapes.box(), shapes.torus(), shapes.sphere()], ids=["box", "torus", "ball"]
    )
    def test_reads_the_same_facets(self, kind: str, shape: shapes.Shape) -> None:
        exported = _exported(kind, shape)
        scene = trimesh.load_scene(io.BytesIO(exported), file_type=kind, process=False)
        corners = scene.to_mesh().triangles
        if kind == "glb":
            corners = corners[:, :, [0, 2, 1]] * (1, -1, 1)
        expected = sorted(min(row[k:] + row[:k] for k in range(3)) for row in corners.round(4).tolist())
        assert _soup(_loaded(kind, exported)) == pytest.approx(np.array(expected), abs=2e-4)

    @pytest.mark.parametrize("encoding", ["ascii", "binary"])
    def test_reads_ply_in_both_encodings(self, encoding: str) -> None:
        exported = _exported("ply", shapes.torus(), encoding=encoding)
        assert _loaded("ply", exported).bodies[0].facet_count == len(shapes.torus()[1])

    def test_reads_glb_with_moved_and_repeated_parts(self) -> None:
        scene = trimesh.Scene()
        part = trimesh.Trimesh(*shapes.box(), process=False)
        turn = trimesh.transformations.euler_matrix(0.3, -0.7, 1.1)
        turn[:3, 3] = (5, -7, 11)
        scene.add_geometry(part, geom_name="a", transform=turn)
        twice = trimesh.transformations.scale_matrix(2)
        scene.add_geometry(part, geom_name="a", node_name="again", transform=twice)
        model = _loaded("glb", bytes(scene.export(file_type="glb")))
        assert sum(len(body.placements) for body in model.bodies) == 2
        places = _soup(model).reshape(-1, 3)
        expected = scene.to_mesh().vertices[:, [0, 2, 1]] * (1, -1, 1)
        assert places.min(axis=0) == pytest.approx(expected.min(axis=0), abs=1e-3)
        assert places.max(axis=0) == pytest.approx(expected.max(axis=0), abs=1e-3)

    @settings(deadline=None, max_examples=60)
    @given(st.sampled_from(KINDS), st.data())
    def test_reads_or_refuses_any_damage(self, kind: str, data: st.DataObject) -> None:
        sound = bytearray(_exported(kind, shapes.box()))
        for _ in range(data.draw(st.integers(1, 4))):
            sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(sound)))
        for damaged in (bytes(sound), bytes(sound[:cut])):
            code = _code(kind, damaged)
            assert code is None or code.startswith(("format.", "mesh.", "content.", "limit."))


class TestObj:
    @pytest.mark.parametrize(
        "text",
        [
            TET + FACES, TET + "f -4 -2 -3\nf -4 -3 -1\nf -4 -1 -2\nf -3 -2 -1\n", FACES + TET,
            TET + "vt 0 0\nvn 0 0 1\nf 1/1/1 3/1/1 2/1/1\nf 1//1 2//1 4//1\nf 1/1 4/1 3/1/\nf 2// 3/ 4\n",
            TET.replace("\n", " 1 0.5 0\n") + FACES, TET.replace("\n", " 1.0\n") + FACES,
            "# x\nmtllib a.mtl\n" + TET + "usemtl a\nf 1 3 2\nf 1 2 4\nusemtl b\ng v 1 2\nf 1 4 3\nf 2 3 4\n",
            (TET + FACES).replace("\n", "\r\n"), TET.replace("v 10 0 0", "v 10 \\\n0 0") + FACES,
            TET.replace("10", "+1.0e1") + FACES, TET.replace(" ", "\t") + FACES,
        ],
    )  # fmt: skip
    def test_reads_every_way_to_write_a_tetrahedron(self, text: str) -> None:
        assert _soup(_loaded("obj", text)) == pytest.approx(_soup(_loaded("obj", TET + FACES)))

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            (TET + "f 0 1 2\n", INDEX), (TET + "f 1 2 5\n", INDEX),
            (TET + "f -5 1 2\n", INDEX), ("f -1 -2 -3\n" + TET, INDEX),
            (TET + "f 1 2\n", POLYGONS), (TET + "f 1\n", POLYGONS), (TET + "f\n", POLYGONS),
            (TET + "f 1 2 3 4\n", POLYGONS), (TET + "f 1.5 2 3\n", BAD),
            (TET + "f 1 2 99999999999\n", BAD), (TET + "f 1 2 0x3\n", BAD),
            (TET + "f 1/1/1/1 2 3\n", BAD), (TET + "f a b c\n", BAD),
            ("v 0 0\n" + FACES, BAD), ("v 0 0 0 0 0\n", BAD),
            ("v 1_0 0 0\n", BAD), ("v 0x1 0 0\n", BAD),
            ("v 1,5 0 0\n", BAD), ("v nan 0 0\n", NOT_FINITE),
            ("v -inf 0 0\n", NOT_FINITE), ("v 1e999 0 0\n", NOT_FINITE),
            ("v 0 0 0 2\n", SHAPE), (TET + FACES + "l 1 2\n", NO_MESH),
            (TET + FACES + "p 1\n", NO_MESH), (TET + FACES + "cstype bezier\n", SHAPE),
            (TET + FACES + "surf 0 1 0 1 1 2 3 4\n", SHAPE),
            (TET + FACES + "call /etc/passwd\n", BAD), (TET + FACES + "csh ls\n", BAD),
            (TET + "\t" + FACES, BAD), (" " + TET + FACES, BAD),
            (TET + FACES + "hello\n", BAD), (TET.upper() + FACES, BAD),
            ((TET + FACES).replace("\n", "\r"), BAD), (TET + FACES + "\0", BAD),
            (TET + "# x\rf 1 2 3\n" + FACES, BAD),
        ],
    )  # fmt: skip
    def test_refuses(self, text: str, code: str) -> None:
        assert _code("obj", text) == code


class TestPolygons:
    SQUARE = "v 0 0 0\nv 10 0 0\nv 10 10 0\nv 0 10 0\n"

    def test_are_split_where_all_splits_agree(self) -> None:
        points, _ = shapes.box()
        text = "".join(f"v {x} {y} {z}\n" for x, y, z in points)
        text += "f 1 3 4 2\nf 5 6 8 7\nf 1 2 6 5\nf 3 7 8 4\nf 1 5 7 3\nf 2 4 8 6\n"
        model = _loaded("obj", text)
        assert model.bodies[0].facet_count == 12
        assert trimesh.Trimesh(
            model.bodies[0].points, model.bodies[0].facets, process=False
        ).volume == pytest.approx(6000)

    @pytest.mark.parametrize(
        "text",
        [
            SQUARE.replace("10 10 0", "10 10 1") + "f 1 2 3 4\n", SQUARE + "f 1 3 2 4\n",
            SQUARE + "f 1 1 1 1\n",
            SQUARE.replace("10 10 0", "2 2 0") + "f 1 2 3 4\n",
            "v 0 10 0\nv 6 -8 0\nv -9 3 0\nv 9 3 0\nv -6 -8 0\nf 1 2 3 4 5\n",
        ],
    )  # fmt: skip
    def test_are_refused_where_readers_would_differ(self, text: str) -> None:
        assert _code("obj", text) == POLYGONS


class TestPly:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("property list", "property float quality\nproperty list"), ("int v", "uint v"), ("uchar", "int"),
            ("vertex_indices", "vertex_index"), ("float", "double"), ("end_", "comment hi\nobj_info x\nend_"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("order", ["", "<", ">"])
    def test_reads_every_way_to_write_a_tetrahedron(self, old: str, new: str, order: str) -> None:
        header = PLY.replace(old, new).encode()
        corners = (
            CORNERS if "quality" not in new else "".join("7 " + row + "\n" for row in CORNERS.splitlines())
        )
        body = (POINTS + corners).encode()
        if order:
            name = b"binary_little_endian" if order == "<" else b"binary_big_endian"
            header = header.replace(b"ascii", name)
            real, count = ("d" if new == "double" else "f"), ("i" if new == "int" else "B")
            body = b"".join(
                struct.pack(order + "3" + real, *map(float, row.split())) for row in POINTS.splitlines()
            )
            for row in CORNERS.splitlines():
                body += struct.pack(order + "f", 7) if "quality" in new else b""
                body += struct.pack(order + count + "3i", *map(int, row.split()))
        assert _soup(_loaded("ply", header + body)) == pytest.approx(_soup(_loaded("obj", TET + FACES)))

    def test_reads_faces_of_several_sizes_in_binary(self) -> None:
        points, _ = shapes.box()
        rows = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7), (1, 7, 5)]
        header = (
            PLY.replace("ascii", "binary_little_endian").replace("x 4", "x 8").replace("face 4", "face 7")
        )
        body = points.astype("<f4").tobytes()
        body += b"".join(struct.pack(f"<B{len(row)}i", len(row), *row) for row in rows)
        assert _loaded("ply", header.encode() + body).bodies[0].facet_count == 12

    @pytest.mark.parametrize(
        ("old", "new", "code"),
        [
            ("3 1 2 3", "3 1 2 -1", INDEX), ("3 1 2 3", "3 1 2 4", INDEX),
            ("3 1 2 3", "4 1 2 3", BAD), ("3 1 2 3", "3 1 2", BAD),
            ("3 1 2 3", "3 1 2 3 0", BAD), ("3 1 2 3\n", "", BAD),
            ("3 1 2 3", "3 1 2 3\n3 0 1 2", BAD), ("3 1 2 3", "3 1 2 3.5", BAD),
            ("3 1 2 3", "2 1 2", POLYGONS), ("3 1 2 3", "4 0 1 2 3", POLYGONS),
            ("uchar int", "uchar float", BAD), ("uchar int", "float int", BAD),
            ("uchar int", "uchar long", BAD), ("1.0", "2.0", BAD),
            ("ascii", "binary_middle_endian", BAD), ("float x", "float y", BAD),
            ("float z", "float w", BAD), ("vertex 4", "vertex 99999999999", "limit.vertices"),
            ("vertex 4", "vertex -4", BAD), ("vertex 4", "vertex 4_0", BAD),
            ("face 4", "vertex 4", BAD), ("vertex_indices", "corners", BAD),
            ("end_header", "end", BAD), ("element face", "element tristrips", BAD),
            ("10 0 0", "nan 0 0", NOT_FINITE), ("10 0 0", "0x1p3 0 0", BAD),
            ("10 0 0", "10 0", BAD), ("10 0 0", "\n10 0 0", BAD), ("end_h", "\nend_h", BAD),
            ("comment", "comment", None),
            ("\n", "\r", BAD),
        ],
    )  # fmt: skip
    def test_refuses(self, old: str, new: str, code: str | None) -> None:
        assert _code("ply", (PLY + POINTS + CORNERS).replace(old, new)) == code

    @pytest.mark.parametrize(
        ("declared", "number"),
        [
            ("uchar", "-1"),
            ("uchar", "256"),
            ("char", "128"),
            ("short", "1.5"),
            ("int", "2147483648"),
            ("uint", "1e1"),
        ],
    )
    def test_refuses_text_that_the_declared_type_cannot_hold(self, declared: str, number: str) -> None:
        """One reader would wrap it or cut it off, another take it as it stands."""
        header = PLY.replace("float z", f"{declared} z")
        assert _code("ply", header + POINTS + CORNERS) is None
        assert _code("ply", header + POINTS.replace("10 0 0", f"10 0 {number}") + CORNERS) == BAD

    def test_refuses_a_corner_that_the_declared_type_cannot_hold(self) -> None:
        header = PLY.replace("uchar int", "uchar uchar").replace("vertex 4", "vertex 300")
        text = header + POINTS + "0 0 0\n" * 296 + CORNERS
        assert _code("ply", text.replace("3 1 2 3", "3 1 2 257")) == BAD

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\0" * 47,
            b"\0" * 48 + b"\xff" * 3,
            b"\0" * 48 + b"\x03" + b"\0" * 12,
            b"\0" * 48 + b"\x03" * 99,
        ],
    )
    def test_refuses_binary_that_ends_early_or_late(self, body: bytes) -> None:
        header = PLY.replace("ascii", "binary_little_endian").encode()
        assert _code("ply", header + body) in {BAD, INDEX}


class TestOff:
    SOUND = "OFF\n4 4 6\n" + POINTS + CORNERS

    @pytest.mark.parametrize(
        "text",
        [
            SOUND, SOUND.replace("OFF\n", "OFF "), "# a\n".join(["OFF\n", "4 4 6\n" + POINTS + CORNERS]),
            SOUND.replace("\n", " # x\n"), "OFF\n4 4\n" + POINTS + CORNERS.replace("\n", " 255 0 0\n"),
            "COFF\n4 4 0\n" + POINTS.replace("\n", " 1 0 0 1\n") + CORNERS, SOUND.lower(),
        ],
    )  # fmt: skip
    def test_reads_every_way_to_write_a_tetrahedron(self, text: str) -> None:
        assert _soup(_loaded("off", text)) == pytest.approx(_soup(_loaded("obj", TET + FACES)))

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            (SOUND + "3 0 1 2\n", BAD), (SOUND.replace("4 4 6", "4 5 6"), BAD),
            (SOUND.replace("4 4 6", "4000000000 4 6"), BAD), (SOUND[4:], BAD),
            (SOUND.replace("OFF", "4OFF"), BAD), (SOUND.replace("OFF", "STOFF"), BAD),
            (SOUND.replace("OFF", "OFF BINARY"), BAD), ("OFF", BAD), ("", BAD),
            (SOUND.replace("3 1 2 3", "3 1 2 -1"), INDEX), (SOUND.replace("3 1 2 3", "3 1 2"), BAD),
            (SOUND.replace("3 1 2 3", "2 1 2"), POLYGONS), (SOUND.replace("3 1 2 3", "0"), POLYGONS),
            (SOUND.replace("10 0 0", "10 0 0 0"), BAD), (SOUND.replace("10 0 0", "inf 0 0"), NOT_FINITE),
        ],
    )  # fmt: skip
    def test_refuses(self, text: str, code: str) -> None:
        assert _code("off", text) == code


def _document() -> tuple[dict[str, Any], bytes]:
    """A sound box as a glTF document and its binary chunk."""
    exported = _exported("glb", shapes.box())
    size = int.from_bytes(exported[12:16], "little")
    return json.loads(exported[20 : 20 + size]), exported[28 + size :]


def _changed(path: str, value: object) -> bytes:
    """The sound box with the value at `path` (names and places, by dots) replaced or added."""
    document, binary = _document()
    holder: Any = document
    *way, last = [int(word) if word.isdigit() else word for word in path.split(".")]
    for word in way:
        holder = holder.setdefault(word, {}) if isinstance(holder, dict) else holder[word]
    holder[last] = value
    return _glb(document, binary)


class TestGlb:
    def test_reads_its_own_rewriting(self) -> None:
        assert _code("glb", _glb(*_document())) is None

    @pytest.mark.parametrize(
        ("path", "value", "code"),
        [
            ("buffers.0.uri", "file:///etc/passwd", BAD), ("buffers.0.uri", "data:,x", BAD),
            ("buffers.0.byteLength", 10**9, BAD), ("buffers.0.byteLength", 8, BAD),
            ("accessors.0.count", 10**9, BAD), ("accessors.1.count", 10**9, BAD),
            ("accessors.0.count", -1, BAD), ("accessors.0.count", 1.5, BAD),
            ("accessors.0.count", True, BAD), ("accessors.0.byteOffset", 10**6, BAD),
            ("accessors.0.sparse", {"count": 1}, SHAPE), ("accessors.1.sparse", {}, SHAPE),
            ("accessors.0.componentType", 1, BAD), ("accessors.0.type", "VEC4", BAD),
            ("bufferViews.0.byteLength", 10**6, BAD), ("bufferViews.0.byteStride", 1, BAD),
            ("bufferViews.0.buffer", 1, BAD), ("bufferViews.0.byteOffset", 10**6, BAD),
            ("meshes.0.primitives.0.mode", 5, BAD), ("meshes.0.primitives.0.mode", 1, NO_MESH),
            ("meshes.0.primitives.0.mode", 0, NO_MESH), ("meshes.0.primitives.0.indices", 99, BAD),
            ("meshes.0.primitives.0.targets", [{}], SHAPE), ("meshes.0.primitives", [], BAD),
            ("meshes.0.primitives.0.attributes", {}, BAD),
            ("meshes.0.primitives.0.extensions", {"KHR_draco_mesh_compression": {}}, SHAPE),
            ("nodes.0.children", [0], BAD), ("nodes.0.mesh", 7, BAD),
            ("nodes.0.matrix", [0.0] * 16, PLACE), ("nodes.0.matrix", [1] * 15, BAD),
            ("nodes.0.scale", [0, 1, 1], PLACE), ("nodes.0.matrix", [1] * 16, PLACE),
            ("nodes.0.rotation", [0, 0, 0, 2], BAD), ("nodes.0.skin", 0, SHAPE),
            ("nodes.0.extensions", {"EXT_mesh_gpu_instancing": {}}, SHAPE),
            ("scenes", [], None), ("scene", 3, BAD), ("asset.version", "1.0", BAD),
            ("extensionsRequired", ["VENDOR_shape"], BAD), ("nodes.0", 5, BAD),
            ("extensionsRequired", ["KHR_draco_mesh_compression"], SHAPE),
            ("extensionsUsed", [[]], BAD), ("extensionsRequired", [{}], BAD), ("scenes.0.nodes", [[0]], BAD),
            ("nodes.0.children", [{}], BAD), ("accessors.0.componentType", [], BAD),
            ("nodes.0.mesh", [], BAD),
            ("bufferViews.0.buffer", [], BAD), ("accessors.0.bufferView", {}, BAD),
            ("extensionsUsed", ["KHR_materials_unlit"], None),
            ("materials", [{"pbrMetallicRoughness": {}}], None),
        ],
    )  # fmt: skip
    def test_refuses(self, path: str, value: object, code: str | None) -> None:
        expected = BAD if path == "scenes" else code
        assert _code("glb", _changed(path, value)) == expected

    @pytest.mark.parametrize(
        "data",
        [
            b"glTF" + struct.pack("<II", 1, 20) + bytes(8), _glb(*_document()) + b"\0",
            _glb(*_document())[:-1],
            _glb(*_document()).replace(b"BIN\0", b"BON\0"), _glb(*_document()).replace(b"JSON", b"JSOM"),
            _glb({"asset": {"version": "2.0"}}).replace(b'"asset"', b'"asse" ', 1),
        ],
    )  # fmt: skip
    def test_refuses_a_broken_container(self, data: bytes) -> None:
        assert _code("glb", data) == BAD

    def test_refuses_a_name_that_stands_twice(self) -> None:
        document, binary = _document()
        text = _glb(document, binary).replace(b'"meshes":', b'"scenes":', 1)
        assert text.count(b'"scenes":') == 2
        assert _code("glb", text) == BAD
