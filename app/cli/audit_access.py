"""API keys for the audit: whose each is, who made it, and that it may no more than its maker may.

No signature stands behind an API key, so a row made up whole, or one whose secret was exchanged, cannot be
told from a right one. What can: a key that was given more than it could be given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.auth.principals import Role
from app.models import ApiKey, Organisation
from ledger.audit import Finding


def findings(keys: Mapping[str, ApiKey], organisations: Mapping[str, Organisation]) -> Iterator[Finding]:
    """Yield what speaks against keys."""
    for row in keys.values():
        said = _against(row, keys, organisations)
        yield from (Finding(f"api_keys {row.id}", column, problem) for column, problem in said)


def _against(
    row: ApiKey, keys: Mapping[str, ApiKey], organisations: Mapping[str, Organisation]
) -> Iterator[tuple[str, str]]:
    organisation, maker = organisations.get(row.organisation_id), keys.get(row.created_by or "")
    if organisation is None:
        yield "organisation_id", f"there is no {row.organisation_id}"
        return
    if row.created_by is not None:
        if maker is None or maker.organisation_id != row.organisation_id:
            yield "created_by", f"{row.created_by} is no key of its organisation"
            return
        if row.created_at < maker.created_at:
            yield "created_at", "is before the key that made it"
    given = organisation.roles if maker is None else maker.roles
    for role in row.roles:
        if role not in tuple(Role):
            yield "roles", f"{role!r} is no role"
        elif role not in given and role != Role.AUDITOR:
            yield "roles", f"{role} is more than who made it could give"
    if row.revoked_at is not None and row.revoked_at < row.created_at:
        yield "revoked_at", "is before it was made"
