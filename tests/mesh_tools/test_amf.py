from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from tests.mesh_tools import shapes
from tests.mesh_tools.conftest import Gate

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def mesh(*volumes: shapes.Shape, kind: str = "") -> str:
    """The mesh of an object whose volumes share one list of vertices."""
    points, text, offset = [], "", 0
    for corners, facets in volumes:
        points += [tuple(row) for row in corners.tolist()]
        rows = "".join(
            f"<triangle><v1>{a}</v1><v2>{b}</v2><v3>{c}</v3></triangle>"
            for a, b, c in (facets + offset).tolist()
        )
        text += f"<volume{kind}>{rows}</volume>"
        offset += len(corners)
    vertices = "".join(
        f"<vertex><coordinates><x>{x}</x><y>{y}</y><z>{z}</z></coordinates></vertex>" for x, y, z in points
    )
    return f"<mesh><vertices>{vertices}</vertices>{text}</mesh>"


def amf(*objects: str, rest: str = "", unit: str = ' unit="millimeter"') -> bytes:
    parts = "".join(f'<object id="{number}">{part}</object>' for number, part in enumerate(objects, 1))
    return f"{HEAD}<amf{unit}>{parts}{rest}</amf>\n".encode()


def arranged(rows: str, name: int = 9) -> str:
    return f'<constellation id="{name}">{rows}</constellation>'


def instance(target: int, **numbers: float) -> str:
    return (
        f'<instance objectid="{target}">'
        + "".join(f"<{k}>{v}</{k}>" for k, v in numbers.items())
        + "</instance>"
    )


