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
from app.designs.schemas import DeclarationRequest, DeclaredInspection
from app.designs.states import RevisionState
from app.designs.stored import file_of
from app.designs.upload import require_draft, require_filename
from app.errors import DigestMismatch, Invalid
from app.models import Organisation, Revision
from app.wiring import Services
from mesh_tools.findings import Finding, Geometry, finding
from mesh_tools.gate import Policy, fit
from mesh_tools.toolpath.judge import within
from mesh_tools.toolpath_record import Toolpath
from storage.vault import StoredObject

_SEND_CHECK = "send what `partvault mesh check --json` gives"
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
    measured: Geometry | Toolpath

    @classmethod
    def read(cls, body: DeclarationRequest) -> Declared:
        """Read a request; Invalid names the field at fault."""
        findings = tuple(_finding(row, at) for at, row in enumerate(body.inspection.findings))
        refusing = [found.code for found in findings if found.severity == "refuse"]
        if body.inspection.verdict != "pass" or refusing:
            raise Invalid(
                f"the gate did not pass the file: {', '.join(refusing) or body.inspection.verdict}",
                field="inspection.verdict",
                remedy="repair the file, inspect it again, and upload what passes",
            )
        return cls(
            filename=require_filename(body.filename),
            format=body.format,
            sha256=bytes.fromhex(body.plaintext_sha256),
            length=body.plaintext_bytes,
            ciphertext_sha256=bytes.fromhex(body.ciphertext_sha256),
            findings=findings,
            measured=_measured(body.inspection),
        )

    def document(self) -> dict[str, Any]:
        """Give the inspection as the revision keeps it, marked as its owner's."""
        return {
            "verdict": "pass",
            "findings": [found.to_json() for found in self.findings],
            **manifest.figures(self.measured),
            "format": self.format,
            "sha256": self.sha256.hex(),
            "bytes": self.length,
            "declared_by": "owner",
        }


def declare(services: Services, principal: Principal, revision_id: str, body: DeclarationRequest) -> None:
    """Take an owner's declaration; the revision is ready afterwards.

    1. The design's owner holds the key, and it is alive; a repeat of what was declared changes nothing.
    2. The ciphertext that arrived is the one declared: digest, and the length of such a file.
    3. The declared part or toolpath fits what the recipe says.
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
        _require_fit(row, declared.measured)
        # (4) manifest and commitment
        row.filename, row.file_format = declared.filename, declared.format
        row.file_bytes, row.file_sha256 = declared.length, declared.sha256
        row.file_object = replace(stored, plaintext_sha256=declared.sha256).to_json()
        row.inspection = declared.document()
        owner = address_of(session.get_one(Organisation, row.organisation_id))
        manifest.make_ready(row, owner, Custody.OWNER, declared.measured, services.entropy(32))
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


def _require_fit(row: Revision, measured: Geometry | Toolpath) -> None:
    """(3) the gate's own rules about measures; the unit was known where the file was inspected."""
    field = "geometry" if isinstance(measured, Geometry) else "toolpath"
    against = _against(measured, gate_policy(row.recipe))
    refusing = [found.message for found in against if found.severity == "refuse"]
    if refusing:
        raise Invalid(
            f"the declared measures do not fit the recipe: {' '.join(refusing)}",
            field=f"inspection.{field}",
            remedy="inspect the file by the recipe it is uploaded with",
        )


def _against(measured: Geometry | Toolpath, policy: Policy) -> tuple[Finding, ...]:
    if isinstance(measured, Geometry):
        return fit(measured, policy, unit_known=True)
    if policy.machine is None:
        return (finding("toolpath.no_machine", "The recipe does not say which machine is to run it."),)
    return within(measured, policy.machine, policy.build_volume_mm)


def _finding(row: dict[str, Any], at: int) -> Finding:
    try:
        return Finding.from_json(row)
    except ValueError as error:
        raise _malformed(f"inspection.findings.{at}", error) from None


def _measured(said: DeclaredInspection) -> Geometry | Toolpath:
    """What the file holds: a part or a toolpath, not both and not neither."""
    if (said.geometry is None) == (said.toolpath is None):
        raise Invalid(
            "a part has geometry, a toolpath has toolpath, and this has both or neither",
            field="inspection.geometry",
            remedy=_SEND_CHECK,
        )
    return _toolpath(said.toolpath) if said.geometry is None else _geometry(said.geometry)


def _toolpath(value: object) -> Toolpath:
    try:
        toolpath = Toolpath.from_json(value)
    except ValueError as error:
        raise _malformed("inspection.toolpath", error) from None
    ordered = all(low.value <= high.value for low, high in zip(toolpath.low, toolpath.high, strict=True))
    if toolpath.moves < 1 or toolpath.layers < 1 or not ordered:
        raise Invalid(
            "a toolpath has moves, layers, and a lowest and a highest place on every axis",
            field="inspection.toolpath",
            remedy=_SEND_CHECK,
        )
    return toolpath


def _geometry(value: dict[str, Any]) -> Geometry:
    try:
        geometry = Geometry.from_json(value)
    except ValueError as error:
        raise _malformed("inspection.geometry", error) from None
    if geometry.facets < 1 or not geometry.volume_mm3 > 0 or not all(side > 0 for side in geometry.size_mm):
        raise Invalid(
            "a part has facets, a volume above zero and a length, width and height above zero",
            field="inspection.geometry",
            remedy=_SEND_CHECK,
        )
    return geometry


def _malformed(field: str, error: ValueError) -> Invalid:
    return Invalid(
        f"{field} cannot be read: {error}",
        field=field,
        remedy=_SEND_CHECK,
    )
