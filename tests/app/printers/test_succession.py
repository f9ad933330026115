"""Rotation of a printer's keys: a code, the old key's word for the new, approval, and the end of the old."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from app.printers import busy
from app.printers.succession import retire_drained
from app.prints.lifecycle import FINAL, State
from ledger.succession import Succession, verify_succession
from ledger.typed_data import Enrolment, Retirement, typed_data
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.printers.rotating import (
    hash_of,
    opened,
    send,
    succession_body,
    succession_of,
    successor_of,
    until_state,
)
from tests.app.service import Service, until

FACTS = {
    "site": "hall 4",
    "qualifications": ["iso-9100"],
    "export_labels": ["EU"],
    "calibrated_at": 1_700_000_000,
}


@pytest.fixture
def old(provider: Party) -> Printer:
    return provider.printer()


def shown(provider: Party, printer: Printer) -> dict[str, Any]:
    return provider.expect(200, "GET", f"/v1/printers/{printer.id}")


class TestOpenRotation:
    def test_carries_over_name_and_facts(self, provider: Party, old: Printer) -> None:
        provider.expect(200, "PUT", f"/v1/printers/{old.id}/facts", json=FACTS)
        made = opened(provider, old)
        assert (made["state"], made["predecessor_id"]) == ("awaiting_key", old.id)
        assert made["machine"] == shown(provider, old)["machine"]
        assert made["machine"]["site"] == "hall 4"
        assert made["enrolment_code"].startswith("pve_")

    def test_answers_a_repeat_alike(self, provider: Party, old: Printer) -> None:
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        assert opened(provider, old, headers=headers) == opened(provider, old, headers=headers)

    def test_is_one_at_a_time(self, provider: Party, old: Printer) -> None:
        made = opened(provider, old)
        refused = problem(provider.call("POST", f"/v1/printers/{old.id}/rotate"), "conflict")
        assert made["id"] in refused["detail"]
        provider.expect(200, "POST", f"/v1/printers/{made['id']}/retire", json={})
        assert opened(provider, old)["id"] != made["id"]

    def test_needs_an_enrolled_printer(self, provider: Party) -> None:
        waiting = provider.printer(approve=False)
        refused = problem(provider.call("POST", f"/v1/printers/{waiting.id}/rotate"), "conflict")
        assert "awaiting_approval" in refused["detail"]

    def test_is_refused_in_quarantine(self, provider: Party, old: Printer) -> None:
        provider.expect(200, "POST", f"/v1/printers/{old.id}/quarantine", json={"reason": "stolen?"})
        refused = problem(provider.call("POST", f"/v1/printers/{old.id}/rotate"), "conflict")
        assert "retire the printer" in refused["remedy"]

    def test_is_the_providers_own_affair(self, service: Service, old: Printer) -> None:
        rival = new_party(service, "provider")
        assert rival.call("POST", f"/v1/printers/{old.id}/rotate").status_code == 404


class TestEnrol:
    def test_offers_the_succession_to_sign(self, provider: Party, old: Printer) -> None:
        made = opened(provider, old)
        new = Printer(provider.service, made["id"])
        offer = send(provider, new.enrolment_body(made["enrolment_code"])).json()
        assert offer["succession"] == succession_of(provider, old, new).to_json()

    def test_offers_none_to_a_machines_first_keys(self, provider: Party) -> None:
        made = provider.expect(
            201, "POST", "/v1/printers", json={"name": "P", "machine": shown_machine(provider)}
        )
        first = Printer(provider.service, made["id"])
        assert send(provider, first.enrolment_body(made["enrolment_code"])).json()["succession"] is None

    def test_wants_the_old_keys_word(self, provider: Party, old: Printer) -> None:
        made = opened(provider, old)
        new, thief = Printer(provider.service, made["id"]), Printer(provider.service, old.id)
        body = succession_body(provider, old, new, made["enrolment_code"])
        turned = Succession(hash_of(new, provider), hash_of(old, provider))
        for forged in (
            new.sign(succession_of(provider, old, new)),
            thief.sign(succession_of(provider, old, new)),
            old.sign(succession_of(provider, old, thief)),
            old.sign(turned),
        ):
            refused = send(provider, body | {"succession_signature": forged})
            assert problem(refused, "invalid-signature")["field"] == "succession_signature"
        del body["succession_signature"]
        assert problem(send(provider, body), "invalid-request")["field"] == "succession_signature"
        assert shown(provider, new)["state"] == "awaiting_key"

    def test_takes_no_succession_where_nothing_rotates(self, provider: Party, old: Printer) -> None:
        made = provider.expect(
            201, "POST", "/v1/printers", json={"name": "P", "machine": shown_machine(provider)}
        )
        new = Printer(provider.service, made["id"])
        body = succession_body(provider, old, new, made["enrolment_code"])
        assert problem(send(provider, body), "invalid-request")["field"] == "succession_signature"

    def test_takes_no_old_key_again(self, provider: Party, old: Printer) -> None:
        made = opened(provider, old)
        again = Printer(provider.service, made["id"], key=old.key, sealing=old.sealing)
        refused = send(provider, succession_body(provider, old, again, made["enrolment_code"]))
        assert problem(refused, "invalid-request")["field"] == "signing_key"

    def test_answers_a_repeat_alike(self, provider: Party, old: Printer) -> None:
        made = opened(provider, old)
        new = Printer(provider.service, made["id"])
        body = succession_body(provider, old, new, made["enrolment_code"])
        assert send(provider, body).json() == send(provider, body).json()

    def test_keeps_what_can_be_verified_later(self, provider: Party, old: Printer) -> None:
        new = successor_of(provider, old, approve=False)
        query = "select succession_signature from printers where id = ?"
        kept = provider.service.column(query, new.id)
        statement = succession_of(provider, old, new)
        assert verify_succession(provider.service.domain, statement, *old.coordinates(), kept)
        assert not verify_succession(provider.service.domain, statement, *new.coordinates(), kept)


class TestApprove:
    def test_supersedes_the_old_and_links_both(self, provider: Party, old: Printer) -> None:
        new = successor_of(provider, old)
        before, after = shown(provider, old), shown(provider, new)
        assert before["successor_id"] == new.id
        assert before["state"] in {"superseded", "retiring", "retired"}
        assert (after["state"], after["predecessor_id"]) == ("enrolled", old.id)
        assert after["printer_hash"] != before["printer_hash"]

    def test_is_refused_once_the_old_is_in_quarantine(self, provider: Party, old: Printer) -> None:
        new = successor_of(provider, old, approve=False)
        provider.expect(200, "POST", f"/v1/printers/{old.id}/quarantine", json={"reason": "stolen?"})
        problem(provider.call("POST", f"/v1/printers/{new.id}/approve", json={}), "conflict")
        provider.expect(200, "POST", f"/v1/printers/{old.id}/lift")
        assert provider.call("POST", f"/v1/printers/{new.id}/approve", json={}).status_code in (200, 202)

    def test_takes_the_old_out_of_the_directory(self, provider: Party, old: Printer, owner: Party) -> None:
        new = successor_of(provider, old)
        path, listed = f"/v1/parties/{provider.id}/printers", []
        cursor: dict[str, str] = {}
        while True:
            page = owner.expect(200, "GET", path, params={"limit": "100"} | cursor)
            listed += [each["id"] for each in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert new.id in listed
        assert old.id not in listed


class TestPolicy:
    def test_authorises_on_the_successor_alone(
        self, provider: Party, owner: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        licence = owner.license(revision, provider)
        token = provider.authorise(licence, old)
        new = successor_of(provider, old)
        assert provider.check(licence, new) == []
        assert "printer_superseded" in provider.check(licence, old)
        refused = problem(old.redeem(token["token"]), "print-not-permitted")
        assert "printer_superseded" in [reason["code"] for reason in refused["reasons"]]

    @pytest.mark.parametrize("listed", [False, True])
    def test_refuses_a_print_for_the_reasons_of_the_check(
        self, provider: Party, owner: Party, revision: dict[str, Any], old: Printer, listed: bool
    ) -> None:
        licence = owner.license(revision, provider, printers=[old.id] if listed else [])
        new = successor_of(provider, old)
        until_state(provider, old, "retired")
        for printer, code in ((old, "printer_superseded"), (new, "printer_not_allowed")):
            body = {"licence_id": licence["id"], "printer_id": printer.id}
            checked = provider.expect(200, "POST", "/v1/prints/check", json=body)["reasons"]
            assert (code in [reason["code"] for reason in checked]) == (listed or printer is old)
            if checked:
                refused = problem(provider.ask(licence, printer), "print-not-permitted")
                assert refused["reasons"] == checked

    def test_leaves_the_rest_of_a_licence_that_lists_the_old_keys(
        self, provider: Party, owner: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        """What was redeemed is retried and reported; the others listed print on; the successor does not."""
        other = provider.printer()
        licence = owner.license(revision, provider, printers=[old.id, other.id])
        token, key = provider.authorise(licence, old)["token"], secrets.token_hex(16)
        release = old.redeem(token, key).json()
        new = successor_of(provider, old)
        assert old.redeem(token, key).json()["sealed_key"] == release["sealed_key"]
        assert old.report(release, licence, 1, 2).status_code in (200, 202)
        until_state(provider, old, "retired")
        assert "printer_not_allowed" in provider.check(licence, new)
        for sequence in (2, 3):
            made = other.redeem(provider.authorise(licence, other)["token"]).json()
            assert other.report(made, licence, sequence, 1).status_code in (200, 202)
        assert provider.recorded(licence) == 3

    def test_says_that_a_list_names_the_old_keys(
        self, provider: Party, owner: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        licence = owner.license(revision, provider, printers=[old.id])
        new = successor_of(provider, old)
        body = {"licence_id": licence["id"], "printer_id": new.id}
        reasons = provider.expect(200, "POST", "/v1/prints/check", json=body)["reasons"]
        (reason,) = [each for each in reasons if each["code"] == "printer_not_allowed"]
        assert old.id in reason["message"]
        assert "ask the design's owner for a licence that lists this printer" in reason["message"]


class TestRetireDrained:
    def test_waits_for_what_was_redeemed(
        self, provider: Party, owner: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        licence = owner.license(revision, provider)
        token = provider.authorise(licence, old)["token"]
        release = old.redeem(token).json()
        new = successor_of(provider, old)
        assert shown(provider, old)["state"] == "superseded"
        answer = old.report(release, licence, 1, 1)
        assert answer.status_code in (200, 202), answer.text
        ended = until_state(provider, old, "retired")
        assert ended["retirement_receipt"]["block_number"] > 0
        assert shown(provider, new)["state"] == "enrolled"

    def test_happens_at_once_where_nothing_is_under_way(self, provider: Party, old: Printer) -> None:
        successor_of(provider, old)
        until_state(provider, old, "retired")

    def test_happens_on_request_too(
        self, provider: Party, owner: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        provider.authorise(owner.license(revision, provider), old)
        successor_of(provider, old)
        asked = provider.call("POST", f"/v1/printers/{old.id}/retire", json={})
        assert asked.status_code in (200, 202), asked.text
        until_state(provider, old, "retired")

    def test_knows_the_words_of_a_prints_life(self) -> None:
        over = {str(state) for state in FINAL}
        assert {*busy.WAITING, busy.RELEASED} == {str(state) for state in State} - over
        assert (State.AUTHORISED, State.REDEEMING) == busy.WAITING


class TestRetirement:
    """What a printer shows of its retirement: what to sign, whose it is to do, whether it is due."""

    @pytest.fixture(scope="class")
    @staticmethod
    def external(service: Service) -> Party:
        return new_party(service, "provider", external=True)

    def test_is_left_to_a_provider_with_its_own_account(
        self, external: Party, owner: Party, revision: dict[str, Any]
    ) -> None:
        old = enrolled(external)
        seen = shown(external, old)["retirement"]
        assert (seen["due"], seen["by_service"]) == (False, False)
        licence = owner.license(revision, external)
        release = old.redeem(external.authorise(licence, old)["token"]).json()
        new = rotated(external, old)
        assert shown(external, new)["retirement"]["due"] is False
        assert shown(external, old)["retirement"]["due"] is False, "a print of it is under way"
        assert old.report(release, licence, 1, 1).status_code in (200, 202)
        due = until(lambda: retirement_due(external, old))
        retire_drained(external.service.services)
        assert shown(external, old)["state"] == "superseded", "the service cannot sign for this provider"
        path = f"/v1/printers/{old.id}/retire"
        assert problem(external.call("POST", path, json={}), "invalid-request")["field"] == "signature"
        statement = Retirement.from_json(due["statement"])
        assert due["typed_data"] == typed_data(external.service.domain, statement)
        assert statement.printer == hash_of(old, external)
        answer = external.call("POST", path, json={"signature": external.sign(statement)})
        assert answer.status_code in (200, 202), answer.text
        assert until_state(external, old, "retired")["retirement"] is None

    def test_is_the_services_where_it_signs(
        self, provider: Party, owner: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        provider.authorise(owner.license(revision, provider), old)
        successor_of(provider, old)
        seen = shown(provider, old)["retirement"]
        assert (seen["due"], seen["by_service"]) == (False, True)

    def test_is_prepared_for_what_is_on_the_ledger_alone(self, external: Party) -> None:
        assert shown(external, external.printer(approve=False))["retirement"] is None

    def test_is_asked_for_where_nothing_rotated(self, external: Party) -> None:
        printer = enrolled(external)
        statement = Retirement.from_json(shown(external, printer)["retirement"]["statement"])
        body = {"signature": external.sign(statement)}
        assert external.call("POST", f"/v1/printers/{printer.id}/retire", json=body).status_code in (200, 202)


class TestStanding:
    def test_tells_a_printer_its_state_and_its_tokens(
        self, provider: Party, owner: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        import hashlib

        token = provider.authorise(owner.license(revision, provider), old)["token"]
        new = successor_of(provider, old)
        mine = old.call("GET", "/v1/printers/self", old.id).json()
        others = new.call("GET", "/v1/printers/self", new.id).json()
        assert mine["tokens"] == [hashlib.sha256(token.encode()).hexdigest()]
        assert (others["tokens"], others["state"], others["predecessor_id"]) == ([], "enrolled", old.id)

    def test_is_told_in_quarantine_too(self, provider: Party, old: Printer) -> None:
        provider.expect(200, "POST", f"/v1/printers/{old.id}/quarantine", json={"reason": "look"})
        assert old.call("GET", "/v1/printers/self", old.id).json()["state"] == "quarantined"

    def test_is_nobody_elses_to_know(self, provider: Party, old: Printer, printer: Printer) -> None:
        proof = printer.proof("GET", "/v1/printers/self", old.id)
        assert old.call("GET", "/v1/printers/self", old.id, proof=proof).status_code == 401


def retirement_due(provider: Party, printer: Printer) -> dict[str, Any] | None:
    found: dict[str, Any] = shown(provider, printer)["retirement"]
    return found if found["due"] else None


def enrolled(provider: Party) -> Printer:
    """A printer of a provider with its own account."""
    printer = provider.printer(approve=False)
    approve(provider, printer)
    return printer


def rotated(provider: Party, old: Printer) -> Printer:
    """Its successor, where the provider has its own account."""
    new = successor_of(provider, old, approve=False)
    approve(provider, new)
    return new


def approve(provider: Party, printer: Printer) -> None:
    """Approve with the provider's own account."""
    statement = Enrolment.from_json(shown(provider, printer)["enrolment"])
    body = {"signature": provider.sign(statement)}
    assert provider.call("POST", f"/v1/printers/{printer.id}/approve", json=body).status_code in (200, 202)
    until_state(provider, printer, "enrolled")


def shown_machine(provider: Party) -> dict[str, Any]:
    from tests.app.parties import MACHINE

    return dict(MACHINE)
