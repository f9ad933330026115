"""What licences look like in requests and answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from app.encodings import (
    SIGNATURE,
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
from app.licences.terms import TERM_NAMES

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
        description="conditions kept off chain: `"
        + "`, `".join(TERM_NAMES)
        + "`; or an ODRL 2.2 Offer in their place (docs/formats/terms.md)",
    )
    terms_salt: Hex32 | None = None
    salt: Hex32 | None = None
    sealed_keys: Annotated[
        list[PrinterKey],
        Field(max_length=1000, description="one for each of `printers`, where the owner holds the key"),
    ] = Field(default_factory=list)
    signature: HexSignature | None = Field(default=None, description=SIGNATURE)


class LicencePrepared(BaseModel):
    """What the owner is to sign, and the request to send with the signature."""

    request: JsonObject
    licence: JsonObject
    licence_hash: str
    typed_data: JsonObject


class RevokeRequest(SignedBody):
    """Withdraws a licence; an external account signs the revocation."""


class ConsentRequest(SignedBody):
    """Consents to transfers of a licence's prints; an external account signs the consent."""


class TransferRequest(SignedBody):
    """Passes unused prints on to another provider; a salt that is not given is made."""

    provider_id: RowId
    prints: Annotated[int, Field(ge=1, le=2**31 - 1)]
    salt: Hex32 | None = None


class TransferPrepared(BaseModel):
    """What the provider is to sign, the request to send with the signature, and the licence it makes."""

    request: JsonObject
    transfer: JsonObject
    licence: JsonObject
    licence_hash: str
    typed_data: JsonObject


class TransferView(BaseModel):
    """A transfer as the parties of the licence it takes from see it; `id` is the licence it makes.

    `state` is pending, confirmed or rejected: what became of that licence later is its parties' business.
    """

    id: str
    licence_id: str
    provider_id: str
    prints: int
    state: str
    transfer: JsonObject
    licence_hash: str
    receipt: Receipt | None
    created_at: str


class LicenceView(BaseModel):
    """A licence as its parties see it; the counts are the chain's.

    `prints` is what was granted; `prints_transferred` of them went to other providers. `replaces` is the
    print in whose place it was granted, where there is one. `consented` says whether the owner consented to
    transfers, `transfer_consent` is what an external account signs to do so.
    """

    id: str
    state: str
    revision_id: str
    owner_id: str
    provider_id: str
    licence_hash: str
    licence: JsonObject
    prints: int
    reprints: int
    prints_transferred: int
    prints_recorded: int
    credited: int
    starts_at: str
    expires_at: str
    printers: list[str]
    terms: JsonObject
    terms_salt: str
    replaces: str | None
    consented: bool
    transferred_from: str | None
    transfer_consent: JsonObject
    revocation: JsonObject
    receipt: Receipt | None
    revocation_receipt: Receipt | None
    created_at: str
