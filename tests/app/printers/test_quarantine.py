"""Quarantine: nothing is authorised for the printer or released to it, until it is lifted."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.app.parties import Party, Printer, new_party, problem
from tests.app.service import Service

WHY = "its door was found open"


@pytest.fixture
def workshop(service: Service) -> Party:
    """A provider of its own for every test."""
    return new_party(service, "provider")


@pytest.fixture
def machine(workshop: Party) -> Printer:
    return workshop.printer()


@pytest.fixture
def licence(owner: Party, workshop: Party, revision: dict[str, Any]) -> dict[str, Any]:
    return owner.license(revision, workshop, prints=5)


def place(party: Party, machine: Printer, reason: str = WHY) -> dict[str, Any]:
    return party.expect(200, "POST", f"/v1/printers/{machine.id}/quarantine", json={"reason": reason})


def lift(party: Party, machine: Printer) -> dict[str, Any]:
    return party.expect(200, "POST", f"/v1/printers/{machine.id}/lift")


def stopped(answer: httpx2.Response) -> bool:
    """Whether the answer is a refusal for the quarantine alone."""
    assert answer.status_code == 409, answer.text
    reasons = problem(answer, "print-not-permitted")["reasons"]
    return [reason["code"] for reason in reasons] == ["printer_quarantined"]


@pytest.fixture
def operator(service: Service, owner: Party) -> Party:
    return Party(service, "operator", service.operator_key, owner.address)


class TestPlace:
    def test_stops_the_next_authorisation(
        self, workshop: Party, machine: Printer, licence: dict[str, Any]
    ) -> None:
        shown = place(workshop, machine)
        assert (shown["state"], shown["quarantine"]["reason"]) == ("quarantined", WHY)
        assert workshop.check(licence, machine) == ["printer_quarantined"]
        assert stopped(workshop.ask(licence, machine))

    def test_stops_tokens_that_are_out(
        self, workshop: Party, machine: Printer, licence: dict[str, Any]
    ) -> None:
        token = workshop.authorise(licence, machine)["token"]
        claim = machine.claim(token)
        place(workshop, machine)
        assert stopped(machine.claim(token))
        body = {"claim": claim.json()["claim"], "signature": "0x" + "00" * 64}
        headers = {"Idempotency-Key": "some-key-1"}
        refused = machine.call("POST", "/v1/prints/redeem", token, json=body, headers=headers)
        assert stopped(refused)
        assert workshop.recorded(licence) == 0

    def test_stops_retries_and_downloads_of_what_was_released(
        self, workshop: Party, machine: Printer, licence: dict[str, Any]
    ) -> None:
        token = workshop.authorise(licence, machine)["token"]
        released = machine.redeem(token, "the-same-retry")
        place(workshop, machine)
        assert stopped(machine.redeem(token, "the-same-retry"))
        assert stopped(machine.download(released.json()))
        lift(workshop, machine)
        assert machine.redeem(token, "the-same-retry").content == released.content
        assert machine.download(released.json()).status_code == 200

    def test_holds_as_soon_as_another_process_has_committed_it(
        self, service: Service, workshop: Party, machine: Printer, licence: dict[str, Any]
    ) -> None:
        """Nothing of it is remembered in a process: a row by another connection stops the next request."""
        token = workshop.authorise(licence, machine)["token"]
        statement = (
            "insert into quarantines (id, printer_id, reason, by_operator, placed_by, placed_at)"
            " values (?, ?, 'r', 0, 'key_1', 0)"
        )
        service.execute(statement, f"qua_{machine.id}", machine.id)
        assert stopped(machine.claim(token))
        assert stopped(workshop.ask(licence, machine))
        service.execute("update quarantines set lifted_at = 1 where printer_id = ?", machine.id)
        assert machine.claim(token).status_code == 200

    def test_lets_the_printer_say_how_its_print_ended(
        self, workshop: Party, machine: Printer, licence: dict[str, Any]
    ) -> None:
        release = machine.redeem(workshop.authorise(licence, machine)["token"]).json()
        place(workshop, machine)
        assert machine.report(release, licence, 1, 2).status_code == 200

    def test_is_this_printers_alone(self, workshop: Party, machine: Printer, licence: dict[str, Any]) -> None:
        other = workshop.printer()
        place(workshop, machine)
        assert machine.service.services is other.service.services
        assert other.redeem(workshop.authorise(licence, other)["token"]).status_code == 200

    def test_hides_the_printer_from_who_wants_a_print(
        self, owner: Party, workshop: Party, machine: Printer
    ) -> None:
        path = f"/v1/parties/{workshop.id}/printers"
        assert [row["id"] for row in owner.expect(200, "GET", path)["items"]] == [machine.id]
        place(workshop, machine)
        assert owner.expect(200, "GET", path)["items"] == []

    def test_is_answered_alike_again(self, workshop: Party, machine: Printer) -> None:
        assert place(workshop, machine) == place(workshop, machine, "another reason")

    def test_does_not_tell_the_reason_to_others(
        self, workshop: Party, machine: Printer, licence: dict[str, Any]
    ) -> None:
        token = workshop.authorise(licence, machine)["token"]
        place(workshop, machine)
        assert WHY not in machine.claim(token).text

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 501, None])
    def test_wants_a_reason(self, workshop: Party, machine: Printer, reason: str | None) -> None:
        path = f"/v1/printers/{machine.id}/quarantine"
        assert workshop.call("POST", path, json={"reason": reason}).status_code == 422

    def test_is_for_printers_that_could_print(self, workshop: Party) -> None:
        waiting = workshop.printer(approve=False)
        refused = workshop.call("POST", f"/v1/printers/{waiting.id}/quarantine", json={"reason": WHY})
        assert "awaiting_approval" in problem(refused, "conflict")["detail"]

    def test_does_not_hinder_retirement(self, workshop: Party, machine: Printer) -> None:
        place(workshop, machine)
        retired = workshop.expect(200, "POST", f"/v1/printers/{machine.id}/retire", json={})
        assert retired["state"] == "retired"


class TestLift:
    def test_sets_the_printer_free(self, workshop: Party, machine: Printer, licence: dict[str, Any]) -> None:
        token = workshop.authorise(licence, machine)["token"]
        place(workshop, machine)
        shown = lift(workshop, machine)
        assert (shown["state"], shown["quarantine"]) == ("enrolled", None)
        assert machine.redeem(token).status_code == 200
        assert workshop.check(licence, machine) == []

    def test_changes_nothing_of_a_free_printer(self, workshop: Party, machine: Printer) -> None:
        assert lift(workshop, machine)["state"] == "enrolled"

    def test_leaves_a_record(self, service: Service, workshop: Party, machine: Printer) -> None:
        for _ in range(2):
            place(workshop, machine)
            lift(workshop, machine)
        query = "select count(*) from quarantines where printer_id = ? and lifted_at is not null"
        assert service.column(query, machine.id) == 2


class TestWho:
    def test_lets_the_operator_stop_any_printer(
        self, operator: Party, workshop: Party, machine: Printer
    ) -> None:
        assert place(operator, machine)["quarantine"]["by_operator"] is True
        refused = workshop.call("POST", f"/v1/printers/{machine.id}/lift")
        assert (refused.status_code, problem(refused, "forbidden")["status"]) == (403, 403)
        assert lift(operator, machine)["state"] == "enrolled"

    def test_lets_the_operator_take_over(self, operator: Party, workshop: Party, machine: Printer) -> None:
        place(workshop, machine)
        assert place(operator, machine, "an inspection")["quarantine"]["reason"] == "an inspection"
        assert place(workshop, machine)["quarantine"]["reason"] == "an inspection"
        assert workshop.call("POST", f"/v1/printers/{machine.id}/lift").status_code == 403

    def test_lets_no_other_provider(self, service: Service, machine: Printer) -> None:
        rival = new_party(service, "provider")
        for action, body in (("quarantine", {"reason": WHY}), ("lift", None)):
            refused = rival.call("POST", f"/v1/printers/{machine.id}/{action}", json=body)
            assert refused.status_code == 404