def zipped(data: bytes, name: str = "part.amf", *more: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr(name, data)
        for other in more:
            package.writestr(other, b"x")
    return stream.getvalue()


BOX = mesh(shapes.box())


class TestLoadAmf:
    @pytest.mark.parametrize(
        "shape", [shapes.box(), shapes.torus(), shapes.sphere()], ids=["box", "torus", "ball"]
    )
    def test_measures_a_sound_part(self, gate: Gate, shape: shapes.Shape) -> None:
        inspection = gate.inspect(amf(mesh(shape)), "part.amf")
        assert (inspection.verdict, inspection.format) == ("pass", "amf")
        assert inspection.geometry is not None
        corners = shape[0][shape[1]]
        volume = float(np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)
        assert inspection.geometry.volume_mm3 == pytest.approx(volume, rel=1e-9)

    @pytest.mark.parametrize(
        ("unit", "length"),
        [("", 1), (' unit="millimeter"', 1), (' unit="inch"', 25.4), (' unit="micron"', 0.001),
         (' unit="meter"', 1000), (' unit="feet"', 304.8)],
    )  # fmt: skip
    def test_knows_the_unit(self, gate: Gate, unit: str, length: float) -> None:
        geometry = gate.inspect(amf(BOX, unit=unit), "part.amf").geometry
        assert geometry is not None
        assert geometry.size_mm == pytest.approx((10 * length, 20 * length, 30 * length))

    @pytest.mark.parametrize("name", ["part.amf", "part.zip", "part.amf.zip", ""])
    def test_reads_the_one_file_of_an_archive(self, gate: Gate, name: str) -> None:
        inspection = gate.inspect(zipped(amf(BOX)), name)
        assert (inspection.verdict, inspection.format) == ("pass", "amf")

    def test_keeps_volumes_apart(self, gate: Gate) -> None:
        two = mesh(shapes.box(), shapes.box(at=(40, 0, 0)))
        geometry = gate.inspect(amf(two), "part.amf").geometry
        assert geometry is not None
        assert (geometry.bodies, geometry.shells) == (2, 2)
        assert geometry.volume_mm3 == pytest.approx(12_000)

    def test_leaves_support_out_and_says_so(self, gate: Gate) -> None:
        data = amf(BOX, mesh(shapes.box(at=(40, 0, 0)), kind=' type="support"'))
        inspection = gate.inspect(data, "part.amf")
        assert inspection.geometry is not None
        assert inspection.geometry.bodies == 1
        assert "content.support" in {found.code for found in inspection.findings}

    def test_passes_over_metadata_colours_and_textures(self, gate: Gate) -> None:
        colour = "<color><r>0.1</r><g>x/2</g><b>0</b><unknown/></color>"
        rest = '<metadata type="name">part</metadata><texture id="7" width="1">AAAA</texture>'
        rest += f'<material id="3"><metadata type="name">PLA</metadata>{colour}</material>'
        part = BOX.replace("<volume>", f'<volume materialid="3">{colour}<metadata type="x">y</metadata>')
        assert gate.reasons(amf(part, rest=rest), "part.amf") == set()


class TestConstellation:
    def test_places_every_instance(self, gate: Gate) -> None:
        rest = arranged(instance(1, deltax=100) + instance(1, deltay=-50, deltaz=5))
        geometry = gate.inspect(amf(BOX, rest=rest), "part.amf").geometry
        assert geometry is not None
        assert geometry.bodies == 2
        assert geometry.bounds_mm == (pytest.approx((0, -50, 0)), pytest.approx((110, 20, 35)))

    @pytest.mark.parametrize(
        ("turn", "low", "high"),
        [
            ({"rx": 90}, (0, -30, 0), (10, 0, 20)), ({"ry": 90}, (0, 0, -10), (30, 20, 0)),
            ({"rz": 90}, (-20, 0, 0), (0, 10, 30)), ({"rz": 90, "deltax": 20}, (0, 0, 0), (20, 10, 30)),
            ({"rz": 90, "rx": 90}, (0, 0, 0), (30, 10, 20)),
        ],
    )  # fmt: skip
    def test_turns_about_x_then_y_then_z_then_moves(
        self, gate: Gate, turn: dict[str, float], low: tuple[float, ...], high: tuple[float, ...]
    ) -> None:
        geometry = gate.inspect(amf(BOX, rest=arranged(instance(1, **turn))), "part.amf").geometry
        assert geometry is not None
        assert geometry.bounds_mm[0] == pytest.approx(low, abs=1e-9)
        assert geometry.bounds_mm[1] == pytest.approx(high, abs=1e-9)

    def test_nests(self, gate: Gate) -> None:
        rest = arranged(instance(1, deltax=10), 8) + arranged(instance(8, rz=180) + instance(8, deltay=100))
        geometry = gate.inspect(amf(BOX, rest=rest), "part.amf").geometry
        assert geometry is not None
        assert geometry.bounds_mm[0] == pytest.approx((-20, -20, 0), abs=1e-9)
        assert geometry.bounds_mm[1] == pytest.approx((20, 120, 30), abs=1e-9)

    @pytest.mark.parametrize(
        "rest",
        [
            arranged(instance(9)), arranged(instance(8)) + arranged(instance(9), 8), arranged(instance(7)),
            arranged(""), arranged(instance(1)) + arranged(instance(1), 8), arranged(instance(1), 1),
            arranged(instance(1)) + arranged(instance(1)), arranged(instance(1, scalex=2)),
            arranged('<instance objectid="1"><rx>1</rx><rx>2</rx></instance>'), arranged("<instance/>"),
            arranged(instance(1, rx=float("nan"))), arranged(instance(1, deltax=float("inf"))),
            arranged('<instance objectid="1"><deltax>1e400</deltax></instance>'),
        ],
    )  # fmt: skip
    def test_that_leaves_a_choice_or_leads_nowhere_is_refused(self, gate: Gate, rest: str) -> None:
        assert gate.reasons(amf(BOX, rest=rest), "part.amf") <= {"format.unreadable", "package.cycle"}
        assert gate.reasons(amf(BOX, rest=rest), "part.amf")

    def test_that_leaves_an_object_out_is_refused(self, gate: Gate) -> None:
        assert gate.reasons(amf(BOX, BOX, rest=arranged(instance(1))), "a.amf") == {"format.unreadable"}

    def test_that_doubles_and_doubles_is_stopped(self, gate: Gate) -> None:
        rest = "".join(arranged(instance(n - 1) + instance(n - 1), n) for n in range(11, 60))
        data = amf(BOX, rest=arranged(instance(1), 10) + rest)
        assert gate.reasons(data, "part.amf") == {"limit.instances"}


class TestHostile:
    @pytest.mark.parametrize(
        ("old", "new", "code"),
        [
            ("<amf", '<!DOCTYPE amf [<!ENTITY a "b">]><amf', "format.unreadable"),
            ("<amf", '<!DOCTYPE amf SYSTEM "file:///etc/passwd"><amf', "format.unreadable"),
            ("UTF-8", "UTF-7", "format.unreadable"), ("UTF-8", "ISO-8859-1", "format.unreadable"),
            ("</amf>", "", "format.unreadable"), ("</amf>", "</amf><amf/>", "format.unreadable"),
            ("millimeter", "furlong", "format.unreadable"), ("<x>10.0<", "<x>1,0<", "format.unreadable"),
            ("<x>10.0<", "<x>nan<", "format.unreadable"), ("<x>10.0<", "<x>0x10<", "format.unreadable"),
            ("<x>10.0<", "<x>1_0<", "format.unreadable"), ("<x>10.0<", "<x>1e999<", "format.unreadable"),
            ("<x>10.0<", "<x><", "format.unreadable"), ("<x>10.0<", "<x>1 0<", "format.unreadable"),
            ("<x>10.0<", "<x>\u0661<", "format.unreadable"), ("<x>10.0</x>", "", "format.unreadable"),
            ("<x>10.0</x>", "<x>1</x><x>2</x>", "format.unreadable"),
            ("<v1>1<", "<v1>-1<", "format.unreadable"),
            ("<v1>1<", "<v1>1.0<", "format.unreadable"), ("<v1>1<", "<v1>99<", "mesh.index_range"),
            ("<v1>1</v1>", "", "format.unreadable"), ("<v1>1<", "<v1>9999999999<", "mesh.index_range"),
            ("<volume>", '<volume materialid="0">', "content.not_faceted"),
            ("<volume>", '<volume type="infill">', "format.unreadable"),
            ("</vertices>", "<edge><v1>0</v1></edge></vertices>", "content.not_faceted"),
            ("</coordinates>", "</coordinates><normal><nx>1</nx></normal>", "content.not_faceted"),
            ("</object>", '</object><material id="2"><composite materialid="1">x</composite></material>',
             "content.not_faceted"),
            ("<object", "<object><mesh/></object><object", "format.unreadable"),
            ('<object id="1">', "<object>", "format.unreadable"),
            ("<mesh>", "<mesh>text", "format.unreadable"),
            ("</mesh>", "</mesh><mesh><vertices/></mesh>", "format.unreadable"),
            ("</mesh>", "<vertices/></mesh>", "format.unreadable"),
            ("<vertices>", "<vertices><a:vertex/>", "format.unreadable"),
            ("<triangle>", "<quad/><triangle>", "format.unreadable"),
            ("</amf>", "<metadata>" + "<a>" * 40 + "</a>" * 40 + "</metadata></amf>", "package.limit"),
            ("</amf>", '<object id="1"/></amf>', "format.unreadable"),
        ],
    )  # fmt: skip
    def test_is_refused(self, gate: Gate, old: str, new: str, code: str) -> None:
        text = amf(BOX).decode()
        assert old in text
        assert gate.reasons(text.replace(old, new, 1).encode(), "part.amf") == {code}

    def test_open_volume_is_refused(self, gate: Gate) -> None:
        points, facets = shapes.box()
        assert "mesh.open_edges" in gate.reasons(amf(mesh((points, facets[1:]))), "part.amf")

    def test_empty_file_is_refused(self, gate: Gate) -> None:
        assert gate.reasons(amf(), "part.amf") == {"mesh.empty"}

    def test_archive_with_more_than_the_part_is_refused(self, gate: Gate) -> None:
        assert gate.reasons(zipped(amf(BOX), "part.amf", "other.amf"), "part.amf")
        assert gate.reasons(zipped(amf(BOX), "../part.amf"), "part.amf") == {"package.name"}

    def test_bomb_is_refused(self, gate: Gate) -> None:
        data = zipped(HEAD.encode() + b"<amf>" + b" " * (64 << 20) + b"</amf>")
        assert gate.reasons(data, "part.amf") == {"package.limit"}
