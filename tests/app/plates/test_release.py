"""The releases of a plate: never before the count, all or none, healed after every interruption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import submission
from ledger.operations import RecordPlate
from ledger.typed_data import Plate
from tests.app.impatient import SETTLED, Impatient, impatient_service
from tests.app.parties import Party, Printer, problem
from tests.app.plates.client import authorise, claims_of, redeem, redeem_claims
from tests.app.service import Service


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Impatient]:
    folder: Path = tmp_path_factory.mktemp("impatient-plates")
    with impatient_service(folder) as running:
        yield running


def states(market: Impatient, made: dict[str, Any]) -> list[tuple[str, int]]:
    """Each print's state, and whether it holds its number."""
    held = "select holds_sequence from prints where id = ?"
    seen = market.provider.expect(200, "GET", f"/v1/plates/{made['id']}")["prints"]
    return [(each["state"], market.service.column(held, each["print_id"])) for each in seen]


class TestConclude:
    def test_answers_the_retry_when_the_chain_has_spoken(self, market: Impatient) -> None:
        one, two, printer = market.licence(), market.licence(), market.printer()
        made = authorise(market.provider, printer, one, two)
        first = redeem(printer, made["token"], "plate-retry-1")
        assert first.status_code in SETTLED
        assert first.status_code == 200 or first.headers["retry-after"] == "1"
        market.recorded(one)
        again = redeem(printer, made["token"], "plate-retry-1")
        assert again.status_code == 200, again.text
        assert redeem(printer, made["token"], "plate-retry-1").content == again.content
        problem(redeem(printer, made["token"], "plate-retry-2"), "token-spent")
        assert [market.provider.recorded(each) for each in (one, two)] == [1, 1]

    def test_needs_no_retry(self, market: Impatient) -> None:
        one, two, printer = market.licence(), market.licence(), market.printer()
        made = authorise(market.provider, printer, one, two)
        assert redeem(printer, made["token"], "lost-plate-1").status_code in SETTLED
        market.recorded(two)
        market.sweeper.sweep()
        market.sweeper.sweep()
        assert states(market, made) == [("redeemed", 1), ("redeemed", 1)]
        assert redeem(printer, made["token"], "lost-plate-1").status_code == 200

    @pytest.mark.parametrize("change", ["revoke", "quarantine", "rewrite"])
    def test_withholds_every_key_where_one_print_was_withdrawn_meanwhile(
        self, market: Impatient, change: str
    ) -> None:
        one, two, printer = market.licence(), market.licence(), market.printer()
        made = authorise(market.provider, printer, one, two)
        first = redeem(printer, made["token"], "late-plate-1")
        assert first.status_code in SETTLED
        market.recorded(two)
        if change == "revoke":
            market.owner.call("POST", f"/v1/licences/{two['id']}/revoke", json={})
        elif change == "quarantine":
            place = f"/v1/printers/{printer.id}/quarantine"
            market.provider.expect(200, "POST", place, json={"reason": "its door was open"})
        else:
            statement = "update revisions set manifest = replace(manifest, 'PETG', 'PVC') where id = ?"
            market.service.execute(statement, two["revision_id"])
        released = [market.released(each["print_id"]) for each in made["prints"]]
        market.sweeper.sweep()
        late = redeem(printer, made["token"], "late-plate-1")
        if all(released):
            return  # the chain was faster than the withdrawal
        assert (late.status_code, any(released)) == (409, False)
        assert states(market, made) == [("refused", 1), ("refused", 1)]
        assert not any(market.released(each["print_id"]) for each in made["prints"])
        expected = {"revoke": "licence_revoked", "quarantine": "printer_quarantined", "rewrite": "integrity"}
        told = market.provider.expect(200, "GET", f"/v1/plates/{made['id']}")["prints"]
        assert {reason["code"] for each in told for reason in each["reasons"]} == {expected[change]}


class TestContract:
    def test_refuses_what_it_rejects_names_the_part_and_frees_every_number(
        self, service: Service, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        """A claim whose deadline has passed reaches the chain: policy cannot foresee that."""
        one, two = (owner.license(revision, provider, prints=1) for _ in range(2))
        made = authorise(provider, printer, one, two)
        issued = claims_of(printer, made["token"])
        late = (issued[0], replace(issued[1], deadline=1))
        signature = bytes.fromhex(printer.sign(Plate.of(late))[2:])
        operation = RecordPlate(late, *printer.coordinates(), signature, ((), ()))
        statement = "update prints set state = 'redeeming', redeem_key = 'doomed-plate', record_operation = ?"
        with service.services.database.write() as session:
            submission.append(session, operation)
        service.execute(f"{statement} where plate_id = ?", operation.operation_id, made["id"])
        refused = redeem_claims(printer, made["token"], issued, "doomed-plate")
        (reason,) = problem(refused)["reasons"]
        assert (reason["code"], reason["source"]) == ("claim_expired", "contract")
        assert reason["message"].startswith("part 1: ")
        assert (provider.recorded(one), provider.recorded(two)) == (0, 0)
        assert [provider.authorise(each, printer)["sequence"] for each in (one, two)] == [1, 1]

    def test_rows_alone_release_no_key(
        self, service: Service, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        """An outbox row that says confirmed, for a plate the chain has not counted."""
        licence = owner.license(revision, provider, prints=4)
        counted, forged = (authorise(provider, printer, licence, licence) for _ in range(2))
        claims = claims_of(printer, forged["token"])
        assert redeem(printer, counted["token"]).status_code == 200
        told = "select record_operation from prints where plate_id = ?"
        real = service.column(told, counted["id"])
        state = "update prints set state = 'redeeming', redeem_key = 'forged-plate', record_operation = ?"
        service.execute(f"{state} where plate_id = ?", real, forged["id"])
        answer = redeem_claims(printer, forged["token"], claims, "forged-plate")
        assert answer.status_code == 202, answer.text
        released = "select count(*) from releases join prints on prints.id = print_id where plate_id = ?"
        assert service.column(released, forged["id"]) == 0
        service.execute("update prints set state = 'expired' where plate_id = ?", forged["id"])


class TestShredding:
    def test_a_plate_with_a_shredded_design_hands_out_nothing_again(
        self, service: Service, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider)
        made = authorise(provider, printer, licence)
        assert redeem(printer, made["token"], "shred-plate-1").status_code == 200
        gone = "update releases set body = null where print_id = ?"
        kept = service.column("select body from releases where print_id = ?", made["prints"][0]["print_id"])
        service.execute(gone, made["prints"][0]["print_id"])
        problem(redeem(printer, made["token"], "shred-plate-1"), "token-spent")
        service.execute(
            "update releases set body = ? where print_id = ?", kept, made["prints"][0]["print_id"]
        )
        assert redeem(printer, made["token"], "shred-plate-1").status_code == 200
