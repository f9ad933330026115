"""Outcomes: signed by the printer, committed to a report, once per print."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from ledger.typed_data import print_id
from tests.app.parties import Party, Printer, new_party, problem


@pytest.fixture
def licence(owner: Party, provider: Party, revision: dict[str, Any]) -> dict[str, Any]:
    return owner.license(revision, provider, prints=2, reprints=1)


@pytest.fixture
def release(provider: Party, licence: dict[str, Any], printer: Printer) -> dict[str, Any]:
    return dict(printer.redeem(provider.authorise(licence, printer)["token"]).json())


def send(printer: Printer, release: dict[str, Any], body: dict[str, Any]) -> Any:
    return printer.call("POST", f"/v1/prints/{release['print_id']}/outcome", printer.id, json=body)


class TestReport:
    @pytest.mark.parametrize(
        ("result", "state", "credited"), [(1, "completed", 0), (2, "failed", 1), (3, "cancelled", 0)]
    )
    def test_ends_the_print(
        self,
        provider: Party,
        licence: dict[str, Any],
        printer: Printer,
        release: dict[str, Any],
        result: int,
        state: str,
        credited: int,
    ) -> None:
        answer = printer.report(release, licence, 1, result)
        assert (answer.status_code, answer.json()["state"]) == (200, state)
        assert answer.json()["receipt"]["block_number"] > 0
        seen = provider.expect(200, "GET", f"/v1/prints/{release['print_id']}")
        assert (seen["state"], seen["report"]["result"]) == (state, state)
        assert provider.expect(200, "GET", f"/v1/licences/{licence['id']}")["credited"] == credited

    def test_takes_the_same_again_and_no_other(
        self, licence: dict[str, Any], printer: Printer, release: dict[str, Any]
    ) -> None:
        body = printer.outcome_body(licence, 1, 2)
        first, again = send(printer, release, body), send(printer, release, body)
        assert (first.status_code, first.json()) == (again.status_code, again.json())
        refused = send(printer, release, printer.outcome_body(licence, 1, 1))
        assert refused.status_code == 409
        problem(refused, "conflict")

    def test_credits_no_more_than_allowed(
        self, provider: Party, licence: dict[str, Any], printer: Printer
    ) -> None:
        for sequence in (1, 2, 3):
            release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
            assert printer.report(release, licence, sequence, 2).status_code == 200
        seen = provider.expect(200, "GET", f"/v1/licences/{licence['id']}")
        assert (seen["prints_recorded"], seen["credited"]) == (3, 1)
        assert provider.check(licence, printer) == ["count_exhausted"]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"outcome.result": 9}, "outcome.result"),
            ({"outcome.print": "0x" + "11" * 32}, "outcome.print"),
            ({"outcome.report": "0x" + "11" * 32}, "outcome.report"),
            ({"report.detail": "other"}, "outcome.report"),
            ({"report_salt": "0x" + "11" * 32}, "outcome.report"),
            ({"signature": "0x" + "11" * 64}, "signature"),
        ],
    )
    def test_names_what_does_not_fit(
        self,
        provider: Party,
        licence: dict[str, Any],
        printer: Printer,
        release: dict[str, Any],
        change: dict[str, Any],
        field: str,
    ) -> None:
        body = printer.outcome_body(licence, 1, 1)
        for path, value in change.items():
            *parents, name = path.split(".")
            target = body
            for parent in parents:
                target = target[parent]
            target[name] = value
        refused = send(printer, release, body)
        assert refused.status_code == 422
        assert problem(refused)["field"] == field
        assert provider.expect(200, "GET", f"/v1/prints/{release['print_id']}")["outcome"] is None

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"format": "partvault/report/v0"}, "report.format"),
            ({"note": "more"}, "report.note"),
            ({"machine": {"model": "Workhorse"}}, "report.machine.serial"),
            ({"serials": ["SN-1", "SN-1"]}, "report.serials.1"),
            ({"measurements": [{"name": "bore", "value": 22.0}]}, "report.measurements.0.unit"),
            ({"print": "0x" + "11" * 32}, "report.print"),
            ({"printer": "0x" + "11" * 32}, "report.printer"),
            ({"revision": "0x" + "11" * 32}, "report.revision"),
            ({"part": {"design": "dsn_1", "revision": 1, "file": "part.stl"}}, "report.part"),
            ({"result": "failed"}, "report.result"),
            ({"started_at": None}, "report.started_at"),
            ({"started_at": "2020-01-01T00:00:00Z"}, "report.started_at"),
            ({"ended_at": "2020-01-01T00:00:00Z"}, "report.ended_at"),
            ({"ended_at": "2199-01-01T00:00:00Z"}, "report.ended_at"),
            ({"detail": "x" * 2000}, "report.detail"),
        ],
    )
    def test_takes_a_report_in_its_format_and_of_this_print(
        self,
        provider: Party,
        licence: dict[str, Any],
        printer: Printer,
        release: dict[str, Any],
        change: dict[str, Any],
        field: str,
    ) -> None:
        document = printer.report_on(licence, 1, 1) | change
        printed = print_id(bytes.fromhex(licence["licence_hash"][2:]), 1)
        refused = send(printer, release, printer.signed_outcome(printed, 1, document))
        assert (refused.status_code, problem(refused)["field"]) == (422, field)
        assert provider.expect(200, "GET", f"/v1/prints/{release['print_id']}")["outcome"] is None

    def test_is_for_the_printer_that_printed(
        self, provider: Party, licence: dict[str, Any], release: dict[str, Any]
    ) -> None:
        refused = provider.printer().report(release, licence, 1, 1)
        assert refused.status_code == 404
        problem(refused, "not-found")

    def test_is_for_redeemed_prints(self, provider: Party, licence: dict[str, Any], printer: Printer) -> None:
        authorised = provider.authorise(licence, printer)
        body = printer.outcome_body(licence, authorised["sequence"], 1)
        refused = send(printer, {"print_id": authorised["id"]}, body)
        assert "authorised" in problem(refused, "conflict")["detail"]

    def test_is_taken_after_revocation_and_retirement(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        printer, licence = provider.printer(), owner.license(revision, provider)
        release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
        owner.revoke(licence)
        provider.expect(200, "POST", f"/v1/printers/{printer.id}/retire", json={})
        assert printer.report(release, licence, 1, 1).json()["state"] == "completed"


class TestSerials:
    def reported(
        self, provider: Party, licence: dict[str, Any], printer: Printer, result: int, serial: str
    ) -> tuple[Any, dict[str, Any]]:
        release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
        sequence = provider.recorded(licence)
        return printer.report(release, licence, sequence, result, serials=[serial]), release

    def test_stand_on_one_completed_print_of_a_design(
        self,
        owner: Party,
        provider: Party,
        licence: dict[str, Any],
        printer: Printer,
        revision: dict[str, Any],
    ) -> None:
        serial = f"SN-{secrets.token_hex(8)}"
        assert self.reported(provider, licence, printer, 2, serial)[0].status_code == 200
        assert self.reported(provider, licence, printer, 1, serial)[0].status_code == 200
        elsewhere = new_party(owner.service, "provider")
        theirs = owner.license(revision, elsewhere)
        machine = elsewhere.printer()
        refused, release = self.reported(elsewhere, theirs, machine, 1, serial)
        told = problem(refused, "conflict")
        assert (told["field"], told["reasons"][0]["code"]) == ("report.serials", "serial_taken")
        assert serial in told["detail"]
        assert "prt_" not in refused.text
        assert "job_" not in refused.text
        path = f"/v1/prints/{release['print_id']}"
        for party in (owner, elsewhere):
            seen = party.expect(200, "GET", path)
            assert (seen["outcome"], seen["reasons"][0]["code"]) == (None, "serial_taken")
        corrected = machine.report(release, theirs, 1, 1, serials=[serial + "b"])
        assert corrected.json()["state"] == "completed"
        assert owner.expect(200, "GET", path)["reasons"] == []

    def test_of_another_design_are_free(
        self, owner: Party, provider: Party, licence: dict[str, Any], printer: Printer
    ) -> None:
        serial = f"SN-{secrets.token_hex(8)}"
        assert self.reported(provider, licence, printer, 1, serial)[0].status_code == 200
        other = owner.license(owner.published(), provider)
        assert self.reported(provider, other, printer, 1, serial)[0].status_code == 200


class TestTenancy:
    def test_shows_prints_to_their_parties_only(
        self, owner: Party, provider: Party, release: dict[str, Any]
    ) -> None:
        path = f"/v1/prints/{release['print_id']}"
        assert owner.expect(200, "GET", path) == provider.expect(200, "GET", path)
        for role in ("owner", "provider", "auditor"):
            stranger = new_party(owner.service, role)
            assert stranger.call("GET", path).status_code == 404
            assert stranger.expect(200, "GET", "/v1/prints")["items"] == []
