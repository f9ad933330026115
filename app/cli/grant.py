"""Granting a licence: provider looked up, statement prepared, compared and signed, ledger awaited."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer

from app.cli.account import Account
from app.cli.connection import Connection
from app.cli.failures import CliError, Exit, usage
from app.cli.output import show
from app.cli.owner_grant import is_owner_held, sealed_keys
from app.cli.progress import waiting
from app.cli.recipes import rfc3339
from app.cli.statements import (
    LicenceWish,
    licence_of,
    printer_hash,
    publication_of,
    require_manifest,
    sign_licence,
)
from app.licences.odrl_offer import Offered, is_odrl, read_offer, require_within

_WAIT_S = 60.0
_POLL_S = 0.2


@dataclass(frozen=True)
class Wish:
    """A licence as it is asked for on the command line."""

    revision_id: str
    provider: str
    provider_address: str | None
    prints: int
    reprints: int
    starts_at: datetime
    expires_at: datetime
    printers: tuple[str, ...]
    terms: Mapping[str, Any]


def grant_licence(connection: Connection, wish: Wish, *, quiet: bool) -> dict[str, Any]:
    """Grant it and wait for the ledger; CliError where the ledger rejects it or does not answer in time."""
    client, account = connection.client, connection.account()
    party = find_provider(connection, wish.provider, wish.provider_address)
    printers = [printer_hash(text) for text in wish.printers]
    request = {
        "revision_id": wish.revision_id,
        "provider_id": party["id"],
        "prints": wish.prints,
        "reprints": wish.reprints,
        "starts_at": rfc3339(wish.starts_at),
        "expires_at": rfc3339(wish.expires_at),
        "printers": [name for name, _ in printers],
        "terms": dict(wish.terms),
        "terms_salt": "0x" + secrets.token_hex(32),
        "salt": "0x" + secrets.token_hex(32),
    }
    if account is not None:
        request = _signed(connection, account, wish, request, party["address"], printers)
    return settled(connection, client.post("/v1/licences", request), quiet=quiet)


def find_provider(connection: Connection, name: str, expected: str | None) -> dict[str, Any]:
    """Look the provider up by id or exact name; CliError where there is none, several, or another address."""
    client = connection.client
    if name.startswith("org_"):
        found = [client.get(f"/v1/parties/{name}")]
    else:
        found = client.pages("/v1/parties", name=name)
    if len(found) != 1:
        names = ", ".join(row["id"] for row in found) or "none"
        raise CliError("provider", f"{len(found)} parties are called {name!r}: {names}", "name it by its id")
    party: dict[str, Any] = found[0]
    if expected is not None and str(party.get("address")).lower() != expected.lower():
        raise CliError(
            "wrong_provider",
            f"{party['name']} has the address {party.get('address')}, expected was {expected}",
            "ask the provider for its address first",
        )
    return party


def settled(connection: Connection, licence: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Wait until the ledger has taken a licence; CliError where it rejects it."""
    deadline = time.monotonic() + _WAIT_S
    with waiting("granting on the ledger", quiet=quiet):
        while licence["state"] == "pending" and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            licence = connection.client.get(f"/v1/licences/{licence['id']}")
    if licence["state"] == "rejected":
        raise CliError("ledger_rejected", f"the ledger's contract refused licence {licence['id']}")
    require_final(
        {**licence, "pending": licence["state"] == "pending"}, f"partvault licence show {licence['id']}"
    )
    return licence


def show_final(as_json: bool, answer: dict[str, Any], draw: Callable[[Any], None], command: str) -> None:
    """Show an answer; then end with exit code 3 where the ledger has not confirmed it yet."""
    show(as_json, answer, draw)
    if as_json and answer.get("pending"):
        raise typer.Exit(Exit.PENDING)
    require_final(answer, command)


def require_final(answer: Mapping[str, Any], command: str) -> None:
    """Raise CliError (exit 3) where the ledger has not confirmed something yet."""
    if answer.get("pending"):
        raise CliError(
            "pending", "the ledger has not confirmed it yet", f"look again: {command}", exit_code=Exit.PENDING
        )


def _signed(
    connection: Connection,
    account: Account,
    wish: Wish,
    request: dict[str, Any],
    provider_address: str,
    printers: list[tuple[str, bytes | None]],
) -> dict[str, Any]:
    """Have the request prepared, hold what comes back against what was asked, and sign it; with the sealed
    keys of a design whose owner holds the key.
    """
    listed = [(name, digest) for name, digest in printers if digest is not None]
    if len(listed) != len(printers):
        raise usage(
            "an own account signs the printers' names on chain",
            "write each as --printer prt_…=0xHASH, with the hash the provider tells you",
        )
    revision = connection.client.get(f"/v1/revisions/{wish.revision_id}")
    publication = publication_of(revision, account)
    require_manifest(revision, {"revision_id": wish.revision_id})
    offered = read_offer(wish.terms) if is_odrl(wish.terms) else Offered(dict(wish.terms))
    asked = LicenceWish(
        revision_hash=publication.struct_hash(),
        provider_address=provider_address,
        prints=wish.prints,
        reprints=wish.reprints,
        starts_at=int(wish.starts_at.timestamp()),
        expires_at=int(wish.expires_at.timestamp()),
        terms=offered.terms,
        terms_salt=bytes.fromhex(request["terms_salt"][2:]),
        salt=bytes.fromhex(request["salt"][2:]),
        printer_hashes=tuple(digest for _, digest in listed),
    )
    require_within(offered, licence_of(account, asked), [name for name, _ in listed])
    prepared = connection.client.post("/v1/licences/prepare", request)
    signature = sign_licence(connection, account, asked, prepared)
    signed = {**request, "signature": signature}
    if is_owner_held(connection, wish.revision_id, revision):
        licence, provider_id = licence_of(account, asked), request["provider_id"]
        signed["sealed_keys"] = sealed_keys(connection, account, revision, licence, provider_id, listed)
    return signed
