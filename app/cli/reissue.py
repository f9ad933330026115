"""Re-issue of a print: before an account signs anew, the licence it granted is proved from the evidence."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.cli.account import Account, require_same
from app.cli.connection import Connection
from app.cli.failures import CliError
from app.cli.grant import settled
from app.cli.owner_grant import is_owner_held, sealed_keys
from app.cli.recipes import rfc3339
from app.cli.statements import ledger_domain
from ledger.commitment import reissue_salt
from ledger.errors import LedgerError
from ledger.operations import Grant, Transfer, from_json
from ledger.typed_data import Domain, Licence, digest, print_id, printers_root, recover_signer, transferred

Window = tuple[datetime, datetime]


def reissue_print(connection: Connection, replaced: str, window: Window, *, quiet: bool) -> dict[str, Any]:
    """License one print in the place of another and wait for the ledger.

    Raises CliError where the service or the ledger refuses, or an account would sign what it never granted.
    """
    client, account = connection.client, connection.account()
    request: dict[str, Any] = {"starts_at": rfc3339(window[0]), "expires_at": rfc3339(window[1])}
    if account is not None:
        request = _signed(connection, account, replaced, request, window)
    return settled(connection, client.post(f"/v1/prints/{replaced}/reissue", request), quiet=quiet)


def _signed(
    connection: Connection, account: Account, replaced: str, request: dict[str, Any], window: Window
) -> dict[str, Any]:
    """Build the licence from the one this account granted, hold it against what is prepared, and sign it."""
    client, domain = connection.client, ledger_domain(connection)
    shown = client.get(f"/v1/prints/{replaced}")
    evidence = client.get(f"/v1/prints/{replaced}/evidence")
    granted = granted_licence(domain, account, evidence["operations"])
    licence = replace(
        granted,
        prints=1,
        reprints=0,
        starts_at=int(window[0].timestamp()),
        expires_at=int(window[1].timestamp()),
        salt=reissue_salt(print_id(granted.struct_hash(), shown["sequence"])),
    )
    prepared = client.post(f"/v1/prints/{replaced}/reissue/prepare", request)
    require_same(licence, prepared.get("licence"))
    signed = {**request, "signature": account.sign(domain, licence)}
    row = client.get(f"/v1/licences/{shown['licence_id']}")
    revision = client.get(f"/v1/revisions/{row['revision_id']}")
    if is_owner_held(connection, row["revision_id"], revision):
        listed = _recipients(connection, row["provider_id"], licence, prepared)
        signed["sealed_keys"] = sealed_keys(
            connection, account, revision, licence, row["provider_id"], listed
        )
    return signed


def _recipients(
    connection: Connection, provider_id: str, licence: Licence, prepared: Mapping[str, Any]
) -> list[tuple[str, bytes]]:
    """Give the printers to seal the key to: of those the licence lists, all that are shown still."""
    names = {key: bytes.fromhex(value[2:]) for key, value in prepared["printers"].items()}
    if not hmac.compare_digest(printers_root(list(names.values())), licence.printers):
        raise CliError("proposal_differs", "the printers named are not those that the licence lists")
    shown = {row["id"] for row in connection.client.pages(f"/v1/parties/{provider_id}/printers")}
    return [(printer_id, name) for printer_id, name in names.items() if printer_id in shown]


def granted_licence(domain: Domain, account: Account, operations: Sequence[Mapping[str, Any]]) -> Licence:
    """Read from a print's evidence the licence it was made under, granted by this account's own signature.

    One that came by transfers is followed from the grant. Raises CliError where the signature is another's.
    """
    try:
        steps = [from_json(each["operation"]) for each in operations]
        (grant,) = [step for step in steps if isinstance(step, Grant)]
        signer = recover_signer(digest(domain, grant.licence), grant.signature)
    except (KeyError, TypeError, ValueError, LedgerError) as error:
        raise CliError("evidence", f"the print's evidence cannot be read: {error}") from None
    if not hmac.compare_digest(signer, account.address):
        raise CliError("not_yours", f"the print's licence was granted by {signer}, not by this account")
    licence = grant.licence
    for step in steps:
        if isinstance(step, Transfer):
            licence = transferred(licence, step.transfer)
    return licence
