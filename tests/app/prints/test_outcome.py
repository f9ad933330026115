"""Outcomes: signed by the printer, committed to a report, once per print."""

from __future__ import annotations

from typing import Any

import pytest

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
        assert (seen["state"], seen["report"]) == (state, {"note": "measured", "result": result})
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
            ({"report": {"note": "other"}}, "outcome.report"),
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
