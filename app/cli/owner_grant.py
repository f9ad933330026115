"""A data key sealed by its owner to each printer of a licence, here; the service carries what it cannot open.

Nothing is believed of a printer because the service says so: its owner knows its name on chain from the
provider, the name binds provider and signing key, and that key vouches for the sealing key.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.cli.account import Account
from app.cli.connection import Connection
from app.cli.failures import CliError, usage
from app.cli.owner_vault import OwnerVault, holds_revision
from app.cli.statements import ledger_domain, publication_of, require_manifest
from app.licences.grant_info import grant_info
from ledger.errors import LedgerError
from ledger.sealing import verify_sealing_key
from ledger.typed_data import Domain, Enrolment, Licence
from storage.recipients import seal
from storage.secret import DataKey

_ASK_PROVIDER = "nothing was granted; ask the provider for the printer's name on the ledger, by another way"


@dataclass(frozen=True)
class Recipient:
    """A printer whose sealing key is proved to be its own: HPKE suite, public key, name on chain."""

    printer_id: str
    suite: str
    public: bytes
    name: bytes

    def sealed(self, key: DataKey, info: bytes) -> dict[str, str]:
        """Seal the key to this printer, as a licence carries it."""
        blob = base64.b64encode(seal(key, self.suite, self.public, info)).decode()
        return {"printer_id": self.printer_id, "suite": self.suite, "blob": blob}


def is_owner_held(connection: Connection, revision_id: str, revision: Mapping[str, Any]) -> bool:
    """Tell whether a revision's key is its owner's: its manifest says so, or a key of it is here."""
    said = json.loads(revision.get("manifest") or "{}").get("custody") == "owner"
    return bool(said) or holds_revision(connection.settings.owner_dir, revision_id)


def sealed_keys(
    connection: Connection,
    account: Account,
    revision: Mapping[str, Any],
    licence: Licence,
    provider_id: str,
    wanted: Sequence[tuple[str, bytes]],
) -> list[dict[str, str]]:
    """Seal the revision's data key to each printer; `wanted` are their ids and names on chain.

    1. The ledger is the one this account is pinned to; there is a list of printers.
    2. The revision is the one whose key is here, and its manifest says what was uploaded.
    3. Each printer is the one named, and vouches for its sealing key.
    4. The key is opened, sealed to each, and wiped.

    Raises CliError naming what is wrong; then nothing was granted.
    """
    # (1) the ledger, the list
    domain = ledger_domain(connection)
    account.require_ledger(domain)
    if not wanted:
        raise usage(
            "a licence of a design whose key you hold lists its printers",
            "write each as --printer prt_…=0xHASH, with the hash the provider tells you",
        )
    # (2) the key
    vault = OwnerVault.open(connection.settings)
    holding = vault.holding_of(revision)
    require_manifest(revision, holding.expected)
    commitment = publication_of(revision, account).commitment
    # (3) the printers
    shown = connection.client.pages(f"/v1/parties/{provider_id}/printers")
    rows = {row["id"]: row for row in shown}
    recipients = [recipient(domain, licence.provider, rows, *printer) for printer in wanted]
    # (4) the seals
    named = licence.struct_hash()
    with vault.data_key(holding) as key:
        return [to.sealed(key, grant_info(named, to.name, holding.context, commitment)) for to in recipients]


def recipient(
    domain: Domain, provider: str, rows: Mapping[str, Mapping[str, Any]], printer_id: str, name: bytes
) -> Recipient:
    """Verify what the service shows of a printer; `name` is what its provider said, `provider` its address.

    Raises CliError where the printer is not shown, is another's, or does not vouch for the key shown.
    """
    row = rows.get(printer_id)
    if row is None:
        raise CliError("no_printer", f"the provider has not enrolled {printer_id}", _ASK_PROVIDER)
    try:
        enrolment = Enrolment.from_json(row["enrolment"])
        shown = row["sealing"]
        suite, public = str(shown["suite"]), base64.b64decode(shown["public"], validate=True)
        signature = bytes.fromhex(str(shown["signature"]).removeprefix("0x"))
        proved = verify_sealing_key(
            domain, provider, enrolment.key_x, enrolment.key_y, suite, public, signature
        )
    except (KeyError, TypeError, ValueError, binascii.Error, LedgerError) as error:
        raise CliError(
            "wrong_printer", f"{printer_id} does not vouch for its sealing key: {error}", _ASK_PROVIDER
        ) from None
    if not hmac.compare_digest(proved, name):
        raise CliError(
            "wrong_printer",
            f"{printer_id} is shown with the keys of 0x{proved.hex()}, you named 0x{name.hex()}",
            _ASK_PROVIDER,
        )
    return Recipient(printer_id, suite, public, name)
