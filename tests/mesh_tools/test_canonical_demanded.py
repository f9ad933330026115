"""A recipe may demand the canonical form: then no other file of the same shape passes."""

from __future__ import annotations

import numpy as np
import pytest

from mesh_tools import stl
from mesh_tools.canonical_words import FILE
from mesh_tools.gate import Policy
from mesh_tools.sandbox import Sandbox
from tests.mesh_tools import shapes

_PART = shapes.stl_binary(shapes.corners(shapes.torus()))


@pytest.fixture(scope="module")
def form(sandbox: Sandbox) -> bytes:
    return sandbox.run("canonical", [("part.stl", [_PART])], {"unit_mm": 1.0}).blobs[FILE]


def _codes(sandbox: Sandbox, data: bytes, policy: Policy) -> set[str]:
    seen = sandbox.inspect([data], filename="part.stl", policy=policy, pictures=False)
    return {row.code for row in seen.reasons}


class TestDemanded:
    def test_passes_the_form(self, sandbox: Sandbox, form: bytes) -> None:
        assert _codes(sandbox, form, Policy(canonical=True)) == set()

    def test_refuses_the_part_as_it_was_sent(self, sandbox: Sandbox) -> None:
        assert _codes(sandbox, _PART, Policy(canonical=True)) == {"mesh.not_canonical"}
        assert _codes(sandbox, _PART, Policy()) == set()

    def test_refuses_a_message_in_the_header_or_an_attribute(self, sandbox: Sandbox, form: bytes) -> None:
        for place in (0, 79, 84, 84 + 48, len(form) - 1):
            told = bytearray(form)
            told[place] ^= 1
            assert _codes(sandbox, bytes(told), Policy(canonical=True)) == {"mesh.not_canonical"}

    def test_refuses_a_message_in_the_order_of_facets(self, sandbox: Sandbox, form: bytes) -> None:
        records = np.frombuffer(form[84:], np.uint8).reshape(-1, 50).copy()
        records[[3, 4]] = records[[4, 3]]
        told = form[:84] + records.tobytes()
        assert _codes(sandbox, told, Policy(canonical=True)) == {"mesh.not_canonical"}

    def test_refuses_a_message_in_low_bits(self, sandbox: Sandbox, form: bytes) -> None:
        records = np.frombuffer(form[84:], stl.RECORD).copy()
        point = records["corners"][0, 0].copy()
        same = (records["corners"] == point).all(axis=2)
        records["corners"][same] = np.nextafter(point, np.float32(99))
        told = form[:84] + records.tobytes()
        assert _codes(sandbox, told, Policy(canonical=True)) == {"mesh.not_canonical"}

    def test_refuses_a_form_in_another_unit(self, sandbox: Sandbox, form: bytes) -> None:
        assert "mesh.not_canonical" in _codes(sandbox, form, Policy(canonical=True, units="cm"))
