"""A case stands on what the chain says of its own licence and printer, not of others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.errors import IntegrityBroken
from app.models import Licence
from app.models import Printer as PrinterRow
from app.prints.case import Case, ask_chain, gather
from tests.app.parties import Party, Printer
from tests.app.service import Service


@pytest.fixture
def case(service: Service, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]) -> Case:
    """A print that may be: everything signed, licence and printer on chain."""
    licence_id, services = owner.license(revision, provider)["id"], service.services
    with services.database.read() as session:
        licence = session.get_one(Licence, licence_id)
        row = session.get_one(PrinterRow, printer.id)
        counts = ask_chain(services, licence.licence_hash, row.printer_hash)
        return gather(services, session, licence, row, counts)


class TestRequireIntact:
    def test_takes_what_was_signed_and_counted(self, service: Service, case: Case) -> None:
        case.require_intact(service.domain)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"licence": None}, "licence"),
            ({"licence_hash": bytes(32)}, "licence"),
            ({"printer": None}, "printer"),
            ({"printer_hash": bytes(32)}, "printer"),
            ({"printer_hash": None}, "printer"),
        ],
    )
    def test_refuses_an_answer_about_another_or_none(
        self, service: Service, case: Case, change: dict[str, Any], field: str
    ) -> None:
        """The row may have been exchanged between the question to the chain and its second reading."""
        with pytest.raises(IntegrityBroken, match="not one that the chain knows") as caught:
            replace(case, counts=replace(case.counts, **change)).require_intact(service.domain)
        assert caught.value.field == field

    def test_refuses_another_ledgers_signatures(self, service: Service, case: Case) -> None:
        with pytest.raises(IntegrityBroken, match="are not the enrolled ones") as caught:
            case.require_intact(replace(service.domain, chain_id=service.domain.chain_id + 1))
        assert caught.value.field == "printer"
