"""The service's rows about a long history: what the database holds of a hundred thousand prints.

The rows are the ones the service would have written, made in bulk: one design with its stored object, the
licences and prints of `Parties`, each print with the release that was handed over for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import insert, select

from app.custody import wraps
from app.designs.custody import Custody
from app.designs.manifest import make_ready
from app.designs.states import RevisionState
from app.designs.stored import file_of, upload_context
from app.encodings import to_base64, to_hex
from app.licences.states import LicenceState
from app.models import Design, Licence, Organisation, Print, Printer, Release, Revision
from app.printers.states import PrinterState
from app.prints.lifecycle import State
from app.prints.release import released_object
from app.prints.seals import release_info
from app.wiring import Services
from benchmarks.ledger.parties import Parties, secret
from ledger import tables
from ledger.commitment import canonical_json, terms_commitment
from ledger.operations import RecordPrint
from mesh_tools.inspect import Geometry, Inspection
from storage.recipients import sealed_bytes

OWNER_ID, PROVIDER_ID = "org_owner", "org_provider"
_PRINTER, _DESIGN, _REVISION = "prt_1", "dsn_1", "rev_1"
_ROWS_AT_ONCE: Final = 5_000
_SUITE: Final = "X25519"
_TERMS: Final = canonical_json({"material": "PETG", "process": "MEX"})
_TERMS_SALT: Final = secret("salt of the terms")
_NOW: Final = 1_700_000_000
TERMS: Final = terms_commitment(_TERMS_SALT, _TERMS)
_CUBE: Final = Geometry(12, 8, 1, 1, 1000.0, 600.0, ((0.0, 0.0, 0.0), (10.0, 10.0, 10.0)), True)


def upload(services: Services, owner: str, provider: str) -> Revision:
    """Write the parties and a published revision with an object of its own; return the revision."""
    revision = Revision(
        id=_REVISION,
        design_id=_DESIGN,
        organisation_id=OWNER_ID,
        number=1,
        state=RevisionState.DRAFT,
        recipe={"process": "MEX", "material": "PETG", "parameters": {"layer_mm": 0.2}},
        filename="part.stl",
        file_format="stl",
        file_version=1,
        created_at=_NOW,
    )
    context = upload_context(revision, 1)
    stored = services.vault.put(context, [bytes(100_000)], 1 << 20)
    revision.file_object = stored.to_json()
    revision.file_bytes, revision.file_sha256 = stored.plaintext_bytes, stored.plaintext_sha256
    revision.inspection = Inspection(
        "pass", (), _CUBE, "stl", stored.plaintext_sha256, stored.plaintext_bytes, 0.1
    ).to_json()
    make_ready(revision, owner, Custody.SERVICE, _CUBE, secret("salt"))
    revision.state = RevisionState.PUBLISHED
    revision.publish_operation = f"publish:{to_hex(revision.revision_hash or b'')}"
    people = ((OWNER_ID, owner, ["owner"]), (PROVIDER_ID, provider, ["provider"]))
    with services.database.write() as session:
        for id_, address, roles in people:
            session.add(
                Organisation(
                    id=id_, address=address, name=id_, roles=roles, account_type="external", created_at=_NOW
                )
            )
        session.flush()
        session.add(Design(id=_DESIGN, organisation_id=OWNER_ID, name="part", created_at=_NOW))
        session.flush()
        session.add(revision)
        assert stored.wrapped is not None
        wraps.keep(session, services.keys, context, stored.wrapped, _NOW)
        session.flush()
        session.expunge_all()
    return revision


def write(services: Services, revision: Revision, parties: Parties, prints: Sequence[RecordPrint]) -> None:
    """Write printer, licences, prints and releases; the ledger's own tables must hold the receipts."""
    hashes = {licence.struct_hash(): f"lic_{at}" for at, licence in enumerate(parties.licences)}
    with services.database.write() as session:
        connection = session.connection()
        connection.execute(insert(Printer.__table__), [_printer(parties)])  # type: ignore[attr-defined]
        licences = [_licence(parties, at) for at in range(len(parties.licences))]
        connection.execute(insert(Licence.__table__), licences)  # type: ignore[attr-defined]
    statements = {licence.struct_hash(): licence.to_json() for licence in parties.licences}
    for first in range(0, len(prints), _ROWS_AT_ONCE):
        some = prints[first : first + _ROWS_AT_ONCE]
        rows = [_print(at, each, hashes[each.claim.licence]) for at, each in enumerate(some, start=first)]
        with services.database.write() as session:
            connection = session.connection()
            receipts = _receipts(connection, [row["record_operation"] for row in rows])
            given = [
                _release(row, receipts[each.operation_id], revision, parties, statements[each.claim.licence])
                for row, each in zip(rows, some, strict=True)
            ]
            connection.execute(insert(Print.__table__), rows)  # type: ignore[attr-defined]
            connection.execute(insert(Release.__table__), given)  # type: ignore[attr-defined]


