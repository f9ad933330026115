"""HTTP route of what resembles another owner's part, for operators."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlmodel import Session, select

from app.clock import rfc3339
from app.dependencies import Cursor, Limit, OperatorCaller, ServicesDep
from app.models import Resemblance, Revision
from app.pages import Page, page

router = APIRouter(prefix="/v1", tags=["designs"])


class ResemblanceView(BaseModel):
    """A version that is, or resembles, one of another organisation."""

    id: str
    revision_id: str
    organisation_id: str
    other_revision_id: str
    other_organisation_id: str
    same_file: bool = Field(description="the same bytes")
    distance: float = Field(description="of the fingerprints: up to 0.5 the same shape, up to 1 much alike")
    factor: float = Field(description="how many times as large it is")
    created_at: str


@router.get("/resemblances")
def list_resemblances(
    _caller: OperatorCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[ResemblanceView]:
    """List versions that are, or closely resemble, another owner's; owners are not told."""
    with services.database.read() as session:

        def view(row: Resemblance) -> ResemblanceView:
            return _view(session, row)

        return page(session, select(Resemblance), Resemblance.id, view, limit, cursor)


def _view(session: Session, row: Resemblance) -> ResemblanceView:
    return ResemblanceView(
        id=row.id,
        revision_id=row.revision_id,
        organisation_id=session.get_one(Revision, row.revision_id).organisation_id,
        other_revision_id=row.other_id,
        other_organisation_id=session.get_one(Revision, row.other_id).organisation_id,
        same_file=row.same_file,
        distance=row.distance,
        factor=row.factor,
        created_at=rfc3339(row.created_at),
    )
