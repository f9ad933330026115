"""`make demo` as a stranger sees it: a real part passes, an open one is refused, both formats are taken."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.parts import box

ROOT = Path(__file__).parents[2]


def demo(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.demo", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def box_3mf(path: Path) -> None:
    """A 10 mm box as a 3MF package with the least it needs."""
    corners = [(x, y, z) for x in (0, 10) for y in (0, 10) for z in (0, 10)]
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    facets = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    vertices = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in corners)
    triangles = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in facets)
    relationships = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="model" '
        'ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{relationships}"><Relationship Id="r" '
        'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel" '
        'Target="/3D/3dmodel.model"/></Relationships>',
        "3D/3dmodel.model": '<model unit="millimeter" '
        'xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"><resources>'
        f'<object id="1" type="model"><mesh><vertices>{vertices}</vertices><triangles>{triangles}'
        '</triangles></mesh></object></resources><build><item objectid="1"/></build></model>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in parts.items():
            package.writestr(name, text)


@pytest.mark.xdist_group("demo")
class TestDemo:
    def test_does_the_main_job_on_a_real_part(self) -> None:
        told = demo()
        assert told.returncode == 0, told.stdout + told.stderr
        for word in ("the gate passes it", "commitment published", "print counted", "outcome “completed”"):
            assert word in told.stdout
        assert "the service refuses: all 2 prints" in told.stdout
        assert "the contract refuses: Licence 0x" in told.stdout
        assert "everything agrees" in told.stdout
        assert "the audit names it" in told.stdout
        assert "genuine: statements, signatures, proofs, links, report, chain, expected agree" in told.stdout
        output = ROOT / "demo-output"
        certificate = json.loads((output / "certificate.json").read_text(encoding="utf-8"))
        assert certificate["report"]["serials"] == ["SN-0001"]
        assert (output / "certificate.pdf").read_bytes().startswith(b"%PDF-")
        evidence = json.loads((output / "evidence.json").read_text(encoding="utf-8"))
        assert len(evidence["prints"]) == len(evidence["outcomes"]) == 2
        with Image.open(output / "thumbnail.png") as picture:
            assert picture.size == (512, 512)
            assert len(picture.convert("RGB").getcolors(512 * 512) or []) > 100

    def test_takes_your_own_3mf(self, tmp_path: Path) -> None:
        box_3mf(tmp_path / "own part.3mf")
        told = demo(tmp_path / "own part.3mf")
        assert told.returncode == 0, told.stdout + told.stderr
        assert "12 facets, closed, 10.0 × 10.0 × 10.0 mm" in told.stdout

    def test_refuses_an_open_mesh_with_the_reason(self, tmp_path: Path) -> None:
        (tmp_path / "open.stl").write_bytes(box(closed=False))
        told = demo(tmp_path / "open.stl")
        assert told.returncode == 1
        assert "the gate refused" in told.stdout
        assert "open" in told.stdout.split("the gate refused")[1]
        assert "What to do" in told.stdout

    def test_says_what_to_do_without_a_file(self, tmp_path: Path) -> None:
        told = demo(tmp_path / "absent.stl")
        assert told.returncode == 2
        assert "make demo FILE=" in told.stderr
