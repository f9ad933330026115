"""What shreddings look like in requests and answers."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.encodings import Body, JsonObject, Name


class ShreddingRequest(Body):
    """Asks for the destruction of a design's keys."""

    reason: Name = Field(description="why, for whoever is to confirm it and for the record")
    design_name: Name = Field(
        description="the design's name, letter for letter: what is destroyed does not come back"
    )


class ShreddingView(BaseModel):
    """A shredding. `record` names what was destroyed; operators are not shown it."""

    id: str
    design_id: str
    organisation_id: str
    reason: str
    state: str
    requested_by: str
    requested_at: str
    expires_at: str
    confirmed_by: str | None
    confirmed_at: str | None
    withdrawn_by: str | None
    finished_at: str | None
    record: JsonObject | None
