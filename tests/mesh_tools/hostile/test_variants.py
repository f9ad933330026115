"""Every hostile file is refused by name, through the sandbox; its twin, the nearest sound one, passes."""

from __future__ import annotations

import pytest

from mesh_tools.catalogue import CATALOGUE
from tests.mesh_tools import shapes
from tests.mesh_tools.conftest import Gate
from tests.mesh_tools.hostile import bombs, decoys, encodings, numbers, references
from tests.mesh_tools.hostile.variant import Variant
from tests.mesh_tools.threemf.packages import OBJECT, model, package, parts, relationship, relationships
from tests.mesh_tools.writers import glb

_TABLES = {
    "bombs": bombs.VARIANTS,
    "numbers": numbers.VARIANTS,
    "references": references.VARIANTS,
    "decoys": decoys.VARIANTS,
    "encodings": encodings.VARIANTS,
}
_ALL = tuple(variant for table in _TABLES.values() for variant in table)
_BROKEN = {code for code in CATALOGUE if code.startswith("sandbox.")}


class TestTables:
    def test_are_many_and_each_has_a_name_of_its_own(self) -> None:
        assert len({variant.name for variant in _ALL}) == len(_ALL) >= 60
        assert all(len(table) >= 30 for table in _TABLES.values())

    def test_name_codes_that_refuse(self) -> None:
        assert {CATALOGUE[variant.code][0] for variant in _ALL} == {"refuse"}

    def test_hold_files_that_differ_from_their_twins(self) -> None:
        assert [variant.name for variant in _ALL if variant.hostile() == variant.twin()] == []


class TestVariants:
    @pytest.mark.parametrize("variant", _ALL, ids=str)
    def test_is_refused_by_its_code(self, gate: Gate, variant: Variant) -> None:
        inspection = gate.inspect(variant.hostile(), variant.filename)
        assert inspection.verdict == "refuse"
        reasons = {found.code for found in inspection.reasons}
        assert variant.code in reasons
        assert not reasons & _BROKEN

    @pytest.mark.parametrize("variant", _ALL, ids=str)
    def test_has_a_twin_that_passes(self, gate: Gate, variant: Variant) -> None:
        inspection = gate.inspect(variant.twin(), variant.filename)
        assert (inspection.verdict, inspection.reasons) == ("pass", ())


class TestDecoys:
    def test_measures_the_model_that_the_relationship_names(self, gate: Gate) -> None:
        larger = model(OBJECT.replace('"10"', '"20"'))
        rows = relationships(relationship("/3D/real.model"))
        data = package(parts(model(), **{"_rels/.rels": rows, "3D/real.model": larger}))
        geometry = gate.inspect(data, "part.3mf").geometry
        assert geometry is not None
        assert geometry.size_mm == pytest.approx((20, 20, 20))

    def test_reads_binary_stl_whose_header_says_solid(self, gate: Gate) -> None:
        data = shapes.stl_binary(shapes.corners(shapes.box()), b"solid part\nfacet normal 0 0 0")
        inspection = gate.inspect(data)
        assert (inspection.verdict, inspection.format) == ("pass", "stl-binary")

    @pytest.mark.parametrize(
        "data",
        [
            package(model(build='<item objectid="1" transform="-1 0 0 0 1 0 0 0 1 0 0 0"/>')),
            glb(shapes.box(), nodes=[{"mesh": 0, "scale": [1, -1, 1]}]),
        ],
        ids=["3mf", "glb"],
    )
    def test_warns_of_a_mirror(self, gate: Gate, data: bytes) -> None:
        inspection = gate.inspect(data, "part")
        assert inspection.verdict == "pass"
        assert "mesh.mirrored" in {found.code for found in inspection.findings if found.severity == "warn"}
