"""The keys that come with a licence of an owner-held design: one for each printer, sealed by the owner.

The service cannot open them, so all it can refuse is what a printer surely could not open either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlmodel import Session, col, select

from app.designs.custody import Custody
from app.encodings import from_base64
from app.errors import Conflict, Invalid
from app.licences.schemas import PrinterKey
from app.models import Licence, LicenceKey
from storage.recipients import sealed_bytes

_ONE_EACH = "seal the data key to every printer the licence lists, once (docs/formats/sealed-key.md)"


def require_mode(custody: Custody, printers: Sequence[str], given: Sequence[PrinterKey]) -> None:
    """Refuse what mixes the modes: a list of printers is a must with owner-held keys, keys with others a
    mistake.
    """
    if custody == Custody.OWNER and not printers:
        raise Invalid(
            "a licence of a design whose owner holds the key lists its printers",
            field="printers",
            remedy="name each printer that is to have the key",
        )
    if custody == Custody.SERVICE and given:
        raise Conflict(
            "the service keeps the key of this design and seals it itself, so a licence carries none",
            field="sealed_keys",
            remedy="leave sealed_keys out; make a design of custody owner to hold its key yourself",
        )


def rows_of(
    licence_id: str, custody: Custody, suites: Mapping[str, str], given: Sequence[PrinterKey]
) -> tuple[LicenceKey, ...]:
    """Make the rows of a licence's keys; `suites` are those of the printers it lists.

    Raises Invalid unless an owner-held design's licence has exactly one for each printer, of its suite.
    """
    if custody == Custody.SERVICE:
        return ()
    named = [key.printer_id for key in given]
    for printer_id in suites:
        if named.count(printer_id) != 1:
            raise Invalid(
                f"there are {named.count(printer_id)} sealed keys for printer {printer_id}, not one",
                field="sealed_keys",
                remedy=_ONE_EACH,
            )
    return tuple(_row(licence_id, suites, key, at) for at, key in enumerate(given))


def _row(licence_id: str, suites: Mapping[str, str], key: PrinterKey, at: int) -> LicenceKey:
    suite = suites.get(key.printer_id)
    if suite is None:
        raise Invalid(
            f"printer {key.printer_id} is not among the licence's", field="sealed_keys", remedy=_ONE_EACH
        )
    if key.suite != suite:
        raise Invalid(
            f"printer {key.printer_id} opens {suite}, the key is sealed for {key.suite}",
            field=f"sealed_keys.{at}.suite",
            remedy="seal to the key that GET /v1/parties/{id}/printers gives",
        )
    blob = from_base64(key.blob, f"sealed_keys.{at}.blob")
    if len(blob) != sealed_bytes(suite):
        raise Invalid(
            f"a key sealed for {suite} has {sealed_bytes(suite)} bytes, not {len(blob)}",
            field=f"sealed_keys.{at}.blob",
            remedy=_ONE_EACH,
        )
    return LicenceKey(licence_id=licence_id, printer_id=key.printer_id, suite=suite, blob=blob)


def destroy(session: Session, revision_id: str) -> int:
    """Delete the keys of every licence of a revision; gives how many there were."""
    licences = select(Licence.id).where(Licence.revision_id == revision_id)
    rows = session.exec(select(LicenceKey).where(col(LicenceKey.licence_id).in_(licences))).all()
    for row in rows:
        session.delete(row)
    return len(rows)
