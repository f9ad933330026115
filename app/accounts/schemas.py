"""What accounts look like in requests and answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.auth.principals import Role
from app.encodings import Body, Name

TenantRole = Literal[Role.OWNER, Role.PROVIDER, Role.AUDITOR]


class ManagedAccount(Body):
    """The service makes the key and keeps it wrapped."""

    type: Literal["managed"] = "managed"


class ExternalAccount(Body):
    """The organisation keeps its own key and sends signatures."""

    type: Literal["external"]
    address: str = Field(pattern=r"^0x[0-9a-fA-F]{40}$")


Account = Annotated[ManagedAccount | ExternalAccount, Field(discriminator="type")]


class OrganisationCreate(Body):
    """A new party."""

    name: Name
    roles: Annotated[list[TenantRole], Field(min_length=1, max_length=3)]
    account: Account = Field(default_factory=ManagedAccount)


class AccountView(BaseModel):
    """An organisation's account on chain."""

    type: str
    address: str


class OrganisationView(BaseModel):
    """A party, as the operator sees it."""

    id: str
    name: str
    roles: list[str]
    account: AccountView | None
    created_at: str


class NewKey(BaseModel):
    """An API key with its text, shown this once."""

    id: str
    key: str
    roles: list[str]


class OrganisationCreated(OrganisationView):
    """A new party with its first API key."""

    api_key: NewKey


class ApiKeyCreate(Body):
    """A further API key; its roles must be the caller's own, or auditor."""

    name: Name
    roles: Annotated[list[Role], Field(min_length=1, max_length=4)]


class ApiKeyView(BaseModel):
    """An API key without its text; `created_by` is the key it was made with, null for the first."""

    id: str
    name: str
    roles: list[str]
    created_at: str
    created_by: str | None
    revoked_at: str | None


class ApiKeyCreated(ApiKeyView):
    """A new API key with its text, shown this once."""

    key: str


class Me(OrganisationView):
    """Whom the presented key belongs to; `roles` are the key's."""

    key_id: str
    organisation_roles: list[str]


class Party(BaseModel):
    """An organisation as others see it."""

    id: str
    name: str
    roles: list[str]
    address: str | None
