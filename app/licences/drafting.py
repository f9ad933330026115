"""From a request to the statement an owner signs: rows looked up, salts made, hashes computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from app.accounts.signing import address_of
from app.auth.principals import Principal, Role
from app.clock import rfc3339
from app.designs import publication
from app.designs import queries as design_queries
from app.designs.custody import Custody, custody_of
from app.designs.living import require_living
from app.designs.states import RevisionState
from app.encodings import from_hex, to_hex
from app.errors import Conflict, Invalid, NotFound
from app.licences.odrl_offer import Offered, is_odrl, read_offer, require_within
from app.licences.schemas import LicenceRequest
from app.licences.sealed_keys import require_mode
from app.licences.terms import read_terms
from app.models import Organisation, Printer, Revision
from app.printers.service import settle as settle_printer
from app.printers.states import PrinterState
from app.printers.succession import newest_of
from app.wiring import Services
from ledger.commitment import canonical_json, terms_commitment
from ledger.typed_data import Licence, printers_root


@dataclass(frozen=True)
class Draft:
    """A licence not signed yet: the statement, what it was made of, and the request with its salts.

    `printers` names each printer listed on chain, by its id; `custody` says who holds the revision's key, and
    `suites` how it is sealed to each printer that is to have it.
    """

    statement: Licence
    owner: Organisation
    provider: Organisation
    revision: Revision
    custody: Custody
    printers: Mapping[str, bytes]
    suites: Mapping[str, str]
    terms: str
    terms_salt: bytes
    request: dict[str, Any]


def draft(services: Services, principal: Principal, body: LicenceRequest) -> Draft:
    """Look everything up and build the statement; of an ODRL Offer for terms that it grants no more.

    Raises NotFound for rows the caller does not see, Conflict and Invalid for what cannot be licensed.
    """
    offered = _offered(body.terms)
    terms = canonical_json(offered.terms)
    terms_salt = from_hex(body.terms_salt) if body.terms_salt else services.entropy(32)
    salt = from_hex(body.salt) if body.salt else services.entropy(32)
    starts_at, expires_at = _window(services, body)
    with services.database.read() as session:
        revision = _published(session, principal, body.revision_id)
        custody = custody_of(session, revision)
        require_mode(custody, body.printers, body.sealed_keys)
        owner = session.get_one(Organisation, principal.organisation_id)
        provider = _provider(session, body.provider_id)
        printers = _printers(session, provider, body.printers)
    statement = Licence(
        revision=revision.revision_hash or b"",
        owner=address_of(owner),
        provider=address_of(provider),
        printers=printers_root([row.printer_hash or b"" for row in printers]),
        prints=body.prints,
        reprints=body.reprints,
        starts_at=starts_at,
        expires_at=expires_at,
        terms=terms_commitment(terms_salt, terms),
        salt=salt,
    )
    require_within(offered, statement, body.printers)
    return Draft(
        statement=statement,
        owner=owner,
        provider=provider,
        revision=revision,
        custody=custody,
        printers={row.id: row.printer_hash or b"" for row in printers},
        suites={row.id: row.sealing_suite or "" for row in printers},
        terms=terms.decode(),
        terms_salt=terms_salt,
        request=_settled(body, offered.terms, statement, terms_salt),
    )


def _settled(
    body: LicenceRequest, terms: dict[str, Any], statement: Licence, terms_salt: bytes
) -> dict[str, Any]:
    """The request with all that was made or read filled in, so that it gives the same statement again."""
    return body.model_dump(mode="json", exclude={"signature", "sealed_keys"}) | {
        "terms": terms,
        "starts_at": rfc3339(statement.starts_at),
        "expires_at": rfc3339(statement.expires_at),
        "terms_salt": to_hex(terms_salt),
        "salt": to_hex(statement.salt),
    }


def _offered(terms: dict[str, Any]) -> Offered:
    """Read terms, or the ODRL Offer that stands in their place; Invalid names what is wrong with them."""
    if is_odrl(terms):
        return read_offer(terms)
    read_terms(terms)
    return Offered(terms)


def _window(services: Services, body: LicenceRequest) -> tuple[int, int]:
    starts_at, expires_at = int(body.starts_at.timestamp()), int(body.expires_at.timestamp())
    if expires_at <= starts_at:
        raise Invalid("expires_at must lie after starts_at", field="expires_at", remedy="choose a later end")
    if expires_at <= services.clock.now():
        raise Invalid("expires_at lies in the past", field="expires_at", remedy="choose a later end")
    return starts_at, expires_at


def _published(session: Session, principal: Principal, revision_id: str) -> Revision:
    row = design_queries.revision(session, principal, revision_id)
    require_living(session, row.design_id)
    publication.settle(session, row)
    if row.state != RevisionState.PUBLISHED:
        raise Conflict(
            f"revision {row.id} is {row.state}, not published", field="revision_id", remedy="publish it first"
        )
    return row


def _provider(session: Session, provider_id: str) -> Organisation:
    row = session.get(Organisation, provider_id)
    if row is None or row.address is None or Role.PROVIDER not in row.roles:
        raise NotFound("provider", provider_id)
    return row


def _printers(session: Session, provider: Organisation, printer_ids: list[str]) -> list[Printer]:
    """Give the printers listed, each once, in the order of their ids."""
    query = (
        select(Printer).where(col(Printer.id).in_(printer_ids)).where(Printer.organisation_id == provider.id)
    )
    found = {row.id: row for row in session.exec(query).all()} if printer_ids else {}
    for printer_id in printer_ids:
        row = found.get(printer_id)
        if row is None:
            raise Invalid(f"{provider.name} has no printer {printer_id}", field="printers")
        settle_printer(session, row)
        _require_listable(session, row)
    return [found[printer_id] for printer_id in sorted(found)]


def _require_listable(session: Session, row: Printer) -> None:
    """Conflict where a licence that lists a printer could never be used on it: a list names keys."""
    if row.successor_id is not None:
        newest = newest_of(session, row)
        listable = newest.state == PrinterState.ENROLLED
        raise Conflict(
            f"the keys of printer {row.id} rotated, to printer {newest.id}: nothing new is printed with them",
            field="printers",
            remedy=f"list {newest.id} in its place"
            if listable
            else f"{newest.id} is retired too: list another",
        )
    if row.state in {PrinterState.RETIRING, PrinterState.RETIRED}:
        raise Conflict(
            f"printer {row.id} is {row.state}, which is for good",
            field="printers",
            remedy="list another printer, or none to allow every printer of the provider",
        )
    if row.state != PrinterState.ENROLLED or row.printer_hash is None:
        raise Conflict(
            f"printer {row.id} is {row.state}, not enrolled",
            field="printers",
            remedy="have its provider approve it first",
        )
