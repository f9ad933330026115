from __future__ import annotations

import io
import json
from pathlib import Path

from mesh_tools.check import main
from tests.mesh_tools import shapes

_SOUND = shapes.stl_binary(shapes.corners(shapes.box()))


def _run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    return main(["check", *arguments], out), out.getvalue()


class TestMain:
    def test_passes_a_sound_file(self, tmp_path: Path) -> None:
        part = tmp_path / "box.stl"
        part.write_bytes(_SOUND)
        code, text = _run(str(part), "--pictures", str(tmp_path))
        assert code == 0
        assert text.startswith("PASS")
        assert (tmp_path / "box.png").read_bytes().startswith(b"\x89PNG")

    def test_tells_why_it_refuses(self, tmp_path: Path) -> None:
        part = tmp_path / "open.stl"
        part.write_bytes(shapes.stl_binary(shapes.corners(shapes.box())[1:]))
        code, text = _run(str(part), "--json", "--units", "inch")
        assert code == 1
        row = json.loads(text)
        assert row["verdict"] == "refuse"
        assert [found["code"] for found in row["findings"] if found["severity"] == "refuse"] == [
            "mesh.open_edges"
        ]

    def test_says_when_a_file_is_not_there(self, tmp_path: Path) -> None:
        assert _run(str(tmp_path / "none.stl"))[0] == 2

    def test_says_when_the_policy_is_wrong(self, tmp_path: Path) -> None:
        assert _run(str(tmp_path), "--build-volume", "0", "1", "1")[0] == 2
