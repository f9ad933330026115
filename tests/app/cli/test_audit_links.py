"""Which print a licence replaces, as events alone show it, and what only looks like it."""

from __future__ import annotations

from dataclasses import replace

from app.cli.audit_links import replaced_prints
from ledger.abi import Event, LicenceGranted, PrintRecorded, PrintsTransferred
from ledger.audit import History, Record
from ledger.chain import Header, Log
from ledger.commitment import reissue_salt
from ledger.indexer import IndexedEvent
from ledger.typed_data import Domain, print_id

ZERO = bytes(32)
ACCOUNT = "0x" + "22" * 20
FIRST = LicenceGranted(b"\1" * 32, b"\7" * 32, ACCOUNT, ZERO, 5, 0, 0, 9, ZERO, b"\5" * 32)
PRINTED = PrintRecorded(FIRST.licence, b"\3" * 32, 4, ZERO)
PLACE = reissue_salt(print_id(FIRST.licence, 4))
INSTEAD = replace(FIRST, licence=b"\2" * 32, prints=1, salt=PLACE)


def history(*events: Event) -> History:
    logs = (Log(ACCOUNT, (), b"", 1, ZERO, ZERO, 0, index) for index in range(len(events)))
    records = [
        Record(IndexedEvent(log, 1, event, None), None) for log, event in zip(logs, events, strict=True)
    ]
    domain, head = Domain(1, ACCOUNT), Header(1, ZERO, ZERO, 1)
    return History(domain, ZERO, True, head, {}, records, {}, {}, {})


class TestReplacedPrints:
    def test_follows_the_salt(self) -> None:
        assert replaced_prints(history(FIRST, PRINTED, INSTEAD)) == {INSTEAD.licence: (FIRST.licence, 4)}

    def test_knows_prints_of_licences_that_were_passed_on(self) -> None:
        moved = PrintsTransferred(b"\4" * 32, FIRST.licence, ACCOUNT, 2, ZERO)
        printed = replace(PRINTED, licence=moved.licence, sequence=1)
        instead = replace(INSTEAD, salt=reissue_salt(print_id(moved.licence, 1)))
        found = replaced_prints(history(FIRST, moved, printed, instead))
        assert found == {instead.licence: (moved.licence, 1)}

    def test_believes_no_salt_in_a_licence_for_something_else(self) -> None:
        alien = replace(INSTEAD, revision=b"\x08" * 32)
        more = [replace(INSTEAD, prints=2), replace(INSTEAD, reprints=1)]
        own = replace(FIRST, licence=b"\6" * 32, revision=alien.revision)
        beside = replace(PRINTED, licence=own.licence)
        assert replaced_prints(history(FIRST, PRINTED, own, beside, alien)) == {}
        for licence in more:
            assert replaced_prints(history(FIRST, PRINTED, licence)) == {}

    def test_knows_nothing_of_a_print_that_was_not_counted(self) -> None:
        assert replaced_prints(history(FIRST, INSTEAD)) == {}
