"""What an owner's seal is bound to: one licence, one printer, one object, one commitment.

Pure, so that the owner's command computes it without the service (docs/formats/sealed-key.md, "Grant info").
"""

from __future__ import annotations

from ledger.commitment import canonical_json
from storage.envelope import ObjectContext

FORMAT = "partvault/grant/v1"


def grant_info(licence: bytes, printer: bytes, context: ObjectContext, commitment: bytes) -> bytes:
    """Give the HPKE info string of a data key sealed by its owner: canonical JSON (RFC 8785).

    `licence` and `printer` are the names on chain, `commitment` the revision's; 32 bytes each.
    """
    return canonical_json(
        {
            "format": FORMAT,
            "licence": "0x" + licence.hex(),
            "printer": "0x" + printer.hex(),
            "object": context.to_json(),
            "commitment": "0x" + commitment.hex(),
        }
    )
