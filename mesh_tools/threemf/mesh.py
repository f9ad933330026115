"""A 3MF mesh as arrays: vertices, triangles, and the checks of their references."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.threemf import grammar
from mesh_tools.threemf.resources import Group, Resources, extras, id_of, property_of
from mesh_tools.threemf.vocabulary import BEAM, CORE, TRIANGLE_SETS
from mesh_tools.threemf.xml_tree import Node

Points = NDArray[np.float64]
Corners = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices (v, 3) in the model's unit, triangles (n, 3), and whether beams add to them."""

    points: Points
    corners: Corners
    beams: bool


def read_mesh(node: Node, holder: Node, found: Resources, limits: Limits) -> Mesh:
    """The mesh `node` of the object `holder`; raises Refused when an index leads nowhere."""
    lists = {child.tag[1]: child for child in node.children if child.tag[0] == CORE}
    points = _points(lists["vertices"])
    if len(points) > limits.vertices_max:
        raise Refused("limit.vertices", f"{len(points)} vertices; the limit is {limits.vertices_max}.")
    corners = _triangles(lists["triangles"], len(points), property_of(holder, "pid", "pindex", found), found)
    beams = False
    for extra in extras(node):
        if extra.tag == (BEAM, "beamlattice"):
            _check_beams(extra, len(points), found)
            beams = True
        elif extra.tag == (TRIANGLE_SETS, "trianglesets"):
            _check_sets(extra, len(corners), found.part)
    if not len(corners) and not beams:
        raise Refused("mesh.empty", f"{found.part}: the object {holder.get('id')} has no triangle.")
    return Mesh(points, corners, beams)


def _points(node: Node) -> Points:
    if node.bulk is not None:
        return np.stack([node.bulk.columns[axis] for axis in "xyz"], axis=1).astype(np.float64, copy=False)
    rows = [[grammar.number(child.get(axis) or "") or 0.0 for axis in "xyz"] for child in _core(node)]
    return np.array(rows, np.float64).reshape(-1, 3)


def _core(node: Node) -> list[Node]:
    return [child for child in node.children if child.tag[0] == CORE]


def _triangles(node: Node, points: int, inherited: Group | None, found: Resources) -> Corners:
    if node.bulk is not None:
        columns = node.bulk.columns
        corners = np.stack([columns[name] for name in ("v1", "v2", "v3")], axis=1)
        _check_property_columns(columns, inherited, found)
    else:
        rows = [
            [grammar.index(child.get(name) or "") or 0 for name in ("v1", "v2", "v3")]
            for child in _core(node)
        ]
        corners = np.array(rows, np.int64).reshape(-1, 3)
        for child in _core(node):
            _check_triangle(child, inherited, found)
    if len(corners) and int(corners.max()) >= points:
        raise Refused(
            "package.reference", f"{found.part}: a triangle names vertex {corners.max()} of {points}."
        )
    first, second, third = corners.T
    if ((first == second) | (second == third) | (third == first)).any():
        raise Refused("package.reference", f"{found.part}: a triangle names the same vertex twice.")
    return corners.astype(np.int32)


def _check_triangle(node: Node, inherited: Group | None, found: Resources) -> None:
    group = inherited
    if node.get("pid") is not None:
        group = found.groups.get(id_of(node, "pid"))
        if group is None:
            found.doubt(f"pid {node.get('pid')} leads to nothing.")
            return
    present = [name for name in ("p1", "p2", "p3") if node.get(name) is not None]
    if present and group is None:
        found.doubt(f"a triangle has {present[0]} but no pid.")
    if present and present[0] != "p1":
        found.doubt(f"a triangle has {present[0]} but no p1.")
    for name in present:
        if group is not None and (grammar.index(node.get(name) or "") or 0) >= group.size:
            found.doubt(f"{name}={node.get(name)} is not in its group.")


def _check_property_columns(
    columns: dict[str, NDArray[np.float64] | NDArray[np.int64]], inherited: Group | None, found: Resources
) -> None:
    indices = [columns[name] for name in ("p1", "p2", "p3") if name in columns]
    if indices and "p1" not in columns:
        found.doubt("triangles have properties but no p1.")
    pids = columns.get("pid")
    if pids is None:
        if indices and inherited is None:
            found.doubt("a triangle has p1 but no pid.")
        if indices and inherited is not None and max(int(part.max()) for part in indices) >= inherited.size:
            found.doubt("a property of a triangle is not in its group.")
        return
    for pid in np.unique(pids):
        group = found.groups.get(int(pid))
        if group is None:
            found.doubt(f"pid {pid} leads to nothing.")
        elif any(int(part[pids == pid].max()) >= group.size for part in indices):
            found.doubt(f"a property of a triangle is not in group {pid}.")


def _check_beams(node: Node, points: int, found: Resources) -> None:
    for name in ("clippingmesh", "representationmesh"):
        if node.get(name) is not None and id_of(node, name) not in found.objects:
            raise found.missing(name, node.get(name))
    clips = (node.get("clippingmode") or node.get("clipping") or "none").strip() != "none"
    if clips and node.get("clippingmesh") is None:
        raise Refused("package.reference", f"{found.part}: a beam lattice is clipped by no mesh.")
    beams = [beam for child in node.children if child.tag == (BEAM, "beams") for beam in child.children]
    for beam in beams:
        ends = [grammar.index(beam.get(name) or "") or 0 for name in ("v1", "v2")]
        if max(ends) >= points or ends[0] == ends[1]:
            raise Refused("package.reference", f"{found.part}: a beam joins vertices {ends} of {points}.")
        if beam.get("r2") is not None and beam.get("r1") is None:
            raise Refused("package.reference", f"{found.part}: a beam has r2 but no r1.")
    _check_unique(
        [s for c in node.children if c.tag == (BEAM, "beamsets") for s in c.children], len(beams), found.part
    )


def _check_sets(node: Node, triangles: int, part: str) -> None:
    _check_unique(
        [child for child in node.children if child.tag == (TRIANGLE_SETS, "triangleset")], triangles, part
    )


def _check_unique(sets: list[Node], members: int, part: str) -> None:
    names = [name for name in (child.get("identifier") for child in sets) if name is not None]
    if len(set(names)) != len(names):
        raise Refused("package.reference", f"{part}: two sets have the same identifier.")
    for child in sets:
        for reference in child.children:
            for name in ("index", "startindex", "endindex"):
                text = reference.get(name)
                if (
                    text is not None
                    and reference.tag[1] != "ballref"
                    and (grammar.index(text) or 0) >= members
                ):
                    raise Refused("package.reference", f"{part}: a set names member {text} of {members}.")
