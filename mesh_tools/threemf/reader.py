"""From a 3MF file to a model: package, parts, vocabulary, references, assembly, meshes, in that order."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from mesh_tools.errors import Refused
from mesh_tools.findings import Finding, finding
from mesh_tools.limits import Limits
from mesh_tools.model import Body, Model, Placement
from mesh_tools.threemf.assembly import Assembly, Key, Part, Placed, build_items, mesh_of
from mesh_tools.threemf.mesh import read_mesh
from mesh_tools.threemf.package import (
    ENCRYPTED,
    KEY_STORE,
    MODEL_TYPE,
    SECURE_CONTENT,
    TEXTURE,
    TEXTURE_TYPES,
    Package,
)
from mesh_tools.threemf.resources import Resources, read_resources
from mesh_tools.threemf.validate import validate
from mesh_tools.threemf.vocabulary import (
    BEAM,
    CORE,
    MATERIAL,
    PRODUCTION,
    SLICE,
    SLICER_METADATA,
    TRIANGLE_SETS,
    UNITS,
)  # fmt: skip
from mesh_tools.threemf.xml_tree import Node, parse

_UNDERSTOOD = frozenset({CORE, MATERIAL, PRODUCTION, SLICE, BEAM, TRIANGLE_SETS, SECURE_CONTENT})
_METADATA_NAMES = frozenset({
    "Title", "Designer", "Description", "Copyright", "LicenseTerms", "Rating", "CreationDate",
    "ModificationDate", "Application",
})  # fmt: skip
_UUID_HOLDERS = ("object", "component", "item")
_PREFIXED = re.compile(r"([^:]+):(.+)")


def load_3mf(data: memoryview, limits: Limits) -> Model:
    """Read and check a 3MF package completely; raises Refused."""
    package = Package(data, limits)
    _refuse_encrypted(package)
    parts, findings = _read_parts(package, limits)
    root = parts[package.model_name.casefold()]
    for part in parts.values():
        _check_attachments(part, package)
    assembly = Assembly(parts, package.model_name, limits)
    assembly.check_order()
    placed = assembly.placed()
    package.finish()
    bodies, content = _bodies(parts, placed, limits)
    for part in parts.values():
        faults = part.resources.property_faults
        if faults:
            content.append(finding("content.properties", faults[0], count=len(faults)))
    unit = (root.root.get("unit") or "millimeter").strip()
    return Model("3mf", bodies, UNITS[unit], (*package.findings, *findings, *content))


def _refuse_encrypted(package: Package) -> None:
    for relation in package.relationships:
        if relation.type in (ENCRYPTED, KEY_STORE) or "/keystore" in relation.type:
            raise Refused("package.encrypted", "Parts of the package are encrypted (3MF Secure Content).")


def _read_parts(package: Package, limits: Limits) -> tuple[dict[str, Part], list[Finding]]:
    """The root model part and the parts it leads to, by case-folded name."""
    root, findings = _read_part(package, package.model_name, limits)
    parts = {root.name.casefold(): root}
    for name in _paths(root.root):
        if name.casefold() not in parts:
            findings += _check_part_reference(package, name)
            part, more = _read_part(package, name, limits)
            if build_items(part.root):
                raise Refused("package.build", f"{name} is not the root model, yet it has build items.")
            parts[name.casefold()] = part
            findings += more
    required = PRODUCTION in _required(root.root, root.name)
    for part in parts.values():
        if required:
            _check_uuids(part)
    return parts, findings


def _read_part(package: Package, name: str, limits: Limits) -> tuple[Part, list[Finding]]:
    document = parse(package.read(name), limits, part=name)
    root = document.root
    if root.tag != (CORE, "model"):
        raise Refused(
            "package.schema",
            f"{name}: the root is <{root.tag[1]}> of {root.tag[0][:100]!r}, not a 3MF model.",
        )
    _required(root, name)
    foreign = validate(root, name)
    findings = _check_metadata(root, name, foreign)
    if document.unbound:
        message = f"{name}: {document.unbound} names use a prefix nobody declared."
        findings.append(finding("package.prefix", message, count=document.unbound))
    return Part(name, root, read_resources(root, name)), findings


def _required(root: Node, name: str) -> set[str]:
    """Namespaces of the required extensions; Refused for one the gate does not understand."""
    found = set()
    for prefix in (root.get("requiredextensions") or "").split():
        namespace = root.scope.get(prefix)
        if namespace is None:
            raise Refused(
                "package.extension", f"{name}: the required prefix {prefix[:60]!r} is not declared."
            )
        if namespace not in _UNDERSTOOD:
            raise Refused(
                "package.extension", f"{name}: the required extension {namespace[:200]!r} is not understood."
            )
        found.add(namespace)
    return found


def _paths(root: Node) -> list[str]:
    """Parts that components, items and slices of the root lead to, each once, in order."""
    found: dict[str, None] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        path = node.get("path", PRODUCTION) or (
            node.get("slicepath") if node.tag == (SLICE, "sliceref") else None
        )
        if path is not None:
            found.setdefault(path.removeprefix("/"))
        stack.extend(node.children)
    return list(found)


def _check_part_reference(package: Package, name: str) -> list[Finding]:
    if package.content_type(name) != MODEL_TYPE:
        raise Refused("package.content_types", f"{name[:200]!r} is not declared as a 3D model.")
    relations = package.relationships_of(package.model_name)
    if any(relation.target.casefold() == name.casefold() for relation in relations):
        return []
    return [finding("content.unrelated_part", f"The model leads to {name[:200]!r} without a relationship.")]


def _check_uuids(part: Part) -> None:
    stack = [part.root]
    while stack:
        node = stack.pop()
        if node.tag[0] == CORE and node.tag[1] in _UUID_HOLDERS and node.get("UUID", PRODUCTION) is None:
            raise Refused(
                "package.schema", f"{part.name}: <{node.tag[1]}> lacks the UUID that production requires."
            )
        stack.extend(node.children)


def _check_metadata(root: Node, name: str, foreign: int) -> list[Finding]:
    """Names are well-known or carry a declared prefix (core specification, 3.4.1), or are those of slicers.

    `foreign` counts the attributes of slicers found already.
    """
    unknown = 0
    for node in root.children:
        key = node.get("name") or ""
        if node.tag != (CORE, "metadata") or key in _METADATA_NAMES:
            continue
        match = _PREFIXED.fullmatch(key)
        if key in SLICER_METADATA:
            foreign += 1
        elif match is None:
            unknown += 1
        elif match.group(1) not in node.scope:
            raise Refused("package.schema", f"{name}: the metadata name {key[:100]!r} has an unknown prefix.")
    found = []
    if unknown:
        message = f"{unknown} metadata names are neither known nor prefixed."
        found.append(finding("content.metadata", message, count=unknown))
    if foreign:
        message = f"{foreign} metadata and attributes of a slicer are ignored."
        found.append(finding("content.slicer_data", message, count=foreign))
    return found


def _check_attachments(part: Part, package: Package) -> None:
    """Textures and thumbnails exist, are of an image type, and are related to their model part."""
    relations = package.relationships_of(part.name)
    textures = {relation.target.casefold() for relation in relations if relation.type == TEXTURE}
    for node in part.resources.textures.values():
        name = package.resolve(node.get("path") or "")
        if not package.exists(name):
            raise Refused("package.missing_part", f"{part.name}: the texture {name[:200]!r} does not exist.")
        if name.casefold() not in textures:
            raise Refused(
                "package.relationship", f"{part.name}: the texture {name[:200]!r} has no relationship."
            )
        if package.content_type(name) not in TEXTURE_TYPES:
            raise Refused(
                "package.content_types", f"{part.name}: the texture {name[:200]!r} is no PNG or JPEG."
            )
    for node in part.resources.objects.values():
        thumbnail = node.get("thumbnail")
        if thumbnail is not None and not package.exists(package.resolve(thumbnail, part.name)):
            raise Refused(
                "package.missing_part", f"{part.name}: the thumbnail {thumbnail[:200]!r} does not exist."
            )


def _bodies(parts: dict[str, Part], placed: list[Placed], limits: Limits) -> tuple[list[Body], list[Finding]]:
    """One body for each mesh that the build uses, with its placements, and findings about other content.

    Meshes that the build does not use are read and checked all the same.
    """
    placements: dict[Key, list[Placement]] = defaultdict(list)
    for instance in placed:
        placements[instance.key].append(instance.matrix[:, :3])
    bodies, findings = [], []
    for key, node, resources in _objects(parts):
        holder = mesh_of(node)
        if holder is None:
            continue
        mesh = read_mesh(holder, node, resources, limits)
        if key not in placements:
            continue
        kind = (node.get("type") or "model").strip()
        findings.extend(_content_findings(node, kind, mesh.beams))
        if kind != "support":
            name = (node.get("name") or "").strip()[:80] or f"object {key[1]}"
            bodies.append(Body(mesh.points, mesh.corners, placements[key], name))
    facets = sum(body.facet_count * len(body.placements) for body in bodies)
    if facets > limits.facets_max:
        raise Refused(
            "limit.facets", f"The build expands to {facets} facets; the limit is {limits.facets_max}."
        )
    return bodies, findings


def _objects(parts: dict[str, Part]) -> Iterator[tuple[Key, Node, Resources]]:
    for part in parts.values():
        for number, node in part.resources.objects.items():
            yield (part.name.casefold(), number), node, part.resources


def _content_findings(node: Node, kind: str, beams: bool) -> list[Finding]:
    found = []
    name = (node.get("name") or node.get("id") or "")[:80]
    if beams:
        found.append(finding("content.beam_lattice", f"{name} has a beam lattice, which is not checked."))
    if node.get("slicestackid", SLICE) is not None:
        found.append(
            finding("content.slices", f"{name} carries slices that a printer may prefer to the mesh.")
        )
    if kind == "surface":
        found.append(finding("content.surface", f"{name} is declared as a surface, not as a solid."))
    if kind == "support":
        found.append(finding("content.support", f"{name} is support and is not checked."))
    return found
