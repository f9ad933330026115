"""A printer's word for its successor: the enrolled P-256 key signs that another printer takes its place.

The chain knows two printers and nothing between them; the signature is what binds them, for the provider who
approves the successor and for whoever audits later. The successor's own enrolment proves its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ledger.typed_data import Domain, Struct, digest, verify_printer_signature


@dataclass(frozen=True)
class Succession(Struct):
    """`predecessor` and `successor` are struct hashes of `Enrolment`s, the printers' names on chain.

    Signed by the predecessor's enrolled key in the ledger's domain; no statement of the contract's.
    """

    SOLIDITY: ClassVar[Mapping[str, str]] = {"predecessor": "bytes32", "successor": "bytes32"}

    predecessor: bytes
    successor: bytes


def verify_succession(
    domain: Domain, statement: Succession, key_x: bytes, key_y: bytes, signature: bytes
) -> bool:
    """Tell whether the key at (key_x, key_y), which the caller knows for the predecessor's, signed it.

    The signature is 64 bytes r ‖ s, s in the lower half of the order.
    """
    return verify_printer_signature(digest(domain, statement), key_x, key_y, signature)
