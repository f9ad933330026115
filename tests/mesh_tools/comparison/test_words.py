"""The answer of the sandbox's comparison is believed only where every field is what it must be."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mesh_tools.canonical_words import checked as checked_form
from mesh_tools.comparison.words import checked
from mesh_tools.sandbox import Sandbox
from tests.mesh_tools.shapes import box, corners, joined, sphere, stl_binary

UNITS = {"master_unit_mm": 1.0, "unit_mm": 1.0}


@pytest.fixture(scope="module")
def answer(sandbox: Sandbox) -> dict[str, Any]:
    moved = stl_binary(corners(joined(box(at=(50, 0, 0)), sphere(2))))
    files = [("master.stl", [stl_binary(corners(box()))]), ("file.stl", [moved])]
    return sandbox.run("compare", files, UNITS).value


CHANGES: list[tuple[tuple[Any, ...], Any]] = [
    (("kind",), "fine"),
    (("accepted",), True),
    (("accepted",), 0),
    (("tolerance_mm",), True),
    (("distance_mm",), float("inf")),
    (("motion",), {}),
    (("places",), [{}]),
    (("places", 0, "centre_mm"), [1, 2]),
    (("places", 0, "change"), "bent"),
    (("places", 0, "distance_mm"), "1"),
    (("reasons",), ["because"]),
    (("measures",), {"master": {}}),
    (("measures", "file", "facets"), 1.5),
    (("measures", "file", "bounds_mm"), [[0, 0, 0]]),
    (("more",), 1),
]


class TestChecked:
    def test_takes_what_the_job_answers(self, answer: dict[str, Any]) -> None:
        assert checked(answer)["kind"] == "altered"
        assert answer["places"]

    @pytest.mark.parametrize(("path", "value"), CHANGES, ids=str)
    def test_refuses_every_other_field(
        self, answer: dict[str, Any], path: tuple[Any, ...], value: Any
    ) -> None:
        changed = copy.deepcopy(answer)
        place: Any = changed
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        with pytest.raises(ValueError, match="comparison's answer"):
            checked(changed)


class TestForm:
    def test_refuses_bytes_that_are_not_the_digests(self, sandbox: Sandbox) -> None:
        from mesh_tools.answer import Answer

        given = sandbox.run("canonical", [("box.stl", [stl_binary(corners(box()))])], {"unit_mm": 1.0})
        assert checked_form(given)["facets"] == 12
        for value, blobs in (
            ({**given.value, "sha256": "0" * 64}, given.blobs),
            ({**given.value, "bytes": 1}, given.blobs),
            ({**given.value, "sound": 1}, given.blobs),
            (given.value, {}),
            (given.value, {"canonical.stl": given.blobs["canonical.stl"] + b"\0"}),
        ):
            with pytest.raises(ValueError, match="canonical form"):
                checked_form(Answer(value, blobs))
