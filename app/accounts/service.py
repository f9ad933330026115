"""Makes organisations and API keys; on the first start, the operator's."""

from __future__ import annotations

from sqlmodel import Session, col, select

from app import idempotency
from app.accounts.schemas import ExternalAccount, OrganisationCreate
from app.accounts.signing import new_managed_account
from app.auth import api_keys
from app.auth.principals import Principal, Role
from app.errors import Conflict, Forbidden
from app.idempotency import Attempt, Made
from app.identifiers import ORGANISATION, new_id
from app.models import ApiKey, Organisation
from app.wiring import Services, write_private
from ledger.address import checksum_address

OPERATOR_NAME = "operator"
OPERATOR_FILE = "operator.key"


def ensure_operator(services: Services) -> None:
    """On the first start make the operator and write its API key to DATA_DIR/operator.key, mode 0600.

    The file is written before the commit: a crash between the two leaves a file that the next start replaces.
    """
    with services.database.founding() as session:
        if session.exec(select(Organisation.id).where(Organisation.name == OPERATOR_NAME)).first():
            return
        now = services.clock.now()
        row = Organisation(
            id=new_id(ORGANISATION, services.entropy),
            name=OPERATOR_NAME,
            roles=[Role.OPERATOR],
            created_at=now,
        )
        session.add(row)
        session.flush()
        _, token = api_keys.issue(session, row.id, "first key", [Role.OPERATOR], now, services.entropy)
        write_private(services.settings.data_dir / OPERATOR_FILE, token.reveal() + "\n")


def create_organisation(services: Services, request: Attempt, body: OrganisationCreate) -> Made:
    """Make a party with its account and its first API key."""
    with services.database.write() as session:
        made = idempotency.recall(session, services, request)
        if made is not None:
            return made
        _require_free(session, body)
        organisation_id, now = new_id(ORGANISATION, services.entropy), services.clock.now()
        row = Organisation(
            id=organisation_id,
            name=body.name,
            roles=sorted(set(body.roles)),
            account_type=body.account.type,
            created_at=now,
        )
        if isinstance(body.account, ExternalAccount):
            row.address = checksum_address("account.address", body.account.address)
        else:
            row.address = new_managed_account(session, services, organisation_id)
        session.add(row)
        session.flush()
        _, token = api_keys.issue(session, organisation_id, "first key", body.roles, now, services.entropy)
        return idempotency.keep(session, services, request, organisation_id, token)


def create_api_key(
    services: Services, request: Attempt, principal: Principal, name: str, roles: list[Role]
) -> Made:
    """Add a key to the caller's organisation; it may do no more than the caller, or read as an auditor."""
    excess = set(roles) - principal.roles - {Role.AUDITOR}
    if excess:
        raise Forbidden(
            f"a key cannot hand out roles it does not have: {', '.join(sorted(excess))}",
            field="roles",
            remedy="ask for roles of your own key, or auditor",
        )
    with services.database.write() as session:
        made = idempotency.recall(session, services, request)
        if made is not None:
            return made
        now = services.clock.now()
        row, token = api_keys.issue(
            session, principal.organisation_id, name, roles, now, services.entropy, principal.key_id
        )
        session.flush()
        return idempotency.keep(session, services, request, row.id, token)


def first_key(session: Session, organisation_id: str) -> ApiKey:
    """Give the key an organisation was made with."""
    query = select(ApiKey).where(ApiKey.organisation_id == organisation_id).order_by(col(ApiKey.id)).limit(1)
    return session.exec(query).one()


def _require_free(session: Session, body: OrganisationCreate) -> None:
    if session.exec(select(Organisation.id).where(Organisation.name == body.name)).first():
        raise Conflict(
            f"an organisation named {body.name!r} exists", field="name", remedy="choose another name"
        )
    if isinstance(body.account, ExternalAccount):
        address = checksum_address("account.address", body.account.address)
        if session.exec(select(Organisation.id).where(Organisation.address == address)).first():
            raise Conflict(f"{address} belongs to another organisation", field="account.address")
