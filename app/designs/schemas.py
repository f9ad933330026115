"""What designs and revisions look like in requests and answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.encodings import Body, JsonInput, JsonObject, JsonValue, Label, Name, Prose, Receipt, SignedBody

Length = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class DesignCreate(Body):
    """A new part."""

    name: Name
    description: Prose = ""


class DesignView(BaseModel):
    """A part."""

    id: str
    name: str
    description: str
    created_at: str


class Recipe(Body):
    """How a revision is to be printed; it goes into the manifest and is bound by its commitment."""

    process: Label = Field(description="ISO/ASTM 52900 process, such as MEX, PBF-LB or VPP")
    material: Label | None = None
    parameters: JsonInput = Field(default_factory=dict)
    orientation: JsonValue = None
    build_volume_mm: tuple[Length, Length, Length] | None = None
    units: Literal["micron", "mm", "cm", "inch", "foot", "m"] | None = None


class RevisionCreate(Body):
    """A new version of a design."""

    recipe: Recipe


class PublishRequest(SignedBody):
    """Puts a revision's commitment on chain; an external account signs the publication."""


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
    recipe: JsonObject
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
