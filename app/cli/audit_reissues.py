"""Re-issues for the audit: a licence's signed salt says which print it replaces, and so must the row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from app.errors import AppError
from app.licences.service import statement_of
from app.models import Licence, Print, Reissue
from ledger.audit import Finding
from ledger.commitment import reissue_salt
from ledger.errors import LedgerError
from ledger.typed_data import print_id


def findings(row: Reissue, licences: Mapping[str, Licence], prints: Mapping[str, Print]) -> Iterator[Finding]:
    """Yield what a row says that the licence signed in the print's place does not."""
    name, made, of_print = f"reissues {row.print_id}", licences.get(row.licence_id), prints.get(row.print_id)
    origin = licences.get(of_print.licence_id) if of_print else None
    if made is None or of_print is None or origin is None:
        yield Finding(name, "print_id, licence_id", f"there is no {row.print_id} or no {row.licence_id}")
        return
    try:
        granted, replaced = statement_of(made), statement_of(origin)
    except (AppError, LedgerError):
        return  # the licence's own finding
    expected = replace(
        replaced,
        starts_at=granted.starts_at,
        expires_at=granted.expires_at,
        prints=1,
        reprints=0,
        salt=_salt(of_print, origin),
    )
    if granted != expected:
        yield Finding(name, "licence_id", f"{made.id} was not granted in place of print {of_print.id}")


def untold(
    rows: Iterable[Reissue], licences: Mapping[str, Licence], prints: Mapping[str, Print]
) -> Iterator[Finding]:
    """Yield each licence whose salt names a print that it replaces, where no row tells of it."""
    told = {row.licence_id for row in rows}
    salts = {
        "0x" + _salt(each, licences[each.licence_id]).hex(): each.id
        for each in prints.values()
        if each.holds_sequence and each.licence_id in licences
    }
    for made in licences.values():
        replaced = salts.get(str(made.statement.get("salt")))
        if replaced is not None and made.id not in told and made.transferred_from is None:
            yield Finding(f"reissues {replaced}", "row", f"is missing: licence {made.id} replaces that print")


def _salt(row: Print, licence: Licence) -> bytes:
    return reissue_salt(print_id(licence.licence_hash, row.sequence))
