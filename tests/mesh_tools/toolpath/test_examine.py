"""Toolpaths through the sandbox, in every container."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib

import pytest

from mesh_tools.gate import Policy
from mesh_tools.toolpath.machine import MachineLimits
from tests.mesh_tools import shapes
from tests.mesh_tools.conftest import Gate
from tests.mesh_tools.toolpath.test_reader import SQUARE

MACHINE = MachineLimits(300, 120, 400, 10_000)
POLICY = Policy(build_volume_mm=(250, 210, 200), machine=MACHINE)


def block(
    kind: int, body: bytes, *, parameters: bytes = b"\0\0", compression: int = 0, size: int = -1
) -> bytes:
    declared = len(body) if size < 0 else size
    head = struct.pack("<HHI", kind, compression, declared)
    head += struct.pack("<I", len(body)) if compression else b""
    whole = head + parameters + body
    return whole + struct.pack("<I", zlib.crc32(whole))


def bgcode(*blocks: bytes, version: int = 1, checksum: int = 1) -> bytes:
    return b"GCDE" + struct.pack("<IH", version, checksum) + b"".join(blocks)


METADATA = block(3, b"printer_model=MK4\n"), block(4, b"time=1\n"), block(2, b"config=1\n")


def binary(text: str = SQUARE) -> bytes:
    packed = zlib.compress(text.encode())
    return bgcode(*METADATA, block(1, packed, compression=1, size=len(text)))


def plates(*texts: str, md5: str | None = None, name: str = "Metadata/plate_{}.gcode") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        for number, text in enumerate(texts, 1):
            place = name.format(number)
            package.writestr(place, text)
            digest = hashlib.md5(text.encode()).hexdigest().upper() if md5 is None else md5
            if digest:
                package.writestr(place + ".md5", digest)
    return stream.getvalue()


CONTAINERS = [("part.gcode", SQUARE.encode()), ("part.bgcode", binary()), ("part.gcode.3mf", plates(SQUARE))]


class TestExamineToolpath:
    @pytest.mark.parametrize(("name", "data"), CONTAINERS)
    def test_passes_a_sound_one_with_figures(self, gate: Gate, name: str, data: bytes) -> None:
        inspection = gate.inspect(data, name, POLICY)
        assert (inspection.verdict, inspection.findings) == ("pass", ())
        assert inspection.format == name.removeprefix("part.")
        assert inspection.geometry is None
        assert inspection.toolpath is not None
        assert inspection.toolpath.layers == 1
        assert inspection.to_json()["toolpath"] == inspection.toolpath.to_json()

    @pytest.mark.parametrize(("name", "data"), CONTAINERS)
    def test_refuses_it_without_a_machine(self, gate: Gate, name: str, data: bytes) -> None:
        assert gate.reasons(data, name) == {"toolpath.no_machine"}
        assert gate.reasons(data, name, Policy(machine=MACHINE)) == {"toolpath.no_machine"}

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            ("G1 X251", "outside"), ("G1 X-0.001", "outside"), ("G1 Z201", "outside"),
            ("G3 X250 Y10 I120 J0", "outside"), ("M104 S301", "temperature"),
            ("M140 S121", "bed_temperature"), ("M141 S1", "chamber_temperature"),
            ("G1 F24001", "feed"), ("M204 P10001", "acceleration"),
            ("M500", "settings_write"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("container", ["gcode", "bgcode", "gcode.3mf"])
    def test_refuses_what_the_machine_cannot_do(
        self, gate: Gate, line: str, code: str, container: str
    ) -> None:
        text = f"{SQUARE}{line}\n"
        data = {"gcode": text.encode(), "bgcode": binary(text), "gcode.3mf": plates(text)}[container]
        inspection = gate.inspect(data, "part." + container, POLICY)
        assert {found.code for found in inspection.reasons} == {"toolpath." + code}
        assert "ine 11: " in inspection.reasons[0].message

    def test_takes_the_machine_s_own_reach(self, gate: Gate) -> None:
        wide = MachineLimits(300, 120, 400, 10_000, reach_mm=((-5, -5, 0), (255, 215, 200)))
        data = (SQUARE + "G1 X-4 Y-4\n").encode()
        assert gate.reasons(data, "part.gcode", Policy(machine=wide)) == set()

    def test_says_when_the_name_is_of_another_format(self, gate: Gate) -> None:
        inspection = gate.inspect(binary(), "part.gcode", POLICY)
        assert [found.code for found in inspection.findings] == ["format.mismatch"]

    def test_survives_the_policy_s_journey(self) -> None:
        assert Policy.from_json(POLICY.to_json()) == POLICY


class TestBinary:
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (binary()[:-1], "container"), (binary()[:9], "container"), (binary() + b"\0", "container"),
            (binary()[:40] + b"X" + binary()[41:], "checksum"), (bgcode(*METADATA), "container"),
            (bgcode(*METADATA, block(1, b""), version=2), "container"),
            (bgcode(*METADATA, block(1, b""), checksum=2), "container"),
            (bgcode(block(1, SQUARE.encode()), *METADATA), "container"),
            (bgcode(METADATA[0], METADATA[0], block(1, SQUARE.encode())), "container"),
            (bgcode(block(9, b"")), "container"), (bgcode(block(1, b"", compression=4)), "container"),
            (bgcode(block(1, SQUARE.encode(), parameters=b"\7\0")), "container"),
            (bgcode(block(1, zlib.compress(b"G28\n"), compression=1, size=5)), "container"),
            (bgcode(block(1, zlib.compress(b"G28\n") + b"x", compression=1, size=4)), "container"),
            (bgcode(block(1, b"x", compression=1, size=4)), "container"),
            (bgcode(block(1, b"\x00" * 9, compression=3, size=4)), "container"),
            (bgcode(block(1, b"\xff\xff\x07", parameters=b"\1\0")), "container"),
            (bgcode(block(1, b"\xff\xff", parameters=b"\1\0")), "container"),
            (bgcode(block(1, b"\xff\xff\xfb\xff", parameters=b"\1\0")), "container"),
        ],
    )  # fmt: skip
    def test_that_is_broken_is_refused(self, gate: Gate, data: bytes, code: str) -> None:
        assert gate.reasons(data, "part.bgcode", POLICY) == {"toolpath." + code}

    def test_that_is_a_bomb_is_refused(self, gate: Gate) -> None:
        zeros = zlib.compress(b";" * (17 << 20))
        assert gate.reasons(bgcode(block(1, zeros, compression=1, size=17 << 20)), "a.bgcode", POLICY) == {
            "package.limit"
        }
        huge = bgcode(*(block(1, b"x", compression=3, size=2**31) for _ in range(9)))
        assert gate.reasons(huge, "a.bgcode", POLICY) == {"package.limit"}

    def test_hides_no_command(self, gate: Gate) -> None:
        split = bgcode(block(1, SQUARE.encode() + b"M50"), block(1, b"0\n"))
        assert gate.reasons(split, "a.bgcode", POLICY) == {"toolpath.settings_write"}


class TestPlates:
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (plates(SQUARE, SQUARE), "plates"), (plates(SQUARE, name="Metadata/plate_{}.bgcode"), "plates"),
            (plates(SQUARE, name="3D/plate_{}.gcode"), "plates"), (plates(SQUARE, md5=""), "checksum"),
            (plates(SQUARE, md5="0" * 32), "checksum"), (plates(SQUARE, md5="x"), "checksum"),
        ],
    )  # fmt: skip
    def test_that_are_not_one_and_whole_are_refused(self, gate: Gate, data: bytes, code: str) -> None:
        assert gate.reasons(data, "part.gcode.3mf", POLICY) == {"toolpath." + code}

    def test_beside_a_sound_model_are_what_is_judged(self, gate: Gate) -> None:
        data = plates(SQUARE + "M997\n")
        assert gate.reasons(data, "part.3mf", POLICY) == {"toolpath.firmware_write"}


class TestStep:
    STEP = (
        b"ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\nENDSEC;\nDATA;\nENDSEC;\nEND-ISO-10303-21;\n"
    )

    @pytest.mark.parametrize("name", ["part.step", "part.STP", "part.stl", "part", "part.gltf"])
    def test_is_known_and_never_printed(self, gate: Gate, name: str) -> None:
        inspection = gate.inspect(self.STEP, name)
        assert inspection.format == "step"
        assert {found.code for found in inspection.reasons} == {"format.not_printable"}

    def test_in_the_header_of_a_mesh_is_not_printed_either(self, gate: Gate) -> None:
        data = shapes.stl_binary(shapes.corners(shapes.box()), header=b"ISO-10303-21;")
        assert gate.reasons(data) == {"format.not_printable"}
