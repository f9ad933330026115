"""What takes the place of what, for the audit's tables: licences of prints, and printers of printers."""

from __future__ import annotations

from sqlmodel import Session, select

from app.models import Printer
from app.printers.binding import succeeds
from ledger.abi import LicenceGranted, PrintRecorded, PrintsTransferred
from ledger.audit import History
from ledger.commitment import reissue_salt
from ledger.typed_data import Domain, print_id


def replaced_prints(history: History) -> dict[bytes, tuple[bytes, int]]:
    """Give the print, as licence and number, that each licence granted in a print's place replaces.

    The salt of the signed licence names the print (docs/formats/evidence.md), so the chain shows it. Anybody
    can compute a print's salt: it counts in a licence for the same revision, which its owner alone can grant.
    """
    events = [record.seen.event for record in history.records]
    revisions: dict[bytes, bytes] = {}
    granted: dict[bytes, bytes] = {}
    for event in events:
        match event:
            case LicenceGranted(licence=licence, revision=revision, prints=1, reprints=0, salt=salt):
                revisions[licence], granted[licence] = revision, salt
            case LicenceGranted(licence=licence, revision=revision):
                revisions[licence] = revision
            case PrintsTransferred(licence=licence, origin=origin) if origin in revisions:
                revisions[licence] = revisions[origin]
            case _:
                pass
    asked = {revisions[licence] for licence in granted}
    prints = {
        reissue_salt(print_id(event.licence, event.sequence)): (event.licence, event.sequence)
        for event in events
        if isinstance(event, PrintRecorded) and revisions.get(event.licence) in asked
    }
    found = {licence: prints[salt] for licence, salt in granted.items() if salt in prints}
    return {made: of for made, of in found.items() if revisions[made] == revisions[of[0]]}


def successions(session: Session, domain: Domain) -> dict[bytes, bytes]:
    """Give the printer that each printer of a rotation replaces, by their names on chain.

    The chain knows nothing of rotations; a row counts where its predecessor's key signed it.
    """
    rows = {row.id: row for row in session.exec(select(Printer)).all()}
    pairs = ((row, rows.get(row.predecessor_id or "")) for row in rows.values())
    return {
        row.printer_hash: before.printer_hash
        for row, before in pairs
        if before is not None and row.printer_hash and before.printer_hash and succeeds(domain, row, before)
    }
