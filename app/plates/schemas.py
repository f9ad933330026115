"""What plates look like in requests and answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from app.encodings import Body, DomainView, JsonInput, JsonObject, RowId
from app.prints.schemas import PrinterSignature, ReasonView, ReleaseView
from mesh_tools.arrange import PARTS_MAX

_BED_MM_MAX = 100_000


class SpotRequest(Body):
    """Where a part stands: the lowest corner of its box on the bed, and its turn, counter-clockwise."""

    x_mm: Annotated[float, Field(ge=0, le=_BED_MM_MAX)]
    y_mm: Annotated[float, Field(ge=0, le=_BED_MM_MAX)]
    turn_deg: Annotated[float, Field(ge=0, lt=360)] = 0.0


class PartRequest(Body):
    """Prints of one licence on the plate; `spots` has one for each of them."""

    licence_id: RowId
    count: Annotated[int, Field(ge=1, le=PARTS_MAX)] = 1
    spots: Annotated[list[SpotRequest], Field(min_length=1, max_length=PARTS_MAX)] | None = None


class PlateRequest(Body):
    """A build of several parts on one printer; either every part has its spots, or all are packed."""

    printer_id: RowId
    parts: Annotated[list[PartRequest], Field(min_length=1, max_length=PARTS_MAX)]


class SpotView(BaseModel):
    """Where a part stands."""

    x_mm: float
    y_mm: float
    turn_deg: float


class PartCheck(BaseModel):
    """The decision about one part of the plate."""

    part: int
    licence_id: str
    reasons: list[ReasonView]


class PlateCheck(BaseModel):
    """The dry run of a plate: allowed only if each part is."""

    allowed: bool
    parts: list[PartCheck]
    layout: list[SpotView]


class PartView(BaseModel):
    """A print of a plate, by its place."""

    part: int
    print_id: str
    licence_id: str
    sequence: int
    state: str
    reasons: list[ReasonView]


class PlateView(BaseModel):
    """A plate as its parties see it; an owner sees the prints of its own designs alone."""

    id: str
    printer_id: str
    provider_id: str
    state: str
    parts: int
    token_expires_at: str
    prints: list[PartView]
    layout: list[SpotView]
    created_at: str


class PlateAuthorised(PlateView):
    """A new plate with its token, shown this once."""

    token: str


class PartOffer(BaseModel):
    """One claim of the plate, and all the printer needs to judge it beforehand."""

    print_id: str
    claim: JsonObject
    manifest: str
    salt: str
    commitment: str
    revision_hash: str
    licence: JsonObject


class PlateClaimView(BaseModel):
    """What the printer is to sign: the plate of these claims, in this order."""

    plate_id: str
    domain: DomainView
    printer_hash: str
    layout: list[SpotView]
    parts: list[PartOffer]


class PlateRedeemRequest(Body):
    """The claims in order, and the printer's signature over the plate they make."""

    claims: Annotated[list[JsonInput], Field(min_length=1, max_length=PARTS_MAX)]
    signature: PrinterSignature


class PlateReleaseView(BaseModel):
    """All releases of a plate: the same bytes for every repeat of the same redemption."""

    plate_id: str
    releases: list[ReleaseView]


class PlatePending(BaseModel):
    """The chain has not confirmed the plate yet: repeat the request."""

    plate_id: str
    state: str
