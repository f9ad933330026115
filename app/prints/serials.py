"""Serial numbers of pieces: within a design, each on one completed print.

A second piece with the number of a first is refused, not accepted and marked: an outcome is final on chain,
so a wrong number would stay on its certificate for good, while a refused report can be given again with the
right one. Refusing costs nobody anything else: the print is counted all the same, and what may be credited
has failed, and failed prints claim no number.
"""

from __future__ import annotations

from sqlmodel import Session, col, select

from app.errors import Reason
from app.models import Design, Licence, PartSerial, Print, Revision
from ledger.print_report import PrintReport
from ledger.typed_data import Result

TAKEN = "serial_taken"


def claim(session: Session, row: Print, said: PrintReport) -> Reason | None:
    """Claim the report's numbers for a completed print, within the caller's transaction.

    Where one of them is another print's: nothing is claimed, and the reason, which names no other print, is
    kept in the row for its parties and given.
    """
    row.reasons = [reason for reason in row.reasons if reason["code"] != TAKEN]
    if said.result is not Result.COMPLETED or not said.serials:
        return None
    licence = session.get_one(Licence, row.licence_id)
    design_id = session.get_one(Revision, licence.revision_id).design_id
    session.get_one(Design, design_id, with_for_update=True)
    same = select(PartSerial).where(
        PartSerial.design_id == design_id, col(PartSerial.serial).in_(said.serials)
    )
    taken = sorted(each.serial for each in session.exec(same).all())
    if taken:
        message = f"serial {', '.join(taken)} is on another completed print of this design"
        reason = Reason(TAKEN, message, source="report")
        row.reasons = [*row.reasons, reason.to_json()]
        return reason
    session.add_all(PartSerial(design_id=design_id, serial=each, print_id=row.id) for each in said.serials)
    return None
