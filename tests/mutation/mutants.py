"""Small defects put into Python source: each mutant is the module with one place of its text replaced."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.LShift: ("<<", ">>"),
    ast.BitXor: ("^", "|"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
WORDS = dict.fromkeys(("truncated", "extended", "altered", "substituted", "missing"), "mistaken")
WORDS |= {"big": "little"}
"""Strings that mean something to a machine: the reasons of a damage, the order of bytes."""

CALLS = {"min": "max", "max": "min"}


@dataclass(frozen=True)
class Mutant:
    """One defect: where it is, how its lines read before and after, and the whole changed module."""

    path: str
    line: int
    function: str
    before: str
    after: str
    source: str

    @property
    def name(self) -> tuple[str, str, str, str]:
        """What tells it from others wherever its line moves."""
        return self.path, self.function, self.before, self.after

    def __str__(self) -> str:
        return f"{self.path}:{self.line} in {self.function}:\n    - {self.before}\n    + {self.after}"


Edit = tuple[int, int, str]
"""First and past-the-last byte of what is replaced, and by what."""


def mutants(path: str, source: str, functions: Iterable[str] | None = None) -> Iterator[Mutant]:
    """Yield every mutant of a module, or of some of its functions: `name`, `Class.method` or `<module>`."""
    text, tree = _Text(source), ast.parse(source)
    wanted = None if functions is None else set(functions)
    met = set()
    for node, function in _nodes(tree):
        met.add(function)
        if wanted is None or function in wanted:
            for edit in _edits(node, text):
                yield text.mutant(path, function, edit)
    if wanted and wanted - met:
        raise ValueError(f"{path} has no {sorted(wanted - met)}")


class _Text:
    """Source as UTF-8, in which the syntax tree counts its columns."""

    def __init__(self, source: str) -> None:
        self._bytes = source.encode()
        self._starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: Any) -> tuple[int, int]:
        """Return the first and past-the-last byte of a node."""
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def of(self, node: ast.AST) -> str:
        first, end = self.span(node)
        return self._bytes[first:end].decode()

    def between(self, left: ast.AST, right: ast.AST, operator: str, other: str) -> Edit:
        """Replace the operator that stands between two operands."""
        first, end = self.span(left)[1], self.span(right)[0]
        gap = self._bytes[first:end].decode()
        changed = gap.replace(operator, other, 1)
        if changed == gap:
            raise ValueError(f"no {operator!r} in {gap!r}")
        return first, end, changed

    def mutant(self, path: str, function: str, edit: Edit) -> Mutant:
        first, end, replacement = edit
        line = sum(start <= first for start in self._starts)
        begin = self._starts[line - 1]
        stop = next(start for start in self._starts if start >= end)
        changed = self._bytes[begin:first] + replacement.encode() + self._bytes[end:stop]
        return Mutant(
            path,
            line,
            function,
            _one_line(self._bytes[begin:stop]),
            _one_line(changed),
            (self._bytes[:begin] + changed + self._bytes[stop:]).decode(),
        )


def _one_line(text: bytes) -> str:
    return re.sub(r"\s+", " ", text.decode()).strip()


def _nodes(tree: ast.AST, names: tuple[str, ...] = ()) -> Iterator[tuple[ast.AST, str]]:
    """Yield all nodes but annotations, default values, texts and what a raised error says."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.arguments | ast.JoinedStr) or _is_annotation(tree, node):
            continue
        yield node, ".".join(names) or "<module>"
        if isinstance(node, ast.Raise):
            continue
        inner = (*names, node.name) if isinstance(node, ast.FunctionDef | ast.ClassDef) else names
        yield from _nodes(node, inner)


def _is_annotation(parent: ast.AST, node: ast.AST) -> bool:
    if isinstance(parent, ast.AnnAssign):
        return node is parent.annotation
    if isinstance(parent, ast.FunctionDef | ast.ClassDef):
        return node in parent.decorator_list or node is getattr(parent, "returns", None)
    return isinstance(parent, ast.Assert)


def _edits(node: ast.AST, text: _Text) -> Iterator[Edit]:
    """Yield the defects of one node, without those of the nodes in it."""
    change = _CHANGES.get(type(node))
    if change is not None:
        yield from change(node, text)


def _compare(node: ast.Compare, text: _Text) -> Iterator[Edit]:
    operands = pairwise([node.left, *node.comparators])
    for operator, (left, right) in zip(node.ops, operands, strict=True):
        spelt, others = COMPARISONS[type(operator)]
        for other in others:
            yield text.between(left, right, spelt, other)


def _boolean(node: ast.BoolOp, text: _Text) -> Iterator[Edit]:
    spelt, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    for left, right in pairwise(node.values):
        yield text.between(left, right, spelt, other)


def _unary(node: ast.UnaryOp, text: _Text) -> Iterator[Edit]:
    yield *text.span(node), f"({text.of(node.operand)})"


def _binary(node: ast.BinOp, text: _Text) -> Iterator[Edit]:
    spelt, other = ARITHMETIC[type(node.op)]
    yield text.between(node.left, node.right, spelt, other)
    if isinstance(node.op, ast.Add):
        for operand in (node.left, node.right):
            yield *text.span(node), f"({text.of(operand)})"


def _constant(node: ast.Constant, text: _Text) -> Iterator[Edit]:
    value: object = node.value
    others: list[object] = []
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, int):
        others = [value + 1, *([value - 1] if value else [])]
    elif isinstance(value, bytes):
        others = [value[:-1]] if value else []
    elif isinstance(value, str) and value in WORDS:
        others = [WORDS[value]]
    for other in others:
        yield *text.span(node), repr(other)


def _slice(node: ast.Slice, text: _Text) -> Iterator[Edit]:
    first, end = text.span(node)
    if node.lower is not None:
        yield first, text.span(node.lower)[1], ""
    if node.upper is not None:
        yield text.span(node.upper)[0], end, ""


def _call(node: ast.Call, text: _Text) -> Iterator[Edit]:
    if isinstance(node.func, ast.Name) and node.func.id in CALLS:
        yield *text.span(node.func), CALLS[node.func.id]
    if text.of(node.func).endswith("compare_digest"):
        yield *text.span(node), "True"


def _condition(node: ast.If | ast.While | ast.IfExp, text: _Text) -> Iterator[Edit]:
    if not isinstance(node.test, ast.Compare | ast.UnaryOp):
        yield *text.span(node.test), f"not ({text.of(node.test)})"


def _raise(node: ast.Raise, text: _Text) -> Iterator[Edit]:
    yield *text.span(node), "pass"
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and inner.value in WORDS:
            yield from _constant(inner, text)


def _return(node: ast.Return, text: _Text) -> Iterator[Edit]:
    if node.value is not None:
        yield *text.span(node), "return None"


def _expression(node: ast.Expr, text: _Text) -> Iterator[Edit]:
    if isinstance(node.value, ast.Call):
        yield *text.span(node), "pass"


_CHANGES: dict[type[ast.AST], Callable[[Any, _Text], Iterator[Edit]]] = {
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.Constant: _constant,
    ast.Slice: _slice,
    ast.Call: _call,
    ast.If: _condition,
    ast.While: _condition,
    ast.IfExp: _condition,
    ast.Raise: _raise,
    ast.Return: _return,
    ast.Expr: _expression,
}
