"""Statements of an organisation that keeps its own account: rebuilt here from what was asked, compared,
signed.

Each function gives the signature to send, or None where the service signs for the organisation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.cli.account import Account, require_same
from app.cli.connection import Connection
from app.cli.failures import CliError, usage
from ledger.commitment import canonical_json, revision_commitment, terms_commitment
from ledger.typed_data import (
    Domain,
    Enrolment,
    Licence,
    PrintTransfer,
    Publication,
    Retirement,
    Revocation,
    TransferConsent,
    printers_root,
)


@dataclass(frozen=True)
class LicenceWish:
    """What an owner asks for; `printer_hashes` are the printers' names on chain, where there is a list."""

    revision_hash: bytes
    provider_address: str
    prints: int
    reprints: int
    starts_at: int
    expires_at: int
    terms: Mapping[str, Any]
    terms_salt: bytes
    salt: bytes
    printer_hashes: tuple[bytes, ...] = field(default=())


def ledger_domain(connection: Connection) -> Domain:
    """Give the ledger the service works on; an account pins it at its first signature."""
    found = connection.client.get("/v1/ledger")
    return Domain(chain_id=found["chain_id"], contract=found["contract"])


def publication_of(revision: Mapping[str, Any], account: Account) -> Publication:
    """Rebuild the publication of a revision from its manifest and salt; CliError where they do not fit."""
    manifest, salt = revision.get("manifest"), revision.get("salt")
    if not isinstance(manifest, str) or not isinstance(salt, str):
        raise CliError(
            "not_ready", f"revision {revision.get('id')} is {revision.get('state')}, it has no manifest yet"
        )
    return Publication(account.address, revision_commitment(_bytes(salt), manifest.encode()))


def sign_publication(
    connection: Connection,
    account: Account | None,
    revision: Mapping[str, Any],
    expected: Mapping[str, Any] | None = None,
) -> str | None:
    """Sign a publication; `expected` gives what is known of its manifest, see `require_manifest`."""
    if account is None:
        return None
    publication = publication_of(revision, account)
    require_same(publication, revision.get("publication"))
    require_manifest(revision, expected or {})
    return account.sign(ledger_domain(connection), publication)


def require_manifest(revision: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Hold a revision's manifest against what was sent: members of its file, and its own beside them.

    Raises CliError naming the first that differs.
    """
    manifest = json.loads(revision["manifest"])
    named = {**manifest, **manifest["files"][0]}
    for name, value in expected.items():
        if named.get(name) != value:
            raise CliError(
                "proposal_differs", f"the manifest has {name} {named.get(name)!r}, sent was {value!r}"
            )


def licence_of(account: Account, wish: LicenceWish) -> Licence:
    """Build the licence that is asked for."""
    return Licence(
        revision=wish.revision_hash,
        owner=account.address,
        provider=wish.provider_address,
        printers=printers_root(wish.printer_hashes),
        prints=wish.prints,
        reprints=wish.reprints,
        starts_at=wish.starts_at,
        expires_at=wish.expires_at,
        terms=terms_commitment(wish.terms_salt, canonical_json(dict(wish.terms))),
        salt=wish.salt,
    )


def sign_licence(
    connection: Connection, account: Account | None, wish: LicenceWish, prepared: Mapping[str, Any]
) -> str | None:
    """Sign the licence that was asked for, if it is the one the service prepared."""
    if account is None:
        return None
    licence = licence_of(account, wish)
    require_same(licence, prepared.get("licence"))
    return account.sign(ledger_domain(connection), licence)


def _own_licence(account: Account, shown: Mapping[str, Any]) -> Licence:
    """Read a licence that is shown; CliError where another account granted it."""
    licence = Licence.from_json(shown["licence"])
    if licence.owner != account.address:
        raise CliError(
            "not_yours", f"licence {shown['id']} was granted by {licence.owner}, not by this account"
        )
    return licence


def sign_revocation(connection: Connection, account: Account | None, shown: Mapping[str, Any]) -> str | None:
    """Sign the revocation of a licence of one's own, named by its recomputed hash."""
    if account is None:
        return None
    licence = _own_licence(account, shown)
    revocation = Revocation(licence=licence.struct_hash())
    require_same(revocation, shown.get("revocation"))
    return account.sign(ledger_domain(connection), revocation)


def sign_consent(connection: Connection, account: Account | None, shown: Mapping[str, Any]) -> str | None:
    """Sign the consent to transfers of a licence of one's own, named by its recomputed hash."""
    if account is None:
        return None
    licence = _own_licence(account, shown)
    consent = TransferConsent(licence=licence.struct_hash())
    require_same(consent, shown.get("transfer_consent"))
    return account.sign(ledger_domain(connection), consent)


def sign_transfer(
    connection: Connection,
    account: Account | None,
    shown: Mapping[str, Any],
    wish: tuple[str, int, bytes],
    prepared: Mapping[str, Any],
) -> str | None:
    """Sign a transfer from a licence one holds; `wish` is the receiver's address, the number of prints and
    the salt.
    """
    if account is None:
        return None
    licence = Licence.from_json(shown["licence"])
    if licence.provider != account.address:
        raise CliError("not_yours", f"licence {shown['id']} is {licence.provider}'s, not this account's")
    transfer = PrintTransfer(licence.struct_hash(), *wish)
    require_same(transfer, prepared.get("transfer"))
    return account.sign(ledger_domain(connection), transfer)


def sign_enrolment(connection: Connection, account: Account | None, shown: Mapping[str, Any]) -> str | None:
    """Sign the enrolment of a printer for this provider."""
    if account is None:
        return None
    enrolment = enrolment_of(shown)
    require_same(Enrolment(account.address, enrolment.key_x, enrolment.key_y), shown.get("enrolment"))
    return account.sign(ledger_domain(connection), enrolment)


def sign_retirement(connection: Connection, account: Account | None, shown: Mapping[str, Any]) -> str | None:
    """Sign the retirement of a printer, named by the recomputed hash of its enrolment.

    Nothing is signed for one that is not on the ledger yet, or whose retirement is.
    """
    offered = shown.get("retirement")
    if account is None or offered is None:
        return None
    enrolment = enrolment_of(shown)
    if enrolment.provider != account.address:
        raise CliError("not_yours", f"printer {shown['id']} belongs to {enrolment.provider}")
    retirement = Retirement(printer=enrolment.struct_hash())
    require_same(retirement, offered["statement"])
    return account.sign(ledger_domain(connection), retirement)


def enrolment_of(shown: Mapping[str, Any]) -> Enrolment:
    """Read a printer's enrolment; CliError before the printer sent its keys."""
    if not shown.get("enrolment"):
        raise CliError(
            "no_key_yet",
            f"printer {shown['id']} is {shown['state']}",
            "run `partvault-printer enrol` beside it first",
        )
    return Enrolment.from_json(shown["enrolment"])


def printer_hash(text: str) -> tuple[str, bytes | None]:
    """Read `prt_…` or `prt_…=0x…`: a printer, and its name on chain where its provider told it."""
    name, _, digits = text.partition("=")
    if not digits:
        return name, None
    try:
        value = _bytes(digits)
    except ValueError:
        value = b""
    if len(value) != 32:
        raise usage(f"{text!r} is not PRINTER=0x… with 64 hex digits")
    return name, value


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
