"""An account the organisation keeps itself: a key file, and signatures made here and nowhere else.

Before it signs, the command rebuilds the statement from what its user asked for and holds the service's
proposal against it, field by field: a service that lies gets no signature.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from app.cli.failures import CliError, Exit
from ledger.errors import LedgerError
from ledger.signer import AccountKey
from ledger.typed_data import Domain, Statement, Struct, digest

_FORMAT = "partvault/account/v1"


class Account:
    """A loaded key file: signs for the ledger it was first used with, and for no other."""

    def __init__(self, path: Path, key: AccountKey, domain: Domain | None) -> None:
        self._path = path
        self._key = key
        self._domain = domain

    @classmethod
    def create(cls, path: Path) -> Account:
        """Make a key and its file, mode 0600; a file that is there is never replaced."""
        account = cls(path, AccountKey.generate(), None)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            raise _unusable("account_exists", f"{path} is there already", "name another file") from None
        account._write(descriptor)
        return account

    @classmethod
    def load(cls, path: Path) -> Account:
        """Read a key file; CliError where it is missing, damaged, or others may read it."""
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            content = json.loads(path.read_text(encoding="utf-8"))
            if mode & 0o077:
                raise _unusable("loose_permissions", f"{path} has mode {mode:04o}", f"chmod 600 {path}")
            if content["format"] != _FORMAT:
                raise ValueError(content["format"])
            key = AccountKey.from_bytes(bytes.fromhex(content["private_key"].removeprefix("0x")))
            domain = content.get("domain")
            return cls(path, key, Domain(**domain) if domain else None)
        except OSError as error:
            raise _unusable(
                "account_file", f"{path} cannot be read: {error.strerror}", "check the path"
            ) from None
        except (KeyError, TypeError, ValueError, AttributeError, LedgerError):
            raise _unusable(
                "account_file", f"{path} is no account file", "restore it from a backup"
            ) from None

    @property
    def address(self) -> str:
        """The account's EIP-55 address."""
        return self._key.address

    def sign(self, domain: Domain, statement: Statement) -> str:
        """Sign a statement this program built itself; 0x-hex of r ‖ s ‖ v.

        The first signature pins the ledger; a later one for another ledger is refused.
        """
        self.require_ledger(domain)
        return "0x" + self._key.sign(digest(domain, statement)).hex()

    def require_ledger(self, domain: Domain) -> None:
        """Raise CliError unless this is the pinned ledger; the first one asked about is pinned."""
        if self._domain is None:
            self._domain = domain
            self._replace()
        if self._domain != domain:
            pinned = f"{self._domain.contract} on chain {self._domain.chain_id}"
            raise _unusable(
                "other_ledger",
                f"this account signs for {pinned}, not for {domain.contract} on chain {domain.chain_id}",
                "if the ledger really moved, use a new account",
            )

    def _replace(self) -> None:
        draft = self._path.with_name(f".{self._path.name}.part")
        draft.unlink(missing_ok=True)
        self._write(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        draft.replace(self._path)

    def _write(self, descriptor: int) -> None:
        pinned = self._domain and {"chain_id": self._domain.chain_id, "contract": self._domain.contract}
        content = {
            "format": _FORMAT,
            "address": self.address,
            "private_key": "0x" + self._key.reveal().hex(),
            "domain": pinned,
        }
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=2)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())

    def __repr__(self) -> str:
        return f"Account({self.address}, ***)"


def require_same(own: Struct, proposed: Any) -> None:
    """Hold the service's proposal against the statement built here; a CliError names each difference."""
    mine = own.to_json()
    if not isinstance(proposed, dict):
        proposed = {}
    wrong = [name for name, value in mine.items() if _norm(proposed.get(name)) != _norm(value)]
    wrong += [name for name in proposed if name not in mine]
    if wrong:
        raise CliError(
            "proposal_differs",
            f"the service proposes another {type(own).__name__} than asked for: "
            + "; ".join(f"{name} is {proposed.get(name)!r}, asked was {mine.get(name)!r}" for name in wrong),
            "nothing was signed; do not trust this service before you know why",
        )


def _norm(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _unusable(kind: str, message: str, remedy: str) -> CliError:
    return CliError(kind, message, remedy, exit_code=Exit.UNUSABLE)
