"""The job that draws, through the sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from mesh_tools.errors import Refused
from mesh_tools.gate import Policy
from mesh_tools.sandbox import Sandbox
from mesh_tools.views import FILES
from tests.mesh_tools import shapes
from tests.mesh_tools.threemf import packages

_SOUND = shapes.stl_binary(shapes.corners(shapes.box()))
_OPEN = shapes.stl_binary(shapes.corners(shapes.box())[1:])


def _drawn(sandbox: Sandbox, data: bytes, view: str, **options: Any) -> bytes:
    asked = {"view": view, "policy": Policy().to_json(), **options}
    return sandbox.run("render", [("part.stl", [data])], asked).blobs[FILES[view]]


class TestRender:
    @pytest.mark.parametrize("view", FILES)
    def test_draws_every_view(self, sandbox: Sandbox, view: str) -> None:
        assert _drawn(sandbox, _SOUND, view).startswith(b"glTF" if view == "preview" else b"\x89PNG")

    @pytest.mark.parametrize("view", FILES)
    def test_draws_what_the_gate_refuses(self, sandbox: Sandbox, view: str) -> None:
        assert len(_drawn(sandbox, _OPEN, view)) > 500

    def test_draws_a_package(self, sandbox: Sandbox) -> None:
        assert _drawn(sandbox, packages.package(), "sheet").startswith(b"\x89PNG")

    @pytest.mark.parametrize(
        ("data", "options", "code"),
        [
            (b"", {}, "input.empty"),
            (b"solid x\nendsolid x\n", {}, "mesh.empty"),
            (_SOUND[:100], {}, "stl.truncated"),
            (shapes.stl_binary(shapes.corners(shapes.box()) * float("nan")), {}, "mesh.not_finite"),
            (_SOUND, {"axis": "w"}, "render.section"),
            (_SOUND, {"at_mm": 1e9}, "render.section"),
            (_SOUND, {"view": "x-ray"}, "render.view"),
        ],
    )
    def test_says_what_cannot_be_drawn(
        self, sandbox: Sandbox, data: bytes, options: dict[str, Any], code: str
    ) -> None:
        with pytest.raises(Refused) as caught:
            _drawn(sandbox, data, **{"view": "section", **options})
        assert caught.value.code == code
