"""Merkle-Patricia tries of Ethereum: building one, and proving one value by the nodes on the way to it.

Ethereum yellow paper, appendices C (hex prefix) and D (the trie). A proof is the list of encoded nodes from
the root down, as `eth_getProof` gives them (EIP-1186); nodes shorter than 32 bytes stand within their parent
and are no members of the list. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import rlp  # type: ignore[import-untyped]
from eth_hash.auto import keccak
from rlp.exceptions import DecodingError  # type: ignore[import-untyped]

_BRANCH_ITEMS: Final = 17
_HASH_BYTES: Final = 32
_ODD, _LEAF = 1, 2


class MerkleTrie:
    """The trie of some keys and values, all of them bytes; no value is empty."""

    def __init__(self, items: Mapping[bytes, bytes]) -> None:
        self._nodes: dict[bytes, bytes] = {}
        pairs = sorted((_nibbles(key), value) for key, value in items.items())
        encoded = rlp.encode(self._node(pairs))
        self.root: bytes = keccak(encoded)
        self._nodes[self.root] = encoded

    def proof(self, key: bytes) -> tuple[bytes, ...]:
        """Return the nodes that prove a key's value; KeyError where the trie has none."""
        passed: list[bytes] = []

        def resolve(name: bytes) -> bytes:
            passed.append(self._nodes[name])
            return passed[-1]

        if _walk(self.root, _nibbles(key), resolve) is None:
            raise KeyError(key)
        return tuple(passed)

    def _node(self, pairs: Sequence[tuple[bytes, bytes]]) -> Any:
        """Return the node over sorted paths, as nested lists of bytes."""
        if not pairs:
            return b""
        first, last = pairs[0][0], pairs[-1][0]
        if len(pairs) == 1:
            return [_hex_prefix(first, leaf=True), pairs[0][1]]
        shared = _shared(first, last)
        if shared:
            below = self._node([(path[shared:], value) for path, value in pairs])
            return [_hex_prefix(first[:shared], leaf=False), self._reference(below)]
        branch: list[Any] = [b""] * _BRANCH_ITEMS
        if not first:
            branch[-1] = pairs[0][1]
        for nibble in range(16):
            inner = [(path[1:], value) for path, value in pairs if path[:1] == bytes([nibble])]
            if inner:
                branch[nibble] = self._reference(self._node(inner))
        return branch

    def _reference(self, node: Any) -> Any:
        """Return what a parent holds: the node itself where it is short, else its hash."""
        encoded = rlp.encode(node)
        if len(encoded) < _HASH_BYTES:
            return node
        name = keccak(encoded)
        self._nodes[name] = encoded
        return name


def proven(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """Return the value that a proof shows to stand under a key of the trie with this root.

    None where the nodes show no such thing: one too few, one too many, altered, out of order, of another key.
    """
    rest = list(reversed(proof))

    def resolve(name: bytes) -> bytes:
        encoded = rest.pop() if rest else b""
        if keccak(encoded) != name:
            raise DecodingError("this node has another hash", encoded)
        return encoded

    try:
        value = _walk(root, _nibbles(key), resolve)
    except DecodingError:
        return None
    return None if rest else value


def _walk(root: bytes, path: bytes, resolve: Callable[[bytes], bytes]) -> bytes | None:
    """Follow a path from the root; return the value at its end, None where there is none."""
    child: Any = root
    while child:
        node = child if isinstance(child, list) else rlp.decode(resolve(child))
        match node:
            case [*children, value] if len(children) == _BRANCH_ITEMS - 1:
                if not path:
                    return _value(value)
                child, path = children[path[0]], path[1:]
            case [bytes(prefix), below] if prefix:
                fragment, leaf = _fragment(prefix)
                if leaf:
                    return _value(below) if fragment == path else None
                if not fragment or not path.startswith(fragment):
                    return None
                child, path = below, path[len(fragment) :]
            case _:
                return None
    return None


def _value(found: object) -> bytes | None:
    return found if isinstance(found, bytes) and found else None


def _nibbles(key: bytes) -> bytes:
    """Return a key's half bytes, a byte each."""
    return bytes(half for byte in key for half in (byte >> 4, byte & 15))


def _shared(first: bytes, second: bytes) -> int:
    """Return how long two paths are the same."""
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return place
    return min(len(first), len(second))


def _hex_prefix(path: bytes, *, leaf: bool) -> bytes:
    """Pack half bytes with a flag for leaves and one for odd lengths."""
    flag = (_LEAF if leaf else 0) | len(path) & _ODD
    halves = bytes([flag]) + path if flag & _ODD else bytes([flag, 0]) + path
    return bytes(high << 4 | low for high, low in zip(halves[::2], halves[1::2], strict=True))


def _fragment(prefix: bytes) -> tuple[bytes, bool]:
    """Return the half bytes that a prefix packs, and whether they end at a leaf."""
    halves = _nibbles(prefix)
    return halves[1:] if halves[0] & _ODD else halves[2:], bool(halves[0] & _LEAF)
