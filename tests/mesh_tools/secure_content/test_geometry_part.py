from __future__ import annotations

import numpy as np
import pytest

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.load import load
from mesh_tools.model import Body, Model
from mesh_tools.secure_content.geometry_part import GeometryPart, geometry_part, ordered_mesh
from tests.mesh_tools import shapes
from tests.mesh_tools.threemf.packages import package, parts

PLACEMENT = np.array([(0, 1, 0), (-1, 0, 0), (0, 0, 1), (0.1, 1e-7, 3e22)])


def read(part: GeometryPart) -> Model:
    """What our own reader makes of the part, as the root model of a package that builds its assembly."""
    text = part.xml.replace(
        b"<build/>",
        b'<build p:UUID="00000000-0000-0000-0000-000000000000">'
        b'<item objectid="1" p:UUID="00000000-0000-0000-0000-000000000001"/></build>',
    )
    return load(memoryview(package(parts(text))), "part.3mf", Limits())


class TestGeometryPart:
    def test_keeps_every_bit_of_numbers_and_placements(self) -> None:
        points, facets = shapes.sphere()
        body = Body(points / 3, facets.astype(np.int32), [PLACEMENT, PLACEMENT * 0.5], "secret name")
        part = geometry_part(Model("ply", [body]), 0.001)
        (back,) = read(part).bodies
        wanted, _ = ordered_mesh(body)
        assert back.points.tobytes() == wanted.tobytes()
        assert [placement.tolist() for placement in back.placements] == [
            PLACEMENT.tolist(),
            (PLACEMENT * 0.5).tolist(),
        ]
        assert b"secret name" not in part.xml

    @pytest.mark.parametrize(
        ("length", "unit"), [(0.001, "micron"), (1, "millimeter"), (25.4, "inch"), (1000, "meter")]
    )
    def test_writes_the_unit(self, length: float, unit: str) -> None:
        model = Model("stl-binary", [Body(shapes.corners(shapes.box()))])
        assert read(geometry_part(model, length)).unit_mm == length
        assert geometry_part(model, length).unit == unit

    def test_takes_the_files_own_unit_first(self) -> None:
        model = Model("glb", [Body(shapes.corners(shapes.box()))], unit_mm=1000.0)
        assert geometry_part(model, 1.0).unit == "meter"

    def test_writes_every_body(self) -> None:
        model = Model("x", [Body(shapes.corners(shape)) for shape in (shapes.box(), shapes.torus())])
        assert [body.facet_count for body in read(geometry_part(model, 1.0)).bodies] == [12, 288]

    @pytest.mark.parametrize(
        ("points", "code"),
        [
            (np.zeros((0, 3, 3)), "mesh.empty"),
            (np.full((1, 3, 3), np.nan), "mesh.not_finite"),
            (np.zeros((1, 3, 3)), "mesh.degenerate_facets"),
        ],
    )
    def test_refuses_what_is_no_part(self, points: np.ndarray, code: str) -> None:
        with pytest.raises(Refused) as refusal:
            geometry_part(Model("x", [Body(points)]), 1.0)
        assert refusal.value.code == code


class TestOrderedMesh:
    def test_is_the_same_for_every_order_of_facets_and_corners(self) -> None:
        corners = shapes.corners(shapes.torus())
        shuffled = np.random.default_rng().permutation(corners)
        turned = np.array([np.roll(facet, number % 3, axis=0) for number, facet in enumerate(shuffled)])
        first, second = ordered_mesh(Body(corners)), ordered_mesh(Body(turned))
        assert first[0].tobytes() == second[0].tobytes()
        assert first[1].tobytes() == second[1].tobytes()

    def test_keeps_the_orientation(self) -> None:
        points, facets = ordered_mesh(Body(shapes.corners(shapes.box(1, 2, 3))))
        corners = points[facets]
        volume = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
        assert volume == pytest.approx(6)

    def test_makes_minus_zero_zero(self) -> None:
        points, _ = ordered_mesh(Body(np.array([[(-0.0, 0, 0), (1, 0, 0), (0, 1, -0.0)]])))
        assert not np.signbit(points).any()
