"""The meaning of a model part's resources: unique ids, references that exist and are in range."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mesh_tools.errors import Refused
from mesh_tools.threemf import grammar
from mesh_tools.threemf.vocabulary import BEAM, CORE, MATERIAL, SLICE, TRIANGLE_SETS
from mesh_tools.threemf.xml_tree import Node

_GROUPS = {
    (CORE, "basematerials"), (MATERIAL, "colorgroup"), (MATERIAL, "texture2dgroup"),
    (MATERIAL, "compositematerials"), (MATERIAL, "multiproperties"),
}  # fmt: skip
_MATERIALS = {(CORE, "basematerials"), (MATERIAL, "compositematerials")}
_COLOURS = {(MATERIAL, "colorgroup")}


@dataclass(frozen=True, slots=True)
class Group:
    """A property group: its element and how many properties it has."""

    tag: tuple[str, str]
    size: int


@dataclass(eq=False)
class Resources:
    """What a part defines, by id, in document order."""

    part: str
    objects: dict[int, Node] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    textures: dict[int, Node] = field(default_factory=dict)
    slice_stacks: dict[int, Node] = field(default_factory=dict)
    displays: dict[int, Node] = field(default_factory=dict)
    ids: set[int] = field(default_factory=set)
    property_faults: list[str] = field(default_factory=list)

    def doubt(self, message: str) -> None:
        """Note a fault in materials, colours or textures: it refuses, but the shape can still be judged."""
        self.property_faults.append(f"{self.part}: {message}")

    def missing(self, what: str, value: object) -> Refused:
        """The refusal for a reference that leads nowhere."""
        return Refused("package.reference", f"{self.part}: {what} {value} leads to nothing.")


def read_resources(root: Node, part: str) -> Resources:
    """Collect and check the resources of a model part; components and builds are checked by `assembly`."""
    found = Resources(part)
    nodes = [child for child in _child(root, "resources").children if child.get("id") is not None]
    nodes = [node for node in nodes if node.tag[0] in (CORE, MATERIAL, SLICE)]
    for node in nodes:
        number = id_of(node)
        if number in found.ids:
            raise Refused("package.reference", f"{part}: the id {number} is used twice.")
        found.ids.add(number)
        _register(node, number, found)
    for node in nodes:
        _check_node(node, found)
        _check_display(node, found)
    return found


def id_of(node: Node, name: str = "id", namespace: str = "") -> int:
    """The value of an id attribute that the vocabulary has already checked."""
    return grammar.resource_id(node.get(name, namespace) or "") or 0


def _register(node: Node, number: int, found: Resources) -> None:
    if node.tag == (CORE, "object"):
        found.objects[number] = node
    elif node.tag in _GROUPS:
        found.groups[number] = Group(node.tag, len(node.children))
    elif node.tag == (MATERIAL, "texture2d"):
        found.textures[number] = node
    elif node.tag == (SLICE, "slicestack"):
        found.slice_stacks[number] = node
    else:
        found.displays[number] = node


def _check_node(node: Node, found: Resources) -> None:
    checks: dict[str, Callable[[Node, Resources], None]] = {
        "object": _check_object,
        "texture2dgroup": _check_texture_group,
        "compositematerials": _check_composites,
        "multiproperties": _check_multi,
        "slicestack": _check_slices,
        "pbspeculartexturedisplayproperties": _check_textures_of_display,
        "pbmetallictexturedisplayproperties": _check_textures_of_display,
    }
    check = checks.get(node.tag[1])
    if check is not None:
        check(node, found)


def _check_object(node: Node, found: Resources) -> None:
    property_of(node, "pid", "pindex", found)
    if node.get("slicestackid", SLICE) is not None and node.get("slicepath", SLICE) is None:
        stack = id_of(node, "slicestackid", SLICE)
        if stack not in found.slice_stacks:
            raise found.missing("slicestackid", stack)
    if _has(node, "components") and (node.get("pid") or node.get("pindex")):
        found.doubt("an object of components has properties of its own.")


def property_of(node: Node, group_name: str, index_name: str, found: Resources) -> Group | None:
    """Check a pair of property attributes; returns the group, or None when there is none."""
    group_text, index_text = node.get(group_name), node.get(index_name)
    if group_text is None:
        if index_text is not None:
            found.doubt(f"{index_name} without {group_name}.")
        return None
    number = id_of(node, group_name)
    group = found.groups.get(number)
    if group is None:
        found.doubt(f"{group_name} {number} leads to nothing.")
    elif index_text is not None and (grammar.index(index_text) or 0) >= group.size:
        found.doubt(f"{index_name} {index_text} of group {number} is not there.")
    return group


def _check_texture_group(node: Node, found: Resources) -> None:
    if id_of(node, "texid") not in found.textures:
        found.doubt(f"texid {node.get('texid')} leads to nothing.")


def _check_composites(node: Node, found: Resources) -> None:
    material = found.groups.get(id_of(node, "matid"))
    if material is None or material.tag != (CORE, "basematerials"):
        found.doubt(f"matid {node.get('matid')} leads to nothing.")
        return
    chosen = grammar.indices(node.get("matindices") or "") or []
    if any(index >= material.size for index in chosen):
        found.doubt("matindices name a material that is not there.")
    for child in node.children:
        shares = grammar.numbers(child.get("values") or "") or []
        if len(shares) > len(chosen) or any(not 0 <= share <= 1 for share in shares):
            found.doubt("the values of a composite do not fit its materials.")


def _check_multi(node: Node, found: Resources) -> None:
    numbers = grammar.indices(node.get("pids") or "") or []
    groups = [found.groups.get(number) for number in numbers]
    if any(group is None or group.tag == (MATERIAL, "multiproperties") for group in groups):
        found.doubt(f"pids {node.get('pids')} lead to what is no group of properties.")
        return
    known = [group for group in groups if group is not None]
    materials = [place for place, group in enumerate(known) if group.tag in _MATERIALS]
    if len(materials) > 1 or any(materials) or sum(group.tag in _COLOURS for group in known) > 1:
        found.doubt("multiproperties mix groups that exclude each other.")
    for child in node.children:
        chosen = grammar.indices(child.get("pindices") or "") or []
        if len(chosen) > len(known) or any(i >= group.size for i, group in zip(chosen, known, strict=False)):
            found.doubt("pindices name a property that is not there.")


def _check_slices(node: Node, found: Resources) -> None:
    tops = [
        grammar.number(child.get("ztop") or "") or 0.0
        for child in node.children
        if child.tag == (SLICE, "slice")
    ]
    references = any(child.tag == (SLICE, "sliceref") for child in node.children)
    if references and tops:
        raise Refused("package.reference", f"{found.part}: a slice stack holds slices and references.")
    bottom = grammar.number(node.get("zbottom") or "0") or 0.0
    if any(later <= earlier for earlier, later in zip([bottom, *tops], tops, strict=False)):
        raise Refused("package.reference", f"{found.part}: the slices of a stack do not rise.")
    for child in node.children:
        _check_slice(child, found)


def _check_slice(node: Node, found: Resources) -> None:
    lists = {child.tag[1]: child for child in node.children if child.tag == (SLICE, "vertices")}
    points = len(lists["vertices"].children) if lists else 0
    for polygon in node.children:
        if polygon.tag != (SLICE, "polygon"):
            continue
        previous = grammar.index(polygon.get("startv") or "") or 0
        for segment in [polygon, *polygon.children]:
            corner = grammar.index(segment.get("startv") or segment.get("v2") or "") or 0
            if corner >= points:
                raise Refused(
                    "package.reference", f"{found.part}: a slice names vertex {corner} of {points}."
                )
            if segment is not polygon and corner == previous:
                raise Refused("package.reference", f"{found.part}: a segment of a slice has no length.")
            previous = corner


def _check_textures_of_display(node: Node, found: Resources) -> None:
    for (namespace, name), value in node.attributes.items():
        if not namespace and name.endswith("textureid") and grammar.resource_id(value) not in found.textures:
            found.doubt(f"{name} {value} leads to nothing.")


def _check_display(node: Node, found: Resources) -> None:
    for holder in (node, *(node.children if node.tag == (CORE, "basematerials") else ())):
        if (
            holder.get("displaypropertiesid") is not None
            and id_of(holder, "displaypropertiesid") not in found.displays
        ):
            found.doubt(f"displaypropertiesid {holder.get('displaypropertiesid')} leads to nothing.")


def _child(node: Node, name: str) -> Node:
    for child in node.children:
        if child.tag == (CORE, name):
            return child
    raise Refused("package.schema", f"<{node.tag[1]}> lacks <{name}>.")


def _has(node: Node, name: str) -> bool:
    return any(child.tag == (CORE, name) for child in node.children)


def extras(mesh: Node) -> Iterator[Node]:
    """Extension elements of a mesh that carry geometry or sets: beam lattice, triangle sets."""
    return (child for child in mesh.children if child.tag[0] in (BEAM, TRIANGLE_SETS))