def _printer(parties: Parties) -> dict[str, Any]:
    enrolment, possession = parties.enrolment, parties.possession
    public = secret("sealing key")
    return {
        "id": _PRINTER,
        "organisation_id": PROVIDER_ID,
        "name": "printer",
        "machine": {},
        "state": PrinterState.ENROLLED,
        "key_x": enrolment.key_x,
        "key_y": enrolment.key_y,
        "sealing_suite": _SUITE,
        "sealing_public": public,
        "possession_signature": possession,
        "sealing_signature": parties.vouch(_SUITE, public),
        "printer_hash": enrolment.struct_hash(),
        "enrol_operation": f"enrol:{to_hex(enrolment.struct_hash())}",
        "created_at": _NOW,
    }


def _licence(parties: Parties, at: int) -> dict[str, Any]:
    licence = parties.licences[at]
    return {
        "id": f"lic_{at}",
        "owner_id": OWNER_ID,
        "provider_id": PROVIDER_ID,
        "revision_id": _REVISION,
        "state": LicenceState.ACTIVE,
        "licence_hash": licence.struct_hash(),
        "statement": licence.to_json(),
        "printers": [],
        "terms": _TERMS.decode(),
        "terms_salt": _TERMS_SALT,
        "prints": licence.prints,
        "reprints": licence.reprints,
        "starts_at": licence.starts_at,
        "expires_at": licence.expires_at,
        "grant_operation": f"grant:{to_hex(licence.struct_hash())}",
        "created_at": _NOW,
    }


def _print(at: int, operation: RecordPrint, licence: str) -> dict[str, Any]:
    return {
        "id": f"job_{at}",
        "licence_id": licence,
        "printer_id": _PRINTER,
        "owner_id": OWNER_ID,
        "provider_id": PROVIDER_ID,
        "state": State.REDEEMED,
        "sequence": operation.claim.sequence,
        "holds_sequence": True,
        "token_sha256": operation.claim.token,
        "token_expires_at": _NOW + 900,
        "deadline": operation.claim.deadline,
        "redeemed_at": _NOW,
        "record_operation": operation.operation_id,
        "reasons": [],
        "created_at": _NOW,
    }


def _release(
    row: dict[str, Any],
    receipt: dict[str, Any],
    revision: Revision,
    parties: Parties,
    statement: dict[str, Any],
) -> dict[str, Any]:
    release_id = row["id"].replace("job", "rel")
    context, commitment = upload_context(revision, 1), revision.commitment or b""
    info = release_info(release_id, parties.enrolment.struct_hash(), context, commitment)
    body = {
        "release_id": release_id,
        "print_id": row["id"],
        "printer_hash": to_hex(parties.enrolment.struct_hash()),
        "info": info.decode(),
        "object": released_object(release_id, revision, *file_of(revision)).model_dump(mode="json"),
        "sealed_key": {"suite": _SUITE, "blob": to_base64(bytes(sealed_bytes(_SUITE)))},
        "manifest": revision.manifest,
        "salt": to_hex(revision.salt or b""),
        "commitment": to_hex(revision.commitment or b""),
        "licence": statement,
        "receipt": receipt,
    }
    return {
        "id": release_id,
        "print_id": row["id"],
        "printer_id": _PRINTER,
        "revision_id": _REVISION,
        "body": canonical_json(body),
        "created_at": _NOW,
    }


def _receipts(connection: Any, operations: Sequence[str]) -> dict[str, dict[str, Any]]:
    column = tables.operations.c
    chosen = select(tables.operations).where(column.operation_id.in_(operations))
    return {row["operation_id"]: dict(_receipt(row)) for row in connection.execute(chosen).mappings()}


def _receipt(row: Any) -> Iterator[tuple[str, Any]]:
    yield "transaction", to_hex(row["tx_hash"])
    yield "block_number", row["block_number"]
    yield "block_hash", to_hex(row["block_hash"])
    yield "block_time", row["block_time"]
    yield "log_index", row["log_index"]
