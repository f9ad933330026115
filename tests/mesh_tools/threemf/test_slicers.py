"""What common slicers write beside the specification is ignored, and said; all else stays refused."""

from __future__ import annotations

import pytest

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.load import load
from tests.mesh_tools import shapes
from tests.mesh_tools.threemf.packages import (
    OBJECT,
    PRODUCTION,
    model,
    package,
    parts,
    relationship,
    relationships,
)
from tests.mesh_tools.writers import mesh_xml

_UUID = 'p:UUID="00000000-0000-0000-0000-00000000000{}"'
_NAMES = ("License", "Origin", "DesignerUserId", "Thumbnail_Middle", "ProfileTitle")


def _severities(data: bytes) -> dict[str, str]:
    return {found.code: found.severity for found in load(memoryview(data), "a.3mf", Limits()).findings}


def _project() -> bytes:
    """A project as Bambu Studio writes it: the mesh in a part of its own, names and attributes of its own."""
    mesh = mesh_xml(shapes.sphere()).replace("<triangle ", '<triangle paint_color="4" ', 3)
    spaces = f'xmlns:BambuStudio="http://schemas.bambulab.com/package/2021" xmlns:p="{PRODUCTION}"'
    inner = model(f'<object id="1" {_UUID.format(1)} type="model">{mesh}</object>', "", attributes=spaces)
    component = f'<component p:path="/3D/Objects/a.model" objectid="1" {_UUID.format(2)}/>'
    outer = model(
        f'<object id="2" {_UUID.format(3)} type="model"><components>{component}</components></object>',
        f'<item objectid="2" {_UUID.format(4)} transform="1 0 0 0 1 0 0 0 1 128 128 10" printable="1"/>',
        attributes=f'unit="millimeter" xml:lang="en-US" {spaces} requiredextensions="p"',
        before="".join(
            f'<metadata name="{name}">x</metadata>' for name in ("BambuStudio:3mfVersion", *_NAMES)
        ),
    )
    rows = relationships(relationship("/3D/Objects/a.model"))
    return package(parts(outer, **{"3D/Objects/a.model": inner, "3D/_rels/3dmodel.model.rels": rows}))


class TestSlicerData:
    def test_lets_a_project_pass(self) -> None:
        assert _severities(_project()) == {"content.slicer_data": "info"}

    def test_is_counted(self) -> None:
        found = load(memoryview(_project()), "a.3mf", Limits()).findings
        assert sorted(row.count for row in found) == [3, len(_NAMES) + 1]

    def test_says_nothing_where_there_is_none(self) -> None:
        assert _severities(package(model())) == {}

    def test_leaves_other_names_refused(self) -> None:
        data = package(model(before='<metadata name="Undefined">x</metadata>'))
        assert _severities(data) == {"content.metadata": "refuse"}

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('<item objectid="1"/>', '<item objectid="1" printable="0"/>'),
            ('<item objectid="1"/>', '<item objectid="1" paint_color="4"/>'),
            ("<triangle ", '<triangle printable="1" '),
            ("<triangle ", '<triangle paint_other="1" '),
            ("<vertex ", '<vertex paint_color="1" '),
            ("<object ", '<object printable="1" '),
        ],
    )
    def test_leaves_other_attributes_refused(self, old: str, new: str) -> None:
        text = model(OBJECT)
        assert old in text
        with pytest.raises(Refused) as refused:
            load(memoryview(package(text.replace(old, new, 1))), "a.3mf", Limits())
        assert refused.value.code == "package.schema"
