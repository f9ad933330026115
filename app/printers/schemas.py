"""What printers look like in requests and answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from app.encodings import Body, DomainView, Hex32, JsonInput, JsonObject, Label, Name, Receipt, SignedBody

_SPELLING = "its EIP-712 digest: r ‖ s, s in the lower half of the order"
PrinterSignature = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{128}$")]
Length = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class MachineFacts(Body):
    """What a provider states of a machine for licences' terms to be held to; nothing in it is proved."""

    site: Label | None = Field(default=None, description="where the machine stands, in the words of terms")
    qualifications: Annotated[list[Label], Field(max_length=100)] = Field(
        default_factory=list, description="qualifications that machine and process hold now"
    )
    export_labels: Annotated[list[Label], Field(max_length=100)] = Field(
        default_factory=list, description="export labels that machine and site are cleared for"
    )
    calibrated_at: Annotated[int, Field(ge=0, le=2**40)] | None = Field(
        default=None, description="last calibration, Unix time in seconds"
    )


class Machine(MachineFacts):
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


class AttestationBody(Body):
    """A device's evidence for its keys; `activation` is what its endorsement key opened the challenge to."""

    evidence: JsonInput
    activation: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class EnrolRequest(Body):
    """What the printer sends: first without, then with its signatures over enrolment and sealing key."""

    enrolment_code: str = Field(max_length=200)
    signing_key: SigningKey
    sealing_key: SealingKey
    signature: PrinterSignature | None = Field(default=None, description="over `enrolment`, " + _SPELLING)
    sealing_signature: PrinterSignature | None = Field(
        default=None, description="over `sealing`, " + _SPELLING
    )
    succession_signature: PrinterSignature | None = Field(
        default=None, description="over `succession` by the keys of before, " + _SPELLING
    )
    attestation: AttestationBody | None = Field(
        default=None, description="where a device holds the keys and attests them"
    )


class ChallengeView(BaseModel):
    """What only the TPM of both endorsement and attestation key opens (TPM2_ActivateCredential); base64."""

    blob: str
    secret: str


class EnrolAnswer(BaseModel):
    """The statements to sign, and where the printer stands; `succession` where keys rotate."""

    printer_id: str
    printer_hash: str
    state: str
    enrolment: JsonObject
    sealing: JsonObject
    succession: JsonObject | None = None
    challenge: ChallengeView | None = None
    domain: DomainView
    provider: str


class StandingView(BaseModel):
    """Where a printer stands, as it is told itself; `tokens` are the SHA-256 of its live print tokens."""

    id: str
    state: str
    predecessor_id: str | None
    successor_id: str | None
    tokens: list[str]


class AttestationClaim(BaseModel):
    """One thing that the evidence may show of the keys, and why it does or does not."""

    claim: str
    detail: str


class AttestationView(BaseModel):
    """What a device's evidence was verified to show of its keys, and what it was not.

    `complete` where every claim holds: the keys are in a TPM of a manufacturer that the operator trusts.
    """

    format: str = Field(description="`none` where there is no evidence")
    complete: bool
    verified: list[AttestationClaim]
    unverified: list[AttestationClaim]
    endorsement: str | None = Field(default=None, description="issuer and serial number of its certificate")


class ApproveRequest(SignedBody):
    """Puts the enrolment on chain; an external account signs it."""


class RetireRequest(SignedBody):
    """Retires the printer for good; an external account signs the retirement."""


class QuarantineRequest(Body):
    """Stops a printer until it is lifted."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class QuarantineView(BaseModel):
    """Why, since when and by whom a printer is in quarantine."""

    reason: str
    by_operator: bool
    since: str


class AlarmView(BaseModel):
    """One kind of impossible use of one printer's credentials in one hour; `detail` tells of the latest."""

    id: str
    printer_id: str
    kind: str
    count: int
    detail: str
    first_at: str
    last_at: str


class RetirementView(BaseModel):
    """What its provider signs to retire a printer for good.

    `due` once a successor has its place and nothing of it is under way; `by_service` where the service signs
    for the provider, and so retires it then by itself.
    """

    statement: JsonObject
    typed_data: JsonObject
    due: bool
    by_service: bool


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
    retirement: RetirementView | None = Field(
        default=None, description="while the printer is on the ledger and not retired"
    )
    quarantine: QuarantineView | None = None
    predecessor_id: str | None = None
    successor_id: str | None = None
    attestation: AttestationView
    created_at: str


class VouchedSealingKey(BaseModel):
    """An HPKE public key, and the printer's signature over its EIP-712 statement."""

    suite: str
    public: str = Field(description="base64")
    signature: str = Field(description="r ‖ s by the signing key of the enrolment")


class EnrolledMachine(BaseModel):
    """What others need to know of a machine."""

    model: str
    build_volume_mm: tuple[float, float, float]
    processes: list[str]


class EnrolledPrinter(BaseModel):
    """A printer as others see it: all that it takes to verify its keys, and what it can build."""

    id: str
    printer_hash: str
    enrolment: JsonObject
    sealing: VouchedSealingKey
    machine: EnrolledMachine
    attestation: AttestationView


class PrinterCreated(PrinterView):
    """A new printer with its enrolment code, shown this once."""

    enrolment_code: str
    expires_at: str
