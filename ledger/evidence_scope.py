"""What belongs into an evidence file: which statements there are about its subjects, some licences. Pure.

Who writes a file and who audits it go by this, so that a file is complete for both or for neither.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ledger.operations import (
    Enrol,
    Grant,
    Operation,
    Publish,
    RecordOutcome,
    RecordPlate,
    RecordPrint,
    Retire,
    Revoke,
    Transfer,
)
from ledger.typed_data import transferred


@dataclass(frozen=True)
class Reach:
    """What a statement is about: licences (of a transfer the one that gives and the one it makes), and the
    revision or printer it names. `makes` is the licence that begins with it.
    """

    licences: frozenset[bytes] = frozenset()
    revision: bytes | None = None
    printer: bytes | None = None
    makes: bytes | None = None


def reach_of(operation: Operation, printer: bytes | None) -> Reach:
    """Return what an operation is about; `printer` is the one its event names, for prints and outcomes."""
    match operation:
        case Publish(publication):
            return Reach(revision=publication.struct_hash())
        case Grant(licence):
            granted = licence.struct_hash()
            return Reach(frozenset({granted}), licence.revision, makes=granted)
        case Transfer(origin, transfer):
            made = transferred(origin, transfer).struct_hash()
            return Reach(frozenset({transfer.licence, made}), origin.revision, makes=made)
        case Revoke(licence):
            return Reach(frozenset({licence.struct_hash()}))
        case Enrol(enrolment):
            return Reach(printer=enrolment.struct_hash())
        case Retire(retirement):
            return Reach(printer=retirement.printer)
        case RecordPlate():
            return Reach()  # its prints say it all
        case RecordPrint(claim):
            return Reach(frozenset({claim.licence}), printer=printer)
        case RecordOutcome(licence):
            return Reach(frozenset({licence}), printer=printer)


def within(reaches: Sequence[Reach], subjects: Collection[bytes]) -> list[bool]:
    """Return of each statement whether it belongs into a file about `subjects`.

    That is what is about one of them, the publications these rest on, and what is about printers that
    printed under them.
    """
    wanted = frozenset(subjects)
    about = [reach for reach in reaches if reach.licences & wanted]
    revisions = {reach.revision for reach in about} - {None}
    printers = {reach.printer for reach in about} - {None}
    return [
        bool(each.licences & wanted)
        if each.licences
        else each.revision in revisions or each.printer in printers
        for each in reaches
    ]
