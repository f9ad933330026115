"""What prints look like in requests and answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from app.encodings import (
    Body,
    DomainView,
    Hex32,
    JsonInput,
    JsonObject,
    Receipt,
    RowId,
    SignedBody,
    Time,
)
from app.licences.schemas import LicencePrepared, PrinterKey

PrinterSignature = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{128}$", description="r ‖ s, low s")]


class PrintRequest(Body):
    """A print on one printer under one licence."""

    licence_id: RowId
    printer_id: RowId


class ReasonView(BaseModel):
    """Why a print is not permitted."""

    code: str
    message: str
    source: str


class CheckView(BaseModel):
    """The dry run of an authorisation."""

    allowed: bool
    reasons: list[ReasonView]


class PrintAuthorised(BaseModel):
    """A new print with its token, shown this once."""

    id: str
    state: str
    sequence: int
    token: str
    token_expires_at: str
    licence_hash: str
    printer_hash: str


class PrintView(BaseModel):
    """A print as its parties see it.

    `outcome_due_at` is there while an outcome is awaited, and `overdue` says that it is late; it is taken all
    the same. `credited` says whether the licence got one print back for its failure, from when the chain has
    the outcome. `replaced_by` is the licence that its owner granted in its place.
    """

    id: str
    licence_id: str
    printer_id: str
    owner_id: str
    provider_id: str
    plate_id: str | None
    state: str
    sequence: int
    licence_hash: str
    printer_hash: str | None
    token_expires_at: str
    redeemed_at: str | None
    release_id: str | None
    reasons: list[ReasonView]
    outcome_due_at: str | None
    overdue: bool
    outcome: JsonObject | None
    report: JsonObject | None
    credited: bool | None
    replaced_by: str | None
    receipt: Receipt | None
    outcome_receipt: Receipt | None
    created_at: str


class ClaimView(BaseModel):
    """What the printer is to sign, and all it needs to judge beforehand."""

    print_id: str
    claim: JsonObject
    domain: DomainView
    printer_hash: str
    manifest: str
    salt: str
    commitment: str
    revision_hash: str
    licence: JsonObject


class RedeemRequest(Body):
    """The claim, signed by the printer."""

    claim: JsonInput
    signature: PrinterSignature


class SealedKey(BaseModel):
    """The data key, sealed to the printer (RFC 9180)."""

    suite: str
    blob: str


class ReleasedObject(BaseModel):
    """Where the ciphertext is and what it must be."""

    url: str
    sha256: str
    bytes: int
    plaintext_sha256: str
    plaintext_bytes: int
    filename: str
    context: JsonObject


class ReleaseView(BaseModel):
    """The release: the same bytes for every repeat of the same redemption."""

    release_id: str
    print_id: str
    printer_hash: str
    sealed_key: SealedKey
    info: str
    object: ReleasedObject
    manifest: str
    salt: str
    commitment: str
    licence: JsonObject
    receipt: Receipt


class RedemptionPending(BaseModel):
    """The chain has not confirmed the print yet: repeat the request."""

    print_id: str
    state: str


class OutcomeRequest(Body):
    """The printer's signed result, with the report it commits to."""

    outcome: JsonInput
    report: JsonInput
    report_salt: Hex32
    signature: PrinterSignature


class OutcomeView(BaseModel):
    """Where the outcome stands."""

    print_id: str
    state: str
    receipt: Receipt | None


class ReissueRequest(SignedBody):
    """Replaces a print that came to nothing; everything but the window is as its licence has it.

    `starts_at` is now where it is not given. `sealed_keys`, where the owner holds the key: one for each
    printer listed that is neither retired nor in quarantine.
    """

    starts_at: Time | None = None
    expires_at: Time
    sealed_keys: Annotated[list[PrinterKey], Field(max_length=1000)] = Field(default_factory=list)


class ReissuePrepared(LicencePrepared):
    """What the owner is to sign in place of a print; `printers` names those listed on chain, by their ids.

    Their `printers_root` is the licence's `printers`.
    """

    printers: dict[str, str]
