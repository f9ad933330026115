"""What an owner keeps who holds the keys of its designs itself: nobody else can bring it back.

In the owner's folder (0700), each file 0600 and on the disk before it is relied upon:

- `keyring.json`, the key back end unless PARTVAULT_OWNER_KEYS names another;
- `keys/REVISION.VERSION.json`, one for every ciphertext, written before its first byte is sent: the wrapped
  data key, and what the ciphertext holds. None is ever replaced by another or removed;
- `uploads/….json`, one for every upload that has not come to its end, so that it can be repeated.
"""

from __future__ import annotations

import hashlib
import json
import re
import resource
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from app.cli.failures import CliError, Exit
from app.client_settings import ClientSettings
from ledger.commitment import canonical_json
from storage.durable import make_directory, replace_file, sync_directory
from storage.envelope import ObjectContext
from storage.errors import StorageError
from storage.keys import KeyBackend, WrappedKey, open_keys
from storage.secret import DataKey

_KEY_FORMAT = "partvault/owner-key/v1"
_ID = re.compile(r"[A-Za-z0-9_]+")
_UPLOAD_FORMAT = "partvault/owner-upload/v1"


@dataclass(frozen=True)
class Holding:
    """One ciphertext of an owner's: its wrapped key and what it holds.

    expected: what the revision's manifest must say of it
    ciphertext_sha256: hex, once the service has it whole; None of an upload that did not end
    """

    design_id: str
    context: ObjectContext
    wrapped: WrappedKey
    expected: Mapping[str, Any]
    ciphertext_sha256: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON; without the key back end it opens nothing."""
        return {
            "format": _KEY_FORMAT,
            "design": self.design_id,
            "context": self.context.to_json(),
            "wrapped": self.wrapped.to_json(),
            "expected": dict(self.expected),
            "ciphertext_sha256": self.ciphertext_sha256,
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `to_json` wrote; CliError where it is damaged."""
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["format"] != _KEY_FORMAT:
                raise ValueError(value["format"])
            return cls(
                design_id=str(value["design"]),
                context=ObjectContext.from_json(value["context"]),
                wrapped=WrappedKey.from_json(value["wrapped"]),
                expected=dict(value["expected"]),
                ciphertext_sha256=value["ciphertext_sha256"],
            )
        except (KeyError, TypeError, ValueError, StorageError) as error:
            raise _damaged(path, error) from None


@dataclass(frozen=True)
class PendingUpload:
    """An upload under way: `seed` makes its requests repeatable, `revision_id` is the version it is for."""

    path: Path
    seed: str
    revision_id: str | None = None


