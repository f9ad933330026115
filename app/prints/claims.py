"""The claim that redeems a print: it is the issued one, its printer signed it, and so it goes on record."""

from __future__ import annotations

from app.errors import Invalid, InvalidSignature
from app.models import Printer
from ledger.operations import RecordPrint
from ledger.typed_data import Domain, PrintClaim, digest, printer_proof, verify_printer_signature


def require_issued(claim: PrintClaim, issued: PrintClaim) -> None:
    """(3) field by field, so that the answer names the one at fault."""
    given, expected = claim.to_json(), issued.to_json()
    for name, value in expected.items():
        if given[name] != value:
            raise Invalid(
                f"the claim's {name} is not the one that was issued",
                field=f"claim.{name}",
                remedy="sign the claim that GET /v1/prints/claim gives",
            )


def require_signed(domain: Domain, printer: Printer, claim: PrintClaim, signature: bytes) -> None:
    """(4) the enrolled key's signature over the claim."""
    signed = digest(domain, claim)
    key_x, key_y = printer.key_x or b"", printer.key_y or b""
    if not verify_printer_signature(signed, key_x, key_y, signature):
        raise InvalidSignature(
            "the signature is not by the printer's enrolled key over this claim",
            field="signature",
            remedy="sign the claim's EIP-712 digest with the enrolled key, s in the lower half of the order",
        )


def record_of(printer: Printer, claim: PrintClaim, signature: bytes, hashes: list[bytes]) -> RecordPrint:
    """Give the operation that records the claim; `hashes` are the printers that the licence lists."""
    proof = printer_proof(hashes, printer.printer_hash or b"") if hashes else []
    return RecordPrint(
        claim=claim,
        key_x=printer.key_x or b"",
        key_y=printer.key_y or b"",
        signature=signature,
        proof=tuple(proof),
    )
