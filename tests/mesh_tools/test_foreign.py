from __future__ import annotations

import json
import struct

import pytest
import trimesh

from tests.mesh_tools import shapes
from tests.mesh_tools.conftest import Gate


def _exported(kind: str, shape: shapes.Shape, **options: str) -> bytes:
    data = trimesh.Trimesh(*shape, process=False).export(file_type=kind, **options)
    return data.encode() if isinstance(data, str) else bytes(data)


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
