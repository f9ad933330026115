"""The manifest of a revision and its commitment: built once, checked before every use."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from app.designs.custody import Custody
from app.designs.states import RevisionState
from app.designs.stored import file_of
from app.errors import IntegrityBroken
from app.models import Revision
from ledger.commitment import canonical_json, revision_commitment
from ledger.typed_data import Publication
from mesh_tools.inspect import Geometry
from mesh_tools.toolpath_record import Toolpath

FORMAT = "partvault/manifest/v1"


def make_ready(
    revision: Revision, owner: str, custody: Custody, measured: Geometry | Toolpath, salt: bytes
) -> None:
    """Write manifest, commitment and the revision's name on chain into the row, which is ready then."""
    revision.manifest = _build(revision, owner, custody, measured)
    revision.salt = salt
    revision.commitment = revision_commitment(salt, revision.manifest.encode())
    revision.revision_hash = Publication(owner=owner, commitment=revision.commitment).struct_hash()
    revision.state = RevisionState.READY


def figures(measured: Geometry | Toolpath) -> dict[str, Any]:
    """Give what was measured as inspection and manifest name it: a toolpath stands beside a null geometry."""
    if isinstance(measured, Toolpath):
        return {"geometry": None, "toolpath": measured.to_json()}
    return {"geometry": measured.to_json()}


def _build(revision: Revision, owner: str, custody: Custody, measured: Geometry | Toolpath) -> str:
    """Write the manifest as canonical JSON (RFC 8785)."""
    stored, context = file_of(revision)
    content = {
        "format": FORMAT,
        "design": revision.design_id,
        "revision": revision.number,
        "revision_id": revision.id,
        "owner": owner,
        "custody": custody,
        "files": [
            {
                "filename": revision.filename,
                "format": revision.file_format,
                "bytes": stored.plaintext_bytes,
                "sha256": stored.plaintext_sha256.hex(),
                "object": context.to_json(),
            }
        ],
        "recipe": revision.recipe,
        **figures(measured),
    }
    return canonical_json(content).decode()


def require_intact(revision: Revision, owner: str) -> None:
    """Verify that the row still says what its owner published.

    1. The commitment recomputed from manifest and salt is the row's.
    2. The publication of that commitment hashes to the revision on chain.
    3. The manifest's file is the row's file: digest, length and context.

    Raises IntegrityBroken naming what differs.
    """
    if revision.manifest is None or revision.salt is None or revision.commitment is None:
        raise _broken("manifest", f"revision {revision.id} has no manifest")
    # (1) the commitment
    commitment, published = _named(revision.manifest, revision.salt, owner)
    if not hmac.compare_digest(commitment, revision.commitment):
        raise _broken(
            "manifest", f"the manifest of revision {revision.id} is not the one that was committed to"
        )
    # (2) the publication
    if revision.revision_hash is None or not hmac.compare_digest(published, revision.revision_hash):
        raise _broken("commitment", f"the commitment of revision {revision.id} is not the published one")
    # (3) the file
    stored, context = file_of(revision)
    file = _file(revision.manifest)
    found = (stored.plaintext_sha256.hex(), stored.plaintext_bytes, context.to_json())
    if found != (file["sha256"], file["bytes"], file["object"]):
        raise _broken("file", f"the stored file of revision {revision.id} is not the one its manifest names")


@lru_cache(maxsize=512)
def _named(manifest: str, salt: bytes, owner: str) -> tuple[bytes, bytes]:
    """Give a manifest's commitment and the name on chain of its publication; remembered by all of its bytes,
    as every print asks.
    """
    commitment = revision_commitment(salt, manifest.encode())
    return commitment, Publication(owner=owner, commitment=commitment).struct_hash()


@lru_cache(maxsize=512)
def _file(manifest: str) -> Mapping[str, Any]:
    return MappingProxyType(json.loads(manifest)["files"][0])


def _broken(field: str, detail: str) -> IntegrityBroken:
    return IntegrityBroken(
        detail, field=field, remedy="nothing was counted; restore the service's data, then authorise again"
    )
