"""The way a command goes: what others wrote is parsed by children, keys stay with the parent."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mesh_tools.errors import Refused
from mesh_tools.gate import Policy
from mesh_tools.sandbox import Sandbox
from mesh_tools.secure_content.keys import ConsumerKey, SigningKey
from mesh_tools.secure_content.opening import open_package
from mesh_tools.secure_content.sandboxed import framing_reader, part_of_file
from tests.mesh_tools import shapes
from tests.mesh_tools.secure_content.workshop import Workshop, with_keystore

STL = shapes.stl_binary(shapes.corners(shapes.torus()))


class TestWholeWay:
    def test_a_part_passes_the_gate_again_with_the_same_measures(
        self, sandbox: Sandbox, workshop: Workshop, key: ConsumerKey, signer: SigningKey
    ) -> None:
        before = sandbox.inspect([STL], filename="torus.stl", policy=Policy(units="mm"), pictures=False)
        package = workshop.seal(part_of_file(sandbox, STL, filename="torus.stl", unit_mm=1.0))
        opened = open_package(
            memoryview(package), key, framing_reader(sandbox), trusted=[signer.public], limits=sandbox.limits
        )
        after = sandbox.inspect([opened.package], filename="torus.3mf", policy=Policy(), pictures=False)
        assert (before.verdict, after.verdict) == ("pass", "pass")
        assert before.geometry is not None
        assert after.geometry is not None
        assert after.geometry.facets == before.geometry.facets
        assert after.geometry.bounds_mm == before.geometry.bounds_mm
        assert after.geometry.volume_mm3 == pytest.approx(before.geometry.volume_mm3, rel=1e-12)

    def test_poison_is_parsed_by_the_gate_alone(
        self, sandbox: Sandbox, workshop: Workshop, key: ConsumerKey, signer: SigningKey
    ) -> None:
        reader = framing_reader(sandbox)
        opened = open_package(memoryview(workshop.seal()), key, reader, trusted=[signer.public])
        seen = sandbox.inspect([opened.package], filename="part.3mf", policy=Policy(), pictures=False)
        assert {found.code for found in seen.reasons} == {"package.dtd"}


class TestFramingReader:
    def test_brings_the_childs_refusal(self, sandbox: Sandbox, workshop: Workshop, key: ConsumerKey) -> None:
        altered = with_keystore(workshop.seal(signed=False), "aes256-gcm", "aes128-gcm")
        with pytest.raises(Refused, match=r"package\.algorithm.*aes128-gcm"):
            open_package(memoryview(altered), key, framing_reader(sandbox), foreign=True)


class TestPartOfFile:
    def test_refuses_what_is_no_mesh(self, sandbox: Sandbox) -> None:
        with pytest.raises(Refused, match=r"format\.unknown"):
            part_of_file(sandbox, b"hello", filename="part.txt", unit_mm=1.0)


class TestChild:
    def test_loads_no_cryptography(self) -> None:
        script = "import sys, mesh_tools.secure_content.jobs; print('cryptography' in sys.modules)"
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "False"
