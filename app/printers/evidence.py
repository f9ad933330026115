"""A device's evidence on its way through the service: challenged, kept, shown; `attestation` judges it."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from app.encodings import to_base64
from app.errors import Invalid
from app.models import Printer
from app.printers import attestation
from app.printers.attestation import EVIDENCE_BYTES_MAX, NONE, Attested
from app.printers.schemas import AttestationBody, AttestationClaim, AttestationView, ChallengeView
from app.printers.tpm2 import challenge
from app.wiring import Services
from ledger.commitment import canonical_json
from ledger.sealing import sealing_statement
from ledger.typed_data import Enrolment, digest

_P256_SUITE = "P-256"


def challenge_for(
    services: Services, printer: Printer, given: AttestationBody | None
) -> ChallengeView | None:
    """Make a challenge to the endorsement key of the evidence; None where there is none to challenge.

    Its secret is a nonce of the service's for this printer and this evidence, so nothing is stored.
    """
    if given is None:
        return None
    _require_small(given)
    found = attestation.endorsement_key(given.evidence)
    if found is None:
        return None
    nonce = services.nonces.give(_subject(printer, given), services.clock.now())
    secret = base64.urlsafe_b64decode(nonce + "=")
    blob, encrypted = challenge(*found, secret, services.entropy)
    return ChallengeView(blob=to_base64(blob), secret=to_base64(encrypted))


def kept(services: Services, printer: Printer, given: AttestationBody | None) -> dict[str, Any] | None:
    """Give what is stored of the evidence: itself, and whether its endorsement key answered the challenge."""
    if given is None:
        return None
    _require_small(given)
    answer = base64.urlsafe_b64encode(binascii.unhexlify(given.activation or "")).decode().rstrip("=")
    until = services.nonces.good_until(answer, _subject(printer, given), services.clock.now())
    return {"evidence": given.evidence, "activated": until is not None}


def is_of_same_device(printer: Printer, given: AttestationBody | None) -> bool:
    """Tell whether evidence is of the device whose evidence is kept; none is where none is kept.

    The signatures in it differ each time, the device's own keys do not.
    """
    held = printer.attestation
    if held is None or given is None:
        return held is None and given is None
    return attestation.subject_of(held["evidence"]) == attestation.subject_of(given.evidence)


def shown(services: Services, printer: Printer, provider: str) -> AttestationView:
    """Judge and show a printer's evidence."""
    held = printer.attestation
    if held is None or printer.key_x is None or printer.key_y is None:
        return AttestationView(format=NONE, complete=False, verified=[], unverified=[])
    about = Attested(
        signing=b"\x04" + printer.key_x + printer.key_y,
        sealing=(printer.sealing_public or b"") if printer.sealing_suite == _P256_SUITE else b"",
        binding=_binding(services, printer, provider),
        activated=held["activated"] is True,
    )
    evidence = held["evidence"]
    authorities = attestation.read_authorities(services.settings.attestation_ca_file)
    claims = attestation.examine(evidence, about, authorities, services.clock.now())
    views = [(claim.holds, AttestationClaim(claim=claim.name, detail=claim.detail)) for claim in claims]
    return AttestationView(
        format=str(evidence.get("format")),
        complete=all(holds for holds, _ in views),
        verified=[view for holds, view in views if holds],
        unverified=[view for holds, view in views if not holds],
        endorsement=attestation.endorsement_of(evidence),
    )


def _binding(services: Services, printer: Printer, provider: str) -> bytes:
    """The digest of the printer's sealing statement, which both keys and the provider enter."""
    enrolment = Enrolment(provider=provider, key_x=printer.key_x or b"", key_y=printer.key_y or b"")
    statement = sealing_statement(enrolment, printer.sealing_suite or "", printer.sealing_public or b"")
    return digest(services.ledger.domain, statement)


def _subject(printer: Printer, given: AttestationBody) -> str:
    return f"attestation/{printer.id}/{attestation.subject_of(given.evidence)}"


def _require_small(given: AttestationBody) -> None:
    size = len(canonical_json(given.evidence))
    if size > EVIDENCE_BYTES_MAX:
        raise Invalid(
            f"the evidence has {size} bytes, more than {EVIDENCE_BYTES_MAX}",
            field="attestation.evidence",
            remedy="leave out the attestation, or what it does not need",
        )