class OwnerVault:
    """The owner's folder and the key back end that wraps its data keys."""

    def __init__(self, folder: Path, keys: KeyBackend) -> None:
        self._folder = folder
        self._keys = keys

    @classmethod
    def open(cls, settings: ClientSettings) -> OwnerVault:
        """Open the folder, which is made where it is missing; raises what the key back end raises.

        Keys pass through this process from here on, so it leaves no core dump.
        """
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        make_directory(settings.owner_dir)
        if settings.owner_dir.stat().st_mode & 0o077:
            raise CliError(
                "loose_permissions",
                f"others may read {settings.owner_dir}, where the keys of your designs are kept",
                f"chmod 700 {settings.owner_dir}",
                exit_code=Exit.UNUSABLE,
            )
        return cls(settings.owner_dir, open_keys(settings.owner_keys_location))

    def holding(self, context: ObjectContext) -> Holding | None:
        """Give what is kept of a ciphertext, None where this folder knows nothing of it."""
        path = self._path(context)
        if not path.exists():
            return None
        found = Holding.read(path)
        if found.context != context:
            raise _damaged(path, ValueError("it is another object's"))
        return found

    def holding_of(self, revision: Mapping[str, Any]) -> Holding:
        """Give what is kept of the ciphertext that a revision's manifest names.

        Raises CliError where its key is not here, or the ciphertext made with it never arrived.
        """
        context = ObjectContext.from_json(json.loads(revision["manifest"])["files"][0]["object"])
        found = self.holding(context)
        if found is None or found.ciphertext_sha256 is None:
            raise CliError(
                "no_owner_key",
                f"{self._folder} holds no key of revision {revision['id']}, version {context.version}",
                "use the owner's folder of the machine that uploaded it (PARTVAULT_OWNER_DIR), or its backup",
                exit_code=Exit.UNUSABLE,
            )
        return found

    def free_version(self, context: ObjectContext) -> ObjectContext:
        """Give the context with the lowest version from its own on that no key here was made for."""
        while self._path(context).exists():
            context = replace(context, version=context.version + 1)
        return context

    def new_key(
        self, design_id: str, context: ObjectContext, expected: Mapping[str, Any]
    ) -> tuple[DataKey, Holding]:
        """Make the data key of a new ciphertext; its wrap is on the disk, and opens, when this returns.

        The caller wipes the key. Raises CliError where another process made a key for the same context.
        """
        key, wrapped = self._keys.generate(context)
        holding = Holding(design_id, context, wrapped, expected)
        try:
            with self.data_key(holding) as opened:
                self._require_same_key(key, opened)
            self._create(self._path(context), holding.to_json())
        except BaseException:
            key.wipe()
            raise
        return key, holding

    def arrived(self, holding: Holding, ciphertext_sha256: str) -> Holding:
        """Note that the service has the ciphertext whole."""
        kept = replace(holding, ciphertext_sha256=ciphertext_sha256)
        replace_file(self._path(holding.context), _encode(kept.to_json()))
        return kept

    def data_key(self, holding: Holding) -> DataKey:
        """Open the data key; the caller wipes it. Raises what the key back end raises."""
        return self._keys.unwrap(holding.wrapped, holding.context)

    def pending(self, intent: Mapping[str, Any]) -> PendingUpload:
        """Take up the upload that was begun with this intent, or note that it begins."""
        name = hashlib.sha256(canonical_json(dict(intent))).hexdigest()
        path = self._folder / "uploads" / f"{name}.json"
        if path.exists():
            try:
                value = json.loads(path.read_text(encoding="utf-8"))
                return PendingUpload(path, str(value["seed"]), value["revision_id"])
            except (KeyError, TypeError, ValueError) as error:
                raise _damaged(path, error) from None
        return self._note(PendingUpload(path, secrets.token_hex(16)))

    def begun(self, upload: PendingUpload, revision_id: str) -> PendingUpload:
        """Note the version that an upload is for."""
        return self._note(replace(upload, revision_id=revision_id))

    def ended(self, upload: PendingUpload) -> None:
        """Forget an upload that has come to its end; the same command begins another one then."""
        upload.path.unlink(missing_ok=True)
        sync_directory(upload.path.parent)

    def _note(self, upload: PendingUpload) -> PendingUpload:
        make_directory(upload.path.parent)
        value = {"format": _UPLOAD_FORMAT, "seed": upload.seed, "revision_id": upload.revision_id}
        replace_file(upload.path, _encode(value))
        return upload

    def _path(self, context: ObjectContext) -> Path:
        return self._folder / "keys" / f"{_plain(context.object_id)}.{context.version}.json"

    def _require_same_key(self, made: DataKey, opened: DataKey) -> None:
        if made != opened:
            raise CliError(
                "owner_keys",
                f"the key back end {self._keys.uri} gives another key back than it made",
                "nothing was sent; see to the key back end first",
                exit_code=Exit.UNUSABLE,
            )

    def _create(self, path: Path, value: Mapping[str, Any]) -> None:
        """Write a file that must be new: whole and on the disk under a name of its own, then linked."""
        make_directory(path.parent)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        replace_file(draft, _encode(value))
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            raise CliError(
                "key_exists",
                f"{path} is there already: another upload of this version is under way",
                "let that one end, then repeat the command",
                exit_code=Exit.UNUSABLE,
            ) from None
        finally:
            draft.unlink()
        sync_directory(path.parent)


def holds_design(folder: Path, design_id: str) -> bool:
    """Tell whether an owner's folder has the key of any ciphertext of a design."""
    return any(Holding.read(path).design_id == design_id for path in (folder / "keys").glob("*.json"))


def holds_revision(folder: Path, revision_id: str) -> bool:
    """Tell whether an owner's folder has the key of any ciphertext of a revision."""
    return any((folder / "keys").glob(f"{_plain(revision_id)}.*.json"))


def _plain(revision_id: str) -> str:
    """Give the id back if it can stand in a file's name; the service may have made it up."""
    if not _ID.fullmatch(revision_id):
        raise CliError(
            "proposal_differs", f"{revision_id!r} is no id of a revision", "do not trust this service"
        )
    return revision_id


def _encode(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _damaged(path: Path, error: Exception) -> CliError:
    return CliError(
        "owner_folder",
        f"{path} cannot be read: {error!r}",
        "restore it from your backup",
        exit_code=Exit.UNUSABLE,
    )
