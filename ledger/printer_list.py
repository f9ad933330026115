"""The list of printers a licence names, as a Merkle tree the contract can check one member of.

Leaves are keccak256(printer), sorted; pairs are hashed in sorted order, as OpenZeppelin's `MerkleProof` does.
Reached through `ledger.typed_data`.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_hash.auto import keccak

from ledger.errors import TypedDataError


def printers_root(printer_ids: Sequence[bytes]) -> bytes:
    """Return the root of a set of printers, in whatever order they come; 32 zero bytes (any printer) for
    none.
    """
    levels = _levels(printer_ids)
    return levels[-1][0] if levels else bytes(32)


def printer_proof(printer_ids: Sequence[bytes], printer: bytes) -> list[bytes]:
    """Return the proof that a printer is in the set; empty where no list is given.

    Raises TypedDataError for a printer that is not on the list.
    """
    levels = _levels(printer_ids)
    if not levels:
        return []
    leaf = keccak(printer)
    if leaf not in levels[0]:
        raise TypedDataError(
            "printer", f"0x{printer.hex()} is not among the {len(levels[0])} printers of the list"
        )
    position = levels[0].index(leaf)
    proof = []
    for level in levels[:-1]:
        if position ^ 1 < len(level):
            proof.append(level[position ^ 1])
        position //= 2
    return proof


def printer_listed(printer: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a proof, folded as OpenZeppelin's `MerkleProof` does, puts a printer on a root's list."""
    node = keccak(printer)
    for sibling in proof:
        node = keccak(min(node, sibling) + max(node, sibling))
    return node == root


def _levels(printer_ids: Sequence[bytes]) -> list[list[bytes]]:
    """Return the tree from its sorted leaves up to its root; the last node of an odd level rises unhashed."""
    for printer in printer_ids:
        if len(printer) != 32:
            raise TypedDataError("printers", f"a printer's identifier is 32 bytes, this one {len(printer)}")
    level = sorted({keccak(printer) for printer in printer_ids})
    levels = [level] if level else []
    while len(level) > 1:
        pairs = [level[index : index + 2] for index in range(0, len(level), 2)]
        level = [keccak(b"".join(sorted(pair))) if len(pair) == 2 else pair[0] for pair in pairs]
        levels.append(level)
    return levels
