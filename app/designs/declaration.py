"""The declaration: an owner who keeps its key says what the ciphertext it uploaded holds.

The service cannot look. It holds the declaration against what arrived and against the recipe; the rest is the
owner's word, until the printer's own gate has seen the file.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import Any

from app.accounts.signing import address_of
from app.auth.principals import Principal
from app.designs import manifest, queries
from app.designs.custody import Custody, require_custody
from app.designs.living import require_living
from app.designs.recipe import gate_policy
from app.designs.schemas import DeclarationRequest
from app.designs.states import RevisionState
from app.designs.stored import file_of
from app.designs.upload import require_draft, require_filename
from app.errors import DigestMismatch, Invalid
from app.models import Organisation, Revision
from app.wiring import Services
from mesh_tools.gate import fit
from mesh_tools.inspect import Finding, Geometry
from storage.vault import StoredObject

_UNDECLARED = {RevisionState.DRAFT, RevisionState.REFUSED, RevisionState.INSPECTING}


@dataclass(frozen=True)
class Declared:
    """A declaration that agrees with itself; digests are SHA-256, length in bytes."""

    filename: str
    format: str
    length: int
    sha256: bytes
    ciphertext_sha256: bytes
    findings: tuple[Finding, ...]
    geometry: Geometry

    @classmethod
    def read(cls, body: DeclarationRequest) -> Declared:
        """Read a request; Invalid names the field at fault."""
        findings = tuple(_finding(row, at) for at, row in enumerate(body.inspection.findings))
        refusing = [found.code for found in findings if found.severity == "refuse"]
        if body.inspection.verdict != "pass" or refusing:
            raise Invalid(
                f"the gate did not pass the file: {', '.join(refusing) or body.inspection.verdict}",
                field="inspection.verdict",
                remedy="repair the mesh, inspect it again, and upload what passes",
            )
        return cls(
            filename=require_filename(body.filename),
            format=body.format,
            sha256=bytes.fromhex(body.plaintext_sha256),
            length=body.plaintext_bytes,
            ciphertext_sha256=bytes.fromhex(body.ciphertext_sha256),
            findings=findings,
            geometry=_geometry(body.inspection.geometry),
        )

    def document(self) -> dict[str, Any]:
        """Give the inspection as the revision keeps it, marked as its owner's."""
        return {
            "verdict": "pass",
            "findings": [found.to_json() for found in self.findings],
            "geometry": self.geometry.to_json(),
            "format": self.format,
            "sha256": self.sha256.hex(),
            "bytes": self.length,
            "declared_by": "owner",
        }


def declare(services: Services, principal: Principal, revision_id: str, body: DeclarationRequest) -> None:
    """Take an owner's declaration; the revision is ready afterwards.

    1. The design's owner holds the key, and it is alive; a repeat of what was declared changes nothing.
    2. The ciphertext that arrived is the one declared: digest, and the length of such a file.
    3. The declared part fits what the recipe says.
    4. Manifest and commitment are made as for any other revision.

    Raises Conflict, Invalid or DigestMismatch naming the field; then nothing has changed.
    """
    declared = Declared.read(body)
    with services.database.write() as session:
        row = queries.revision(session, principal, revision_id)
        # (1) whose key, and whether it was said before
        require_custody(session, row, Custody.OWNER)
        if _said_before(row, declared):
            return
        require_living(session, row.design_id)
        require_draft(row)
        # (2) what arrived
        stored, _ = file_of(row)
        _require_arrived(stored, declared)
        # (3) the recipe
        _require_fit(row, declared.geometry)
        # (4) manifest and commitment
        row.filename, row.file_format = declared.filename, declared.format
        row.file_bytes, row.file_sha256 = declared.length, declared.sha256
        row.file_object = replace(stored, plaintext_sha256=declared.sha256).to_json()
        row.inspection = declared.document()
        owner = address_of(session.get_one(Organisation, row.organisation_id))
        manifest.make_ready(row, owner, Custody.OWNER, declared.geometry.to_json(), services.entropy(32))
        session.add(row)
    services.metrics.inspections.labels("declared").inc()


def _said_before(row: Revision, declared: Declared) -> bool:
    if row.state in _UNDECLARED:
        return False
    same_file = (row.filename, row.inspection) == (declared.filename, declared.document())
    return same_file and file_of(row)[0].ciphertext_sha256 == declared.ciphertext_sha256


def _require_arrived(stored: StoredObject, declared: Declared) -> None:
    """(2) the digest of what arrived, and the length of its plaintext."""
    if not hmac.compare_digest(stored.ciphertext_sha256, declared.ciphertext_sha256):
        raise DigestMismatch(
            f"the ciphertext that arrived has the SHA-256 {stored.ciphertext_sha256.hex()},"
            f" declared was {declared.ciphertext_sha256.hex()}",
            field="ciphertext_sha256",
            remedy="upload it again: the revision is still a draft",
        )
    if declared.length != stored.plaintext_bytes:
        raise Invalid(
            f"a ciphertext of {stored.ciphertext_bytes} bytes holds {stored.plaintext_bytes} bytes,"
            f" declared were {declared.length}",
            field="plaintext_bytes",
            remedy="declare the file that was encrypted",
        )


def _require_fit(row: Revision, geometry: Geometry) -> None:
    """(3) the gate's own rules about measures; the unit was known where the file was inspected."""
    against = fit(geometry, gate_policy(row.recipe), unit_known=True)
    refusing = [found.message for found in against if found.severity == "refuse"]
    if refusing:
        raise Invalid(
            f"the declared measures do not fit the recipe: {' '.join(refusing)}",
            field="inspection.geometry",
            remedy="inspect the file by the recipe it is uploaded with",
        )


def _finding(row: dict[str, Any], at: int) -> Finding:
    try:
        return Finding.from_json(row)
    except ValueError as error:
        raise _malformed(f"inspection.findings.{at}", error) from None


def _geometry(value: dict[str, Any]) -> Geometry:
    try:
        geometry = Geometry.from_json(value)
    except ValueError as error:
        raise _malformed("inspection.geometry", error) from None
    if geometry.facets < 1 or not geometry.volume_mm3 > 0 or not all(side > 0 for side in geometry.size_mm):
        raise Invalid(
            "a part has facets, a volume above zero and a length, width and height above zero",
            field="inspection.geometry",
            remedy="send the geometry that `partvault mesh check --json` gives",
        )
    return geometry


def _malformed(field: str, error: ValueError) -> Invalid:
    return Invalid(
        f"{field} cannot be read: {error}",
        field=field,
        remedy="send what `partvault mesh check --json` gives",
    )
