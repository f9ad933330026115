"""Holds a parsed model part to the vocabulary: elements, attributes, values, order, number of children."""

from __future__ import annotations

from collections import Counter

from mesh_tools.errors import Refused
from mesh_tools.threemf.vocabulary import ELEMENTS, KNOWN, SLICERS, UNORDERED, Element
from mesh_tools.threemf.xml_tree import UNBOUND, XML_NS, Node

_SHOWN = 80


def validate(root: Node, part: str) -> int:
    """Check `root` and everything below; raises Refused(package.schema) at the first fault.

    Returns how many attributes are none of the specification but of common slicers.
    """
    stack = [root]
    foreign = 0
    while stack:
        node = stack.pop()
        rules = ELEMENTS.get(node.tag)
        if rules is None:
            raise _wrong(part, f"<{node.tag[1][:_SHOWN]}> is not an element of its namespace.")
        foreign += _check_attributes(node, rules, part)
        children = [child for child in node.children if child.tag[0] in KNOWN]
        _check_children(node, children, rules, part)
        stack.extend(children)
    return foreign


def _check_attributes(node: Node, rules: Element, part: str) -> int:
    slicers = SLICERS.get(node.tag, {})
    foreign = 0
    for tag, value in node.attributes.items():
        check = rules.attributes.get(tag)
        if check is None and tag[0] == "" and tag[1] in slicers:
            check = slicers[tag[1]]
            foreign += 1
        if check is None:
            if tag[0] in KNOWN or tag[0] in ("", XML_NS):
                raise _wrong(part, f"<{node.tag[1]}> has no attribute {tag[1][:_SHOWN]!r}.")
            continue
        if not check(value):
            raise _wrong(part, f"{tag[1]}={value[:_SHOWN]!r} of <{node.tag[1]}> is not valid.")
    missing = rules.required - node.attributes.keys()
    if missing:
        names = ", ".join(sorted(name for _, name in missing))
        raise _wrong(part, f"<{node.tag[1]}> lacks {names}.")
    return foreign


def _check_children(node: Node, children: list[Node], rules: Element, part: str) -> None:
    if node.bulk is not None:
        return
    if node.text and node.tag[1] != "metadata":
        raise _wrong(part, f"<{node.tag[1]}> holds text: {node.text[:_SHOWN]!r}.")
    counts = Counter(child.tag for child in children)
    allowed = rules.order
    for tag in counts:
        if tag not in allowed:
            raise _wrong(part, f"<{tag[1][:_SHOWN]}> does not belong in <{node.tag[1]}>.")
    unbound = any(child.tag[0].startswith(UNBOUND) for child in node.children)
    for tags, least, most in rules.groups:
        count = sum(counts[tag] for tag in tags)
        if count > most or (count < least and not unbound):
            names = " or ".join(sorted(name for _, name in tags))
            raise _wrong(part, f"<{node.tag[1]}> holds {count} × {names}.")
    if node.tag not in UNORDERED:
        places = [allowed[child.tag] for child in children if child.tag in allowed]
        if places != sorted(places):
            raise _wrong(part, f"The children of <{node.tag[1]}> stand in the wrong order.")


def _wrong(part: str, message: str) -> Refused:
    return Refused("package.schema", f"{part}: {message}")
