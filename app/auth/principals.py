"""The caller of a request, after its credentials were verified."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What an API key may do."""

    OWNER = "owner"
    PROVIDER = "provider"
    AUDITOR = "auditor"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Principal:
    """An organisation's API client."""

    organisation_id: str
    key_id: str
    roles: frozenset[Role]

    def has(self, *roles: Role) -> bool:
        """Tell whether the key has one of the roles."""
        return not self.roles.isdisjoint(roles)


@dataclass(frozen=True)
class PrinterPrincipal:
    """A printer that proved possession of its enrolled key; `print_id` is the print, or the
    plate, whose token it came with.
    """

    printer_id: str
    organisation_id: str
    print_id: str | None
