"""From build items through components to placed meshes: acyclic, bounded before anything is expanded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.threemf import grammar
from mesh_tools.threemf.resources import Resources, id_of
from mesh_tools.threemf.vocabulary import CORE, PRODUCTION
from mesh_tools.threemf.xml_tree import Node

Matrix = NDArray[np.float64]
Key = tuple[str, int]  # case-folded part name, object id

_SINGULAR = 1e-9


@dataclass(frozen=True, eq=False)
class Part:
    """A model part: its name, root and resources. Only the root part may lead to other parts."""

    name: str
    root: Node
    resources: Resources


@dataclass(frozen=True, eq=False)
class Placed:
    """One instance of an object with a mesh; `matrix` is 4×4 for row vectors."""

    key: Key
    matrix: Matrix


class Assembly:
    """The component graph of a package."""

    def __init__(self, parts: dict[str, Part], root: str, limits: Limits) -> None:
        self._parts = parts
        self._root = root
        self._limits = limits
        self._leaves: dict[Key, int] = {}

    def placed(self) -> list[Placed]:
        """Every mesh instance of the build, after counting them; raises Refused."""
        items = [
            (self._target(item, self._root), item)
            for item in build_items(self._parts[self._root.casefold()].root)
        ]
        if not items:
            raise Refused("package.build", "The build has no item: the package asks for nothing to be made.")
        total = 0
        for key, item in items:
            if (self.object(key).get("type") or "").strip() == "other":
                raise Refused(
                    "package.build", f"A build item names the object {key[1]}, which is of type other."
                )
            total += self._count(key, 0, ())
            _matrix(item)
        if total > self._limits.instances_max:
            raise Refused("limit.instances", f"The build expands to {total} meshes.")
        return [placed for key, item in items for placed in self._expand(key, _matrix(item))]

    def object(self, key: Key) -> Node:
        """The object of `key`; Refused when there is none."""
        part = self._parts.get(key[0])
        if part is None or key[1] not in part.resources.objects:
            raise Refused("package.reference", f"{key[0]}: there is no object {key[1]}.")
        return part.resources.objects[key[1]]

    def check_order(self) -> None:
        """Every component names an object defined before it, in its own or another part."""
        for part in self._parts.values():
            earlier: set[int] = set()
            for number, node in part.resources.objects.items():
                for component in _components(node):
                    key = self._target(component, part.name)
                    self.object(key)
                    _matrix(component)
                    if key[0] == part.name.casefold() and key[1] not in earlier:
                        raise part.resources.missing("component", f"{key[1]}, defined later,")
                earlier.add(number)

    def _target(self, node: Node, part: str) -> Key:
        path = node.get("path", PRODUCTION)
        if path is None:
            return part.casefold(), id_of(node, "objectid")
        if part.casefold() != self._root.casefold():
            raise Refused("package.reference", f"{part}: only the root model may lead to other parts.")
        return path.removeprefix("/").casefold(), id_of(node, "objectid")

    def _count(self, key: Key, depth: int, above: tuple[Key, ...]) -> int:
        """Number of meshes that `key` expands to, memoised; Refused on cycles and on depth."""
        known = self._leaves.get(key)
        if known is not None:
            return known
        if key in above:
            raise Refused("package.cycle", f"{key[0]}: the object {key[1]} contains itself.")
        if depth > self._limits.component_depth_max:
            raise Refused("package.limit", f"Components nest deeper than {self._limits.component_depth_max}.")
        node = self.object(key)
        components = _components(node)
        if mesh_of(node) is not None:
            total = 1
        else:
            total = sum(self._count(self._target(c, key[0]), depth + 1, (*above, key)) for c in components)
        self._leaves[key] = total
        return total

    def _expand(self, key: Key, matrix: Matrix) -> Iterator[Placed]:
        node = self.object(key)
        if mesh_of(node) is not None:
            yield Placed(key, matrix)
            return
        for component in _components(node):
            yield from self._expand(self._target(component, key[0]), _matrix(component) @ matrix)


def build_items(root: Node) -> list[Node]:
    """The items of a model part's build."""
    return [item for child in root.children if child.tag == (CORE, "build") for item in child.children
            if item.tag == (CORE, "item")]  # fmt: skip


def mesh_of(node: Node) -> Node | None:
    """The mesh of an object, or None when it has components."""
    return next((child for child in node.children if child.tag == (CORE, "mesh")), None)


def _components(node: Node) -> list[Node]:
    return [component for child in node.children if child.tag == (CORE, "components")
            for component in child.children if component.tag == (CORE, "component")]  # fmt: skip


def _matrix(node: Node) -> Matrix:
    """The 4×4 transform of an item or component; identity when absent."""
    text = node.get("transform")
    matrix = np.eye(4)
    if text is None:
        return matrix
    values = grammar.matrix(text)
    if values is None or len(values) != 12:
        count = "no" if values is None else str(len(values))
        raise Refused("mesh.placement", f"A transform has {count} numbers instead of 12.")
    matrix[:, :3] = np.array(values).reshape(4, 3)
    linear = matrix[:3, :3]
    size = float(np.abs(linear).max())
    if size == 0 or abs(float(np.linalg.det(linear / size))) < _SINGULAR:
        raise Refused("mesh.placement", "A transform flattens the part: its determinant is zero.")
    return matrix
