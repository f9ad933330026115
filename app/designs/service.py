"""Makes designs and revisions."""

from __future__ import annotations

from sqlmodel import Session, func, select

from app import idempotency
from app.accounts.signing import EXTERNAL
from app.auth.principals import Principal
from app.designs import queries
from app.designs.custody import Custody
from app.designs.living import require_living
from app.designs.recipe import gate_policy
from app.designs.schemas import DesignCreate, Recipe
from app.designs.states import RevisionState
from app.errors import Conflict
from app.idempotency import Attempt, Made
from app.identifiers import DESIGN, REVISION, new_id
from app.models import Design, Organisation, Revision
from app.wiring import Services


def create_design(services: Services, request: Attempt, principal: Principal, body: DesignCreate) -> Made:
    """Make a design."""
    with services.database.write() as session:
        made = idempotency.recall(session, services, request)
        if made is not None:
            return made
        _require_own_account(session, principal, Custody(body.custody))
        row = Design(
            id=new_id(DESIGN, services.entropy),
            organisation_id=principal.organisation_id,
            name=body.name,
            description=body.description,
            custody=body.custody,
            created_at=services.clock.now(),
        )
        session.add(row)
        return idempotency.keep(session, services, request, row.id)


def _require_own_account(session: Session, principal: Principal, custody: Custody) -> None:
    """Who would keep its data keys from the service cannot let it sign licences."""
    owner = session.get_one(Organisation, principal.organisation_id)
    if custody == Custody.OWNER and owner.account_type != EXTERNAL:
        raise Conflict(
            f"the service keeps the account of {owner.name}, so it could license what it must not open",
            field="custody",
            remedy="have an organisation with an own account made (partvault org create --account own)",
        )


def create_revision(
    services: Services, request: Attempt, principal: Principal, design_id: str, recipe: Recipe
) -> Made:
    """Make the next revision of a design, an empty draft."""
    content = recipe.model_dump(mode="json", exclude_none=True)
    gate_policy(content)  # refuses a process or unit the gate does not know
    with services.database.write() as session:
        made = idempotency.recall(session, services, request)
        if made is not None:
            return made
        design = queries.design(session, principal, design_id)
        require_living(session, design.id)
        latest = session.exec(select(func.max(Revision.number)).where(Revision.design_id == design.id)).one()
        row = Revision(
            id=new_id(REVISION, services.entropy),
            design_id=design.id,
            organisation_id=principal.organisation_id,
            number=(latest or 0) + 1,
            state=RevisionState.DRAFT,
            recipe=content,
            created_at=services.clock.now(),
        )
        session.add(row)
        return idempotency.keep(session, services, request, row.id)
