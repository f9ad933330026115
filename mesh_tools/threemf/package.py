"""OPC (ECMA-376 part 2) as 3MF uses it: content types, relationships, and the part to start from.

Relationships are followed, never guessed: the model is the target of the one start-part relationship.
Targets stay inside the package and exist; external targets are refused.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote

from mesh_tools.errors import Refused
from mesh_tools.findings import Finding, finding
from mesh_tools.limits import Limits
from mesh_tools.threemf.archive import Archive
from mesh_tools.threemf.xml_tree import Node, parse

TYPES_NS = "http://schemas.openxmlformats.org/package/2006/content-types"
RELATIONSHIPS_NS = "http://schemas.openxmlformats.org/package/2006/relationships"
START_PART = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
TEXTURE = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dtexture"
THUMBNAIL = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/thumbnail"
CORE_PROPERTIES = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"
PRINT_TICKET = "http://schemas.microsoft.com/3dmanufacturing/2013/01/printticket"
ENCRYPTED = "http://schemas.openxmlformats.org/package/2006/relationships/encryptedfile"
KEY_STORE = "http://schemas.microsoft.com/3dmanufacturing/2019/04/keystore"
MUST_PRESERVE = "http://schemas.openxmlformats.org/package/2006/relationships/mustpreserve"
SECURE_CONTENT = "http://schemas.microsoft.com/3dmanufacturing/securecontent/2019/04"

MODEL_TYPE = "application/vnd.ms-package.3dmanufacturing-3dmodel+xml"
RELATIONSHIPS_TYPE = "application/vnd.openxmlformats-package.relationships+xml"
KEY_STORE_TYPE = "application/vnd.ms-package.3dmanufacturing-keystore+xml"
TEXTURE_TYPES = frozenset(
    {"image/png", "image/jpeg", "application/vnd.ms-package.3dmanufacturing-3dmodeltexture"}
)
THUMBNAIL_TYPES = frozenset({"image/png", "image/jpeg"})

_CONTENT_TYPES = "[Content_Types].xml"
_ROOT_RELATIONSHIPS = "_rels/.rels"
_XML_PART_BYTES_MAX = 8 * 1024 * 1024
_ID = re.compile(r"[^\W\d][\w.\-]*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


@dataclass(frozen=True, slots=True)
class Relationship:
    """A typed pointer from the package or one of its parts to a part, by its name without leading slash."""

    id: str
    type: str
    target: str


class Package:
    """A checked package: parts by name, their content types and relationships."""

    def __init__(self, data: memoryview, limits: Limits) -> None:
        """Read archive, content types and root relationships; raises Refused."""
        self._limits = limits
        self.findings: list[Finding] = []
        self.archive = Archive(data, limits)
        self._read: set[str] = set()
        self._defaults: dict[str, str] = {}
        self._overrides: dict[str, str] = {}
        self._read_content_types()
        for name in self.archive.colliding:
            message = f"{name[:100]!r} differs from another part's name only in case."
            self.findings.append(finding("content.ambiguous_names", message))
        self.relationships = self._relationships_of("")
        self.model_name = self._start_part()
        self._check_root_relationships()

    def exists(self, name: str) -> bool:
        """Whether there is a part called `name`, compared as OPC does."""
        return self.archive.find(name) is not None

    def content_type(self, name: str) -> str | None:
        """Content type of the part `name`, lower case, or None when none is declared."""
        folded = name.casefold()
        extension = posixpath.basename(folded).rpartition(".")[2]
        return self._overrides.get(folded, self._defaults.get(extension))

    def read(self, name: str) -> bytes:
        """The bytes of the part `name`; Refused when it does not exist."""
        entry = self.archive.find(name)
        if entry is None:
            raise Refused("package.missing_part", f"The part {name[:200]!r} is not in the package.")
        self._read.add(entry.name)
        return self.archive.read(entry)

    def finish(self) -> None:
        """Inflate what nobody read, so that a bomb in an unused part is found too."""
        self.archive.check_rest(self._read)

    def relationships_of(self, name: str) -> tuple[Relationship, ...]:
        """The relationships of the part `name`, each target checked."""
        return self._relationships_of(name)

    def resolve(self, target: str, source: str = "") -> str:
        """The part name that `target` means in a relationship or attribute of the part `source`."""
        return _resolve(target, source)

    def _read_content_types(self) -> None:
        if _CONTENT_TYPES not in self.archive.entries:
            raise Refused("package.content_types", "There is no [Content_Types].xml: this is no OPC package.")
        root = self._small_xml(_CONTENT_TYPES)
        if root.tag != (TYPES_NS, "Types"):
            raise Refused("package.content_types", f"The root of [Content_Types].xml is {root.tag[1]!r}.")
        for node in root.children:
            if node.tag == (TYPES_NS, "Default"):
                self._declare(self._defaults, node, "Extension")
            elif node.tag == (TYPES_NS, "Override"):
                self._declare(self._overrides, node, "PartName")
            else:
                raise Refused("package.content_types", f"Unknown element {node.tag[1]!r}.")

    def _declare(self, table: dict[str, str], node: Node, key: str) -> None:
        wanted = {("", key), ("", "ContentType")}
        if set(node.attributes) != wanted:
            raise Refused("package.content_types", f"{node.tag[1]} needs exactly {key} and ContentType.")
        name = node.attributes["", key].casefold().removeprefix("/")
        if name in table:
            raise Refused("package.content_types", f"{name[:100]!r} is declared twice.")
        table[name] = node.attributes["", "ContentType"].strip().lower()

    def _relationships_of(self, source: str) -> tuple[Relationship, ...]:
        folder, base = posixpath.split(source)
        name = posixpath.join(folder, "_rels", base + ".rels") if source else _ROOT_RELATIONSHIPS
        if not self.exists(name):
            if not source:
                raise Refused("package.relationship", "There is no _rels/.rels: nothing says where to start.")
            return ()
        if self.content_type(name) != RELATIONSHIPS_TYPE:
            raise Refused("package.content_types", f"{name!r} is not declared as relationships.")
        root = self._small_xml(name)
        if root.tag != (RELATIONSHIPS_NS, "Relationships"):
            raise Refused("package.relationship", f"The root of {name!r} is {root.tag[1]!r}.")
        if len(root.children) > self._limits.package_relationships_max:
            raise Refused("package.limit", f"{len(root.children)} relationships in {name!r}.")
        found = tuple(self._relationship(node, source) for node in root.children)
        if len({relation.id for relation in found}) != len(found):
            raise Refused("package.relationship", f"Two relationships of {name!r} have the same Id.")
        return found

    def _relationship(self, node: Node, source: str) -> Relationship:
        names = {name for _, name in node.attributes}
        if node.tag != (RELATIONSHIPS_NS, "Relationship") or not {"Id", "Type", "Target"} <= names:
            raise Refused("package.relationship", "A relationship lacks Id, Type or Target.")
        if names - {"Id", "Type", "Target", "TargetMode"} or node.children or node.text:
            raise Refused("package.relationship", "A relationship holds what does not belong there.")
        attributes = {name: value for (_, name), value in node.attributes.items()}
        if attributes.get("TargetMode", "Internal") != "Internal":
            raise Refused(
                "package.relationship", f"A relationship leads outside: {attributes['Target'][:200]!r}."
            )
        if not _ID.fullmatch(attributes["Id"]):
            raise Refused("package.relationship", f"{attributes['Id'][:100]!r} is no relationship Id.")
        target = _resolve(attributes["Target"], source)
        if not self.exists(target) and attributes["Type"] == THUMBNAIL:
            message = f"The thumbnail {target[:200]!r} does not exist."
            self.findings.append(finding("content.missing_thumbnail", message))
        elif not self.exists(target):
            raise Refused(
                "package.missing_part", f"A relationship leads to {target[:200]!r}, which does not exist."
            )
        return Relationship(attributes["Id"], attributes["Type"], target)

    def _start_part(self) -> str:
        starts = [relation.target for relation in self.relationships if relation.type == START_PART]
        if len(starts) != 1:
            raise Refused(
                "package.relationship", f"{len(starts)} start parts; a 3MF package has exactly one."
            )
        if self.content_type(starts[0]) != MODEL_TYPE:
            raise Refused("package.content_types", f"{starts[0]!r} is not declared as a 3D model.")
        return starts[0]

    def _check_root_relationships(self) -> None:
        thumbnails = [relation for relation in self.relationships if relation.type == THUMBNAIL]
        if len(thumbnails) > 1:
            raise Refused("package.relationship", "The package has more than one thumbnail.")
        for relation in thumbnails:
            if self.exists(relation.target) and self.content_type(relation.target) not in THUMBNAIL_TYPES:
                raise Refused(
                    "package.content_types", f"The thumbnail {relation.target!r} is no PNG or JPEG."
                )

    def _small_xml(self, name: str) -> Node:
        entry = self.archive.find(name)
        if entry is not None and entry.bytes > _XML_PART_BYTES_MAX:
            raise Refused("package.limit", f"{name!r} has {entry.bytes} bytes.")
        return parse(self.read(name), self._limits, part=name).root


def _resolve(target: str, source: str) -> str:
    """Part name without leading slash; Refused for what is no plain path within the package."""
    try:
        plain = unquote(target, errors="strict") if "%" in target else target
    except UnicodeDecodeError:
        raise Refused("package.relationship", f"The target {target[:200]!r} is not UTF-8.") from None
    if (
        not plain
        or _SCHEME.match(plain)
        or plain.startswith("//")
        or any(ord(c) < 32 or c in "\\?#" for c in plain)
    ):
        raise Refused("package.relationship", f"The target {target[:200]!r} is no path within the package.")
    path = plain if plain.startswith("/") else posixpath.join("/", posixpath.dirname(source), plain)
    depth = 0
    for segment in path.split("/")[1:]:
        depth += -1 if segment == ".." else int(segment not in ("", "."))
        if depth < 0:
            raise Refused("package.relationship", f"The target {target[:200]!r} leads out of the package.")
    return posixpath.normpath(path).removeprefix("/")
