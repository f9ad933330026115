"""What licences look like in requests and answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from app.encodings import (
    Body,
    Hex32,
    HexSignature,
    JsonInput,
    JsonObject,
    Label,
    Receipt,
    RowId,
    SignedBody,
    Time,
)

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class PrinterKey(Body):
    """A data key, sealed by its owner to one printer (RFC 9180) and bound to the licence."""

    printer_id: RowId
    suite: Label
    blob: Annotated[str, Field(min_length=1, max_length=4096, description="base64")]


class LicenceRequest(Body):
    """A permission; salts that are not given are made."""

    revision_id: RowId
    provider_id: RowId
    prints: Annotated[int, Field(ge=1, le=2**31 - 1)]
    reprints: Count = 0
    starts_at: Time
    expires_at: Time
    printers: Annotated[
        list[RowId], Field(max_length=1000, description="empty: all the provider enrolled")
    ] = Field(default_factory=list)
    terms: JsonInput = Field(
        default_factory=dict,
        description="conditions kept off chain; `processes` and `materials` are enforced",
    )
    terms_salt: Hex32 | None = None
    salt: Hex32 | None = None
    sealed_keys: Annotated[
        list[PrinterKey],
        Field(max_length=1000, description="one for each of `printers`, where the owner holds the key"),
    ] = Field(default_factory=list)
    signature: HexSignature | None = Field(default=None, description="r ‖ s ‖ v by an external account")


class LicencePrepared(BaseModel):
    """What the owner is to sign, and the request to send with the signature."""

    request: JsonObject
    licence: JsonObject
    licence_hash: str
    typed_data: JsonObject


class RevokeRequest(SignedBody):
    """Withdraws a licence; an external account signs the revocation."""


class LicenceView(BaseModel):
    """A licence as its parties see it; the counts are the chain's."""

    id: str
    state: str
    revision_id: str
    owner_id: str
    provider_id: str
    licence_hash: str
    licence: JsonObject
    prints: int
    reprints: int
    prints_recorded: int
    credited: int
    starts_at: str
    expires_at: str
    printers: list[str]
    terms: JsonObject
    terms_salt: str
    revocation: JsonObject
    receipt: Receipt | None
    revocation_receipt: Receipt | None
    created_at: str
