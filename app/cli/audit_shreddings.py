"""Shreddings for the audit: who could have confirmed them, when, and what their record must name.

No chain knows of a shredding. What its row can be held against: the rules by which it was decided, the API
keys it names, and what the rows of the design still say of what is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.models import ApiKey, Release, Revision, Shredding
from app.shredding.lifecycle import REQUEST_TTL_S, Asking, Event, Refusal, Standing, State, refusal
from ledger.audit import Finding

_DESTROYED = (State.CONFIRMED, State.SHREDDED)
_ENDED = (State.SHREDDED, State.WITHDRAWN, State.EXPIRED)


def findings(
    row: Shredding,
    keys: Mapping[str, ApiKey],
    revisions: Sequence[Revision],
    releases: Sequence[Release],
) -> Iterator[Finding]:
    """Yield what speaks against a row; `revisions` and `releases` are those of its design, `keys` all."""
    said = [*_course(row), *_people(row, keys), *_record(row, revisions, releases)]
    yield from (Finding(f"shreddings {row.id}", column, problem) for column, problem in said)


def _course(row: Shredding) -> Iterator[tuple[str, str]]:
    """Hold its times and states against its life cycle."""
    if row.expires_at != row.requested_at + REQUEST_TTL_S:
        yield "requested_at, expires_at", f"are not {REQUEST_TTL_S} s apart"
    destroyed, ended = row.state in _DESTROYED, row.state in _ENDED
    for column, value, wanted in (
        ("confirmed_at", row.confirmed_at, destroyed),
        ("confirmed_by", row.confirmed_by, destroyed),
        ("record", row.record, destroyed),
        ("withdrawn_by", row.withdrawn_by, row.state == State.WITHDRAWN),
        ("finished_at", row.finished_at, ended),
    ):
        if (value is not None) != wanted:
            yield (
                f"state, {column}",
                f"is {'there' if value is not None else 'missing'} while it is {row.state}",
            )
    if row.finished_at is not None and row.finished_at < (row.confirmed_at or row.requested_at):
        yield "finished_at", "is before what it ended"
    if row.state == State.EXPIRED and row.finished_at != row.expires_at:
        yield "finished_at", "is not when the request expired"


def _people(row: Shredding, keys: Mapping[str, ApiKey]) -> Iterator[tuple[str, str]]:
    """Decide once more whether the keys it names may have done what it says."""
    for column in ("requested_by", "confirmed_by", "withdrawn_by"):
        name = getattr(row, column)
        if name is not None and name not in keys:
            yield column, f"there is no API key {name}"
    confirmer = keys.get(row.confirmed_by or "")
    if confirmer is None or row.confirmed_at is None:
        return
    related = row.requested_by in _makers(confirmer.id, keys) or confirmer.id in _makers(
        row.requested_by, keys
    )
    asking = Asking(confirmer.id, confirmer.created_at, related)
    asked = Standing(State.REQUESTED, row.requested_by, row.requested_at, row.expires_at)
    against = refusal(asked, Event.CONFIRM, asking, row.confirmed_at)
    if against is not None:
        columns = "confirmed_at" if against is Refusal.STATE else "requested_by, confirmed_by"
        yield columns, f"could not have been confirmed so: {against}"


def _makers(key_id: str, keys: Mapping[str, ApiKey]) -> set[str]:
    found: set[str] = set()
    row = keys.get(key_id)
    while row is not None and row.created_by is not None and row.created_by not in found:
        found.add(row.created_by)
        row = keys.get(row.created_by)
    return found


def _record(
    row: Shredding, revisions: Sequence[Revision], releases: Sequence[Release]
) -> Iterator[tuple[str, str]]:
    """Hold the record of what was destroyed against what the design's rows say there was."""
    if not isinstance(row.record, dict):
        return
    told = {str(each.get("revision")): each for each in _rows(row.record, "revisions")}
    if {*told} != {each.id for each in revisions}:
        yield "record", "does not name each version of the design once"
        return
    for revision in revisions:
        gone = told[revision.id]
        objects = [_object(each) for each in _rows(gone, "objects")]
        whole = row.record.get("unreadable") == []
        if whole and sorted(objects, key=repr) != sorted(_objects_of(revision), key=repr):
            yield "record.objects", f"are not those that revision {revision.id} had"
        answered = {each.id for each in releases if each.revision_id == revision.id}
        if {each.get("id") for each in _rows(gone, "releases")} != answered:
            yield "record.releases", f"are not those of revision {revision.id}"


def _rows(document: object, name: str) -> list[dict[str, Any]]:
    """Give a list of objects in a document, without what is none."""
    found = document.get(name) if isinstance(document, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _object(told: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("column", "object_key", "ciphertext_sha256", "ciphertext_bytes")
    return tuple(told.get(name) for name in names)


def _objects_of(revision: Revision) -> Iterator[tuple[Any, ...]]:
    for column in ("file_object", "thumbnail_object"):
        stored = getattr(revision, column)
        if stored is not None:
            yield _object({"column": column, **stored})
