"""What designs and revisions look like in requests and answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from app.designs.custody import Custody
from app.encodings import Body, JsonInput, JsonObject, Label, Name, Prose, Receipt, SignedBody

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Coordinate = Annotated[float, Field(allow_inf_nan=False)]


def _pointing(direction: tuple[float, float, float]) -> tuple[float, float, float]:
    if not any(direction):
        raise ValueError("a direction has a number other than zero")
    return direction


Direction = Annotated[tuple[Coordinate, Coordinate, Coordinate], AfterValidator(_pointing)]
Length = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class DesignCreate(Body):
    """A new part."""

    name: Name
    description: Prose = ""
    custody: Custody = Field(
        default=Custody.SERVICE,
        description="who holds the data keys: `service` (wrapped), or `owner` alone; stays as it is",
    )


class DesignView(BaseModel):
    """A part; `shredded_at` is when its keys were destroyed, null for one that is alive."""

    id: str
    name: str
    description: str
    custody: Custody
    created_at: str
    shredded_at: str | None


class Recipe(Body):
    """How a revision is to be printed; it goes into the manifest and is bound by its commitment."""

    process: Label = Field(description="ISO/ASTM 52900 process, such as MEX, PBF-LB or VPP")
    material: Label | None = None
    parameters: JsonInput = Field(default_factory=dict)
    orientation: Direction | None = Field(
        default=None,
        description="the direction of the file's axes that points up in the machine, `[x, y, z]`; if not said"
        ", the part stands as its file has it. A machine must have room for it so",
    )
    build_volume_mm: tuple[Length, Length, Length] | None = None
    units: Literal["micron", "mm", "cm", "inch", "foot", "m"] | None = None
    rotations: Literal["none", "about_z", "any_axis", "any"] | None = Field(
        default=None, description="how the part may be turned to fit the build volume; `any_axis` if not said"
    )
    wall_mm_min: Length | None = Field(
        default=None, description="thinner walls refuse the part; if not said, the process's guideline warns"
    )
    gap_mm_min: Length | None = Field(
        default=None, description="narrower gaps refuse the part; if not said, the process's guideline warns"
    )
    overhang_degrees_max: Annotated[float, Field(gt=0, le=90, allow_inf_nan=False)] | None = Field(
        default=None, description="lean from the vertical that needs no support; if not said, the process's"
    )
    cavities: Literal["allow", "warn", "refuse"] | None = Field(
        default=None, description="what closed voids do; if not said, as they trap in the process"
    )
    overlaps: Literal["allow", "warn", "refuse"] | None = Field(
        default=None, description="what bodies that lie in each other do; `refuse` if not said"
    )
    canonical: bool | None = Field(
        default=None,
        description="true: only a file in its canonical form passes, here and at the printer",
    )
    machine: JsonInput | None = Field(
        default=None,
        description="limits of the machine that a toolpath (G-code) was made for: `temperature_c_max`,"
        " `bed_c_max`, `feed_mm_s_max`, `acceleration_mm_s2_max` and more; without it a toolpath is refused."
        " A printer holds what it prints to limits of its own",
    )


class RevisionCreate(Body):
    """A new version of a design."""

    recipe: Recipe


class PublishRequest(SignedBody):
    """Puts a revision's commitment on chain; an external account signs the publication."""


class DeclaredInspection(Body):
    """What the gate found where the owner ran it, as `partvault mesh check --json` gives it.

    A part has `geometry`; a toolpath has `toolpath`, and a geometry of null.
    """

    verdict: Literal["pass", "refuse"]
    findings: Annotated[list[JsonInput], Field(max_length=1000)]
    geometry: JsonInput | None
    toolpath: JsonInput | None = None


class DeclarationRequest(Body):
    """What an uploaded ciphertext holds, by the word of its owner; digests are SHA-256 in hex."""

    filename: Annotated[str, Field(max_length=200)]
    format: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,31}$")]
    plaintext_sha256: Sha256
    plaintext_bytes: Annotated[int, Field(ge=1)]
    ciphertext_sha256: Sha256
    inspection: DeclaredInspection


class CiphertextView(BaseModel):
    """A ciphertext that its owner uploaded, and what it is bound to."""

    sha256: str
    bytes: int
    context: JsonObject


class FileView(BaseModel):
    """The print file of a revision; the digest is of the plaintext."""

    filename: str
    bytes: int
    sha256: str
    format: str | None


class PublicationView(BaseModel):
    """The statement its owner signs."""

    owner: str
    commitment: str


class RevisionView(BaseModel):
    """A revision as its owner sees it."""

    id: str
    design_id: str
    number: int
    state: str
    custody: Custody
    recipe: JsonObject
    upload_context: JsonObject | None = Field(
        description="what the next ciphertext is bound to, where the owner holds the key; or a higher version"
    )
    ciphertext: CiphertextView | None
    file: FileView | None
    inspection: JsonObject | None
    manifest: str | None
    salt: str | None
    commitment: str | None
    publication: PublicationView | None
    typed_data: JsonObject | None
    revision_hash: str | None
    receipt: Receipt | None
    created_at: str
