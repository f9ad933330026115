"""XML 1.0 into a small tree, strictly: no DTD, no entities, bounded depth and sizes, names resolved.

The long lists of a mesh never become nodes. A `<vertices>` or `<triangles>` element whose content is the
plain repeated form is cut out of the text, scanned at once (see `mesh_scan`) and marked by a processing
instruction with a random name; expat reads what remains, and the scanned list is attached only where
expat meets the mark inside such an element. So a list inside a comment or a CDATA section counts for nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from xml.parsers import expat

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.threemf.mesh_scan import Bulk, cut_lists

Tag = tuple[str, str]
XML_NS = "http://www.w3.org/XML/1998/namespace"
XSI_NS = "http://www.w3.org/2001/XMLSchema-instance"
UNBOUND = "unbound:"

_UNMARKED = (b"<\0", b"\0<")  # XML 1.0, 4.3.3: UTF-16 begins with a byte order mark


@dataclass(slots=True, eq=False)
class Node:
    """An element: (namespace, local name), attributes by the same (namespace "" when unprefixed), children,
    text without surrounding space, and the scanned list when it was one. `scope` maps prefixes to namespaces.
    """

    tag: Tag
    attributes: dict[Tag, str]
    scope: dict[str, str]
    children: list[Node] = field(default_factory=list)
    text: str = ""
    bulk: Bulk | None = None

    def get(self, name: str, namespace: str = "") -> str | None:
        """The attribute's value, or None."""
        return self.attributes.get((namespace, name))


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed part; `unbound` counts elements and attributes whose prefix nobody declared."""

    root: Node
    unbound: int


def parse(data: bytes, limits: Limits, *, part: str) -> Document:
    """Parse `data`, the bytes of `part`; raises Refused (package.xml, package.dtd, package.limit)."""
    if data[:2] in _UNMARKED:
        raise Refused("package.xml", f"{part!r} is UTF-16 without a byte order mark.")
    mark = "m" + secrets.token_hex(12)
    skeleton, lists = cut_lists(data, mark, limits)
    builder = _Builder(limits, part, mark, lists)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.ordered_attributes = True
    builder.attach(parser)
    try:
        parser.Parse(skeleton, True)
    except expat.ExpatError as error:
        raise Refused("package.xml", f"{part!r} is not well-formed: {error}.") from None
    if builder.root is None:
        raise Refused("package.xml", f"{part!r} is empty.")
    return Document(builder.root, builder.unbound)


class _Builder:
    """Collects expat's events into nodes."""

    def __init__(self, limits: Limits, part: str, mark: str, lists: list[Bulk]) -> None:
        self.root: Node | None = None
        self.unbound = 0
        self._limits = limits
        self._part = part
        self._mark = mark
        self._lists = lists
        self._open: list[Node] = []
        self._elements = 0

    def attach(self, parser: expat.XMLParserType) -> None:
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.ProcessingInstructionHandler = self._instruction
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._doctype
        parser.XmlDeclHandler = self._declaration

    def _start(self, name: str, pairs: list[str]) -> None:
        self._elements += 1
        if self._elements > self._limits.xml_elements_max:
            raise self._over("too many elements")
        if len(self._open) >= self._limits.xml_depth_max:
            raise self._over(f"elements nest deeper than {self._limits.xml_depth_max}")
        raw = dict(zip(pairs[::2], pairs[1::2], strict=True))
        if any(len(value) > self._limits.xml_attribute_chars_max for value in raw.values()):
            raise self._over(f"an attribute is longer than {self._limits.xml_attribute_chars_max} characters")
        outer = self._open[-1].scope if self._open else {"xml": XML_NS}
        scope = _scope(outer, raw)
        tag = self._resolve(name, scope, scope.get("", ""))
        attributes = {
            self._resolve(key, scope, ""): value for key, value in raw.items() if not _declares(key)
        }
        if len(attributes) != sum(not _declares(key) for key in raw):
            raise Refused("package.xml", f"{self._part!r}: an attribute of <{name[:60]}> stands twice.")
        if any(namespace == XSI_NS for namespace, _ in attributes):
            raise Refused(
                "package.xml", f"{self._part!r}: <{name[:60]}> has an XML Schema instance attribute."
            )
        node = Node(tag, attributes, scope)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def _end(self, _name: str) -> None:
        node = self._open.pop()
        node.text = node.text.strip()

    def _text(self, text: str) -> None:
        node = self._open[-1]
        if node.text or not text.isspace():
            node.text += text
            if len(node.text) > self._limits.xml_attribute_chars_max * 64:
                raise self._over("a text is too long")

    def _instruction(self, target: str, data: str) -> None:
        if target != self._mark:
            return
        bulk = self._lists[int(data)]
        node = self._open[-1]
        if node.tag[1] != bulk.element or node.children or node.bulk is not None:
            raise Refused("package.xml", f"{self._part!r}: a list of the mesh stands in the wrong place.")
        node.bulk = bulk

    def _doctype(self, *_: object) -> None:
        raise Refused("package.dtd", f"{self._part!r} contains a document type declaration.")

    def _declaration(self, version: str, encoding: str | None, _standalone: int) -> None:
        if version != "1.0":
            raise Refused("package.xml", f"{self._part!r} is XML {version[:40]!r}, not 1.0.")
        if encoding is not None and encoding.lower() not in ("utf-8", "utf-16"):
            raise Refused(
                "package.xml", f"{self._part!r} is encoded as {encoding[:40]!r}, not UTF-8 or UTF-16."
            )

    def _resolve(self, name: str, scope: dict[str, str], default: str) -> Tag:
        prefix, colon, local = name.partition(":")
        if not colon:
            return default, name
        if not prefix or not local or ":" in local:
            raise Refused("package.xml", f"{self._part!r}: {name[:60]!r} is no qualified name.")
        if prefix not in scope:
            self.unbound += 1
            return UNBOUND + prefix, local
        return scope[prefix], local

    def _over(self, what: str) -> Refused:
        return Refused("package.limit", f"{self._part!r}: {what}.")


def _declares(name: str) -> bool:
    return name == "xmlns" or name.startswith("xmlns:")


def _scope(outer: dict[str, str], raw: dict[str, str]) -> dict[str, str]:
    declared = {key[6:]: value for key, value in raw.items() if _declares(key)}
    return {**outer, **declared} if declared else outer
