"""What printers look like in requests and answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from app.encodings import Body, DomainView, Hex32, JsonObject, Label, Name, Receipt, SignedBody

Length = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class Machine(Body):
    """What the machine can do; an empty list of materials means any."""

    model: Name
    build_volume_mm: tuple[Length, Length, Length]
    processes: Annotated[list[Label], Field(min_length=1, max_length=50)]
    materials: Annotated[list[Label], Field(max_length=500)] = Field(default_factory=list)


class PrinterCreate(Body):
    """A machine that is going to be enrolled."""

    name: Name
    machine: Machine


class SigningKey(Body):
    """The printer's P-256 public key."""

    x: Hex32
    y: Hex32


class SealingKey(Body):
    """The printer's HPKE public key."""

    suite: Label
    public: str = Field(max_length=4096, description="base64")


class EnrolRequest(Body):
    """What the printer sends: first without, then with its signature over the enrolment."""

    enrolment_code: str = Field(max_length=200)
    signing_key: SigningKey
    sealing_key: SealingKey
    signature: str | None = Field(
        default=None, pattern=r"^0x[0-9a-fA-F]{128}$", description="r ‖ s over the EIP-712 digest, low s"
    )


class EnrolAnswer(BaseModel):
    """The enrolment to sign, and where the printer stands."""

    printer_id: str
    printer_hash: str
    state: str
    enrolment: JsonObject
    domain: DomainView
    provider: str


class ApproveRequest(SignedBody):
    """Puts the enrolment on chain; an external account signs it."""


class RetireRequest(SignedBody):
    """Retires the printer for good; an external account signs the retirement."""


class PrinterView(BaseModel):
    """A printer as its provider sees it."""

    id: str
    name: str
    machine: JsonObject
    state: str
    enrolment: JsonObject | None
    enrolment_expires_at: str | None
    printer_hash: str | None
    key_thumbprint: str | None
    sealing_suite: str | None
    typed_data: JsonObject | None
    receipt: Receipt | None
    retirement_receipt: Receipt | None
    created_at: str


class PrinterCreated(PrinterView):
    """A new printer with its enrolment code, shown this once."""

    enrolment_code: str
    expires_at: str
