"""The upload of a version whose key its owner holds: inspected and encrypted here, where the service cannot
look.

Whatever ends it, the same command can be repeated and goes on where it stood: the key of everything that was
sent is on this machine's disk before the first byte leaves it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.connection import Connection
from app.cli.failures import CliError, usage
from app.cli.owner_vault import Holding, OwnerVault, PendingUpload, holds_design, holds_revision
from app.cli.print_files import read_blocks
from app.cli.progress import transfer, waiting
from app.cli.statements import require_manifest
from app.cli.upload import Part
from app.client_settings import ClientSettings
from storage.envelope import ObjectContext
from storage.secret import DataKey
from storage.stream import ciphertext_length, encrypt

if TYPE_CHECKING:
    from mesh_tools.inspect import Inspection
    from mesh_tools.sandbox import Sandbox

_PIECE = 1 << 20
CUSTODY = "owner"


@dataclass
class _Passage:
    """A file as it is encrypted: both digests, once it is through."""

    plain: Any = field(default_factory=hashlib.sha256)
    sealed: Any = field(default_factory=hashlib.sha256)

    def pieces(
        self, file: Path, key: DataKey, context: ObjectContext, moved: Callable[[int], None]
    ) -> Iterator[bytes]:
        """Read, hash, encrypt and hash again, a piece at a time."""
        for view in encrypt(self._read(file, moved), key, context):
            piece = bytes(view)
            self.sealed.update(piece)
            yield piece

    def _read(self, file: Path, moved: Callable[[int], None]) -> Iterator[bytes]:
        with file.open("rb") as stream:
            while piece := stream.read(_PIECE):
                self.plain.update(piece)
                moved(len(piece))
                yield piece


class SealedUpload:
    """Steps of one upload; `expected` is what the manifest must say, once `send` is done."""

    def __init__(self, connection: Connection, vault: OwnerVault, sandbox: Sandbox, *, quiet: bool) -> None:
        self._connection = connection
        self._client = connection.client
        self._vault = vault
        self._sandbox = sandbox
        self._quiet = quiet
        self._pending: PendingUpload | None = None
        self.expected: Mapping[str, Any] = {}

    def send(self, part: Part) -> dict[str, Any]:
        """Bring a version to `ready`, or find it so from an earlier attempt.

        1. The organisation keeps its own account.
        2. The gate, in this machine's sandbox, passes the file.
        3. An earlier attempt of this command is taken up; else design and draft are made.
        4. A data key is made, wrapped by the owner's key back end, and on the disk.
        5. The file is encrypted as it flows; what arrived is what was sent.
        6. It is declared; the manifest that the service makes says what was declared.
        """
        # (1) the account
        self._require_own_account()
        # (2) the gate
        seen = self._inspected(part)
        # (3) the draft
        revision = self._taken_up(part, seen)
        if revision["state"] == "draft":
            # (4), (5) the ciphertext
            holding = self._sent(revision, part, seen)
            # (6) the declaration
            revision = self._declared(revision, holding, seen)
        self.expected = self._agreed(revision, part, seen)
        return revision

    def ended(self) -> None:
        """Let the same command begin a new upload from now on."""
        if self._pending is not None:
            self._vault.ended(self._pending)

    def _require_own_account(self) -> None:
        if self._connection.account() is None:
            raise CliError(
                "managed_account",
                "the service keeps your account, so it could license what it must not open",
                "have an organisation with an own account made: partvault org create --account own",
            )

    def _inspected(self, part: Part) -> Inspection:
        """(2) the same gate as the service's, on the file at hand."""
        from app.designs.recipe import gate_policy

        policy = gate_policy(part.recipe)
        label = f"inspecting {part.file.name}"
        with waiting(label, quiet=self._quiet):
            blocks = read_blocks(part.file)
            seen = self._sandbox.inspect(blocks, filename=part.file.name, policy=policy, pictures=False)
        if seen.verdict != "pass":
            reasons = [{"code": row.code, "message": f"{row.code}: {row.message}"} for row in seen.reasons]
            raise CliError(
                "gate_refused",
                f"the gate refused {part.file}; nothing was sent",
                "repair the file as advised, then repeat the command",
                reasons=reasons,
            )
        return seen

    def _taken_up(self, part: Part, seen: Inspection) -> dict[str, Any]:
        """(3) the version an earlier attempt made, or a new draft; repeating makes nothing twice."""
        intent = {
            "organisation": self._connection.me()["id"],
            "design": part.design_id or part.name,
            "filename": part.file.name,
            "sha256": seen.sha256.hex(),
            "recipe": dict(part.recipe),
        }
        pending = self._vault.pending(intent)
        if pending.revision_id is None:
            pending = self._vault.begun(pending, self._made(part, pending.seed))
        self._pending = pending
        return self._draft(pending)

    def _draft(self, pending: PendingUpload) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._client.get(f"/v1/revisions/{pending.revision_id}")
        except CliError as error:
            if error.kind == "not-found":
                self._vault.ended(pending)
                error.remedy = "that attempt is forgotten now; repeat the command to upload it anew"
            raise
        if found["id"] != pending.revision_id:
            raise _differs(f"{found['id']} is shown, asked for was {pending.revision_id}")
        return found

    def _made(self, part: Part, seed: str) -> str:
        design_id = part.design_id
        if design_id is None:
            body = {"name": part.name, "custody": CUSTODY}
            design_id = self._client.post("/v1/designs", body, key=f"{seed}-design")["id"]
        elif self._client.get(f"/v1/designs/{design_id}")["custody"] != CUSTODY:
            raise usage(
                f"design {design_id} was made with custody service, which stays",
                "leave --custody out, or make a new design",
            )
        path = f"/v1/designs/{design_id}/revisions"
        made: str = self._client.post(path, {"recipe": dict(part.recipe)}, key=f"{seed}-revision")["id"]
        return made

    def _sent(self, revision: Mapping[str, Any], part: Part, seen: Inspection) -> Holding:
        """(4), (5) the ciphertext that is there already and whose key is here, or a new one."""
        there = revision.get("ciphertext")
        if there:
            holding = self._vault.holding(ObjectContext.from_json(there["context"]))
            if holding is not None and holding.ciphertext_sha256 == there["sha256"]:
                return holding
        context = self._vault.free_version(self._context(revision))
        expected = {
            "revision_id": revision["id"],
            "custody": CUSTODY,
            "filename": part.file.name,
            "bytes": seen.bytes,
            "sha256": seen.sha256.hex(),
            "object": context.to_json(),
        }
        key, holding = self._vault.new_key(revision["design_id"], context, expected)
        with key:
            passage = self._put(revision, part.file, key, context, seen.bytes)
        if passage.plain.digest() != seen.sha256:
            raise CliError(
                "file_changed",
                f"{part.file} is not the file any more that was inspected",
                "repeat the command when nothing writes to it",
            )
        return self._vault.arrived(holding, passage.sealed.hexdigest())

    def _context(self, revision: Mapping[str, Any]) -> ObjectContext:
        """Read what to encrypt for, which nobody but the owner of the revision may be named in."""
        context = ObjectContext.from_json(revision["upload_context"])
        mine = (self._connection.me()["id"], revision["id"], "file")
        if (context.tenant, context.object_id, context.kind) != mine:
            raise _differs(f"the ciphertext is to be bound to {context}, not to {' '.join(mine)}")
        return context

    def _put(
        self, revision: Mapping[str, Any], file: Path, key: DataKey, context: ObjectContext, size: int
    ) -> _Passage:
        """(5) encrypt and send; CliError unless what arrived is what was sent."""
        passage, sealed_bytes = _Passage(), ciphertext_length(size)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(sealed_bytes)}
        path, version = f"/v1/revisions/{revision['id']}/ciphertext", str(context.version)
        with transfer(f"encrypting and uploading {file.name}", size, quiet=self._quiet) as moved:
            pieces = passage.pieces(file, key, context, moved)
            answer = self._client.put_file(path, pieces, headers, version=version)
        sent = {"sha256": passage.sealed.hexdigest(), "bytes": sealed_bytes, "context": context.to_json()}
        if answer.get("ciphertext") != sent:
            raise _differs(f"{answer.get('ciphertext')} is said to have arrived, sent was {sent}")
        return passage

    def _declared(self, revision: Mapping[str, Any], holding: Holding, seen: Inspection) -> dict[str, Any]:
        """(6) what the ciphertext holds, and what the gate found in it."""
        found = seen.to_json()
        body = {
            "filename": holding.expected["filename"],
            "format": seen.format,
            "plaintext_sha256": seen.sha256.hex(),
            "plaintext_bytes": seen.bytes,
            "ciphertext_sha256": holding.ciphertext_sha256,
            "inspection": {"verdict": seen.verdict, "findings": found["findings"], **_measured(found)},
        }
        answer: dict[str, Any] = self._client.post(f"/v1/revisions/{revision['id']}/declaration", body)
        return answer

    def _agreed(self, revision: Mapping[str, Any], part: Part, seen: Inspection) -> dict[str, Any]:
        """(6) the manifest names what was sent, found and asked for, and the key of it is here."""
        found = {"format": seen.format, "toolpath": None, **_measured(seen.to_json())}
        expected = {**self._vault.holding_of(revision).expected, **found, "recipe": dict(part.recipe)}
        require_manifest(revision, expected)
        return expected


def _measured(found: Mapping[str, Any]) -> dict[str, Any]:
    """A part's geometry; or null, and the toolpath's figures."""
    return {name: found[name] for name in ("geometry", "toolpath") if name in found}


def custody_for(settings: ClientSettings, asked: str | None, design_id: str | None) -> str:
    """Give the custody of an upload: as asked, but never the service's for a design whose keys are here.

    What the service says of the design does not count: it would be sent the file.
    """
    held = design_id is not None and holds_design(settings.owner_dir, design_id)
    if held and asked not in {None, CUSTODY}:
        raise usage(
            f"the keys of design {design_id} are yours ({settings.owner_dir}); the service is not to see it",
            "leave --custody out, or upload it as another design",
        )
    return CUSTODY if held else asked or "service"


def expectation(settings: ClientSettings, revision_id: str, shown: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what a manifest must say: that it is this revision's, and what was sent where its key is here."""
    if holds_revision(settings.owner_dir, revision_id) and shown.get("manifest"):
        return OwnerVault.open(settings).holding_of(shown).expected
    return {"revision_id": revision_id}


def _differs(sentence: str) -> CliError:
    return CliError("proposal_differs", sentence, "do not publish it before you know why")
