"""The sound files that mutations start from: every format, several shapes, 3MF of several parts."""

from __future__ import annotations

from tests.mesh_tools import shapes
from tests.mesh_tools.shapes import Shape
from tests.mesh_tools.threemf.packages import (
    MATERIAL,
    PRODUCTION,
    model,
    package,
    parts,
    relationship,
    relationships,
)
from tests.mesh_tools.writers import WRITERS, mesh_xml

Contents = dict[str, str | bytes]
_UUID = 'p:UUID="00000000-0000-0000-0000-00000000000{}"'


def plain() -> dict[str, bytes]:
    """Files of all formats but 3MF, by name; the end of the name is its extension."""
    return {
        f"{shape}-{name}": write(mesh)
        for shape, mesh in _shapes().items()
        for name, write in WRITERS.items()
        if not name.endswith(".3mf")
    }


def packages() -> dict[str, Contents]:
    """3MF packages as the texts of their parts."""
    one = {f"{name}.3mf": parts(_single(shape)) for name, shape in _shapes().items()}
    return {
        **one,
        "assembly.3mf": parts(_assembly()),
        "production.3mf": _production(),
        "colours.3mf": parts(_colours()),
    }


def files() -> dict[str, bytes]:
    """All seeds as bytes."""
    return {**plain(), **{name: package(contents) for name, contents in packages().items()}}


def _shapes() -> dict[str, Shape]:
    cavity = shapes.inverted(shapes.box(4, 4, 4, at=(3, 3, 3)))
    return {
        "box": shapes.box(),
        "ball": shapes.sphere(rings=3, segments=5),
        "ring": shapes.torus(around=6, across=4),
        "hollow": shapes.joined(shapes.box(10, 10, 10), cavity),
        "pair": shapes.joined(shapes.box(5, 5, 5), shapes.box(5, 5, 5, at=(9, 0, 0))),
    }


def _single(shape: Shape) -> str:
    return model(f'<object id="1" type="model">{mesh_xml(shape)}</object>')


def _assembly() -> str:
    moved = "1 0 0 0 1 0 0 0 1 40 0 0"
    turned = "0 1 0 -1 0 0 0 0 1 0 40 0"
    components = (
        f'<component objectid="1" transform="{moved}"/><component objectid="1" transform="{turned}"/>'
    )
    objects = (
        f'<object id="1" name="a">{mesh_xml(shapes.box())}</object>'
        f'<object id="2">{mesh_xml(shapes.sphere(rings=2, segments=4))}</object>'
        f'<object id="3"><components>{components}</components></object>'
    )
    items = '<item objectid="3"/><item objectid="2" transform="2 0 0 0 2 0 0 0 2 0 0 90" partnumber="x"/>'
    return model(
        objects, items, before='<metadata name="Title">assembly</metadata>', attributes='unit="inch"'
    )


def _production() -> Contents:
    namespace = f'xmlns:p="{PRODUCTION}"'
    inner = model(
        f'<object id="7" {_UUID.format(1)}>{mesh_xml(shapes.box(3, 4, 5))}</object>', "", attributes=namespace
    )
    component = f'<component objectid="7" p:path="/3D/inner.model" {_UUID.format(2)}/>'
    outer = model(
        f'<object id="1" {_UUID.format(3)}><components>{component}</components></object>',
        f'<item objectid="1" {_UUID.format(4)}/>',
        attributes=f'unit="millimeter" {namespace} requiredextensions="p"',
    )
    return parts(
        outer,
        **{
            "3D/inner.model": inner,
            "3D/_rels/3dmodel.model.rels": relationships(relationship("/3D/inner.model")),
        },
    )


def _colours() -> str:
    mesh = mesh_xml(shapes.box()).replace("<triangle ", '<triangle pid="5" p1="0" ', 3)
    group = '<m:colorgroup id="5"><m:color color="#FF0000"/><m:color color="#00FF00FF"/></m:colorgroup>'
    base = '<basematerials id="4"><base name="PA12" displaycolor="#FFFFFF"/></basematerials>'
    return model(
        f'{base}{group}<object id="1" pid="4" pindex="0">{mesh}</object>', attributes=f'xmlns:m="{MATERIAL}"'
    )
