"""Prints taken back before their token is redeemed, and what a revocation does to a print in each state."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from ledger.typed_data import PrintClaim
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.service import Service


@pytest.fixture
def licence(owner: Party, provider: Party, revision: dict[str, Any]) -> dict[str, Any]:
    return owner.license(revision, provider, prints=1, reprints=0)


def withdraw(party: Party, made: dict[str, Any]) -> httpx2.Response:
    return party.call("POST", f"/v1/prints/{made['id']}/withdraw")


class TestWithdraw:
    def test_frees_the_number_and_ends_the_token(
        self, provider: Party, licence: dict[str, Any], printer: Printer
    ) -> None:
        made = provider.authorise(licence, printer)
        assert provider.check(licence, printer) == ["count_reserved"]
        assert withdraw(provider, made).json()["state"] == "withdrawn"
        for refused in (printer.claim(made["token"]), printer.redeem(made["token"])):
            assert refused.status_code == 409
            assert "withdrew" in problem(refused, "token-spent")["detail"]
        again = provider.authorise(licence, printer)
        assert (made["sequence"], again["sequence"]) == (1, 1)
        assert printer.redeem(again["token"]).status_code == 200
        assert provider.recorded(licence) == 1

    def test_refuses_a_claim_that_was_shown_before(
        self, provider: Party, licence: dict[str, Any], printer: Printer, service: Service
    ) -> None:

        made = provider.authorise(licence, printer)
        claim = PrintClaim.from_json(printer.claim(made["token"]).json()["claim"])
        withdraw(provider, made)
        problem(printer.redeem_claim(made["token"], claim), "token-spent")
        assert provider.recorded(licence) == 0

    def test_may_be_repeated(self, provider: Party, licence: dict[str, Any], printer: Printer) -> None:
        made = provider.authorise(licence, printer)
        first, again = withdraw(provider, made), withdraw(provider, made)
        assert (first.status_code, again.status_code) == (200, 200)
        assert first.json() == again.json()

    def test_comes_too_late_for_a_redeemed_print(
        self, provider: Party, licence: dict[str, Any], printer: Printer
    ) -> None:
        made = provider.authorise(licence, printer)
        assert printer.redeem(made["token"]).status_code == 200
        refused = withdraw(provider, made)
        assert refused.status_code == 409
        assert "redeemed" in problem(refused, "conflict")["detail"]

    def test_is_its_providers_alone(
        self, service: Service, owner: Party, provider: Party, licence: dict[str, Any], printer: Printer
    ) -> None:
        made = provider.authorise(licence, printer)
        assert withdraw(new_party(service, "provider"), made).status_code == 404
        assert withdraw(owner, made).status_code == 403
        assert provider.expect(200, "GET", f"/v1/prints/{made['id']}")["state"] == "authorised"

    @pytest.mark.parametrize("_round", range(4))
    def test_has_one_winner_against_redemption(
        self, provider: Party, licence: dict[str, Any], printer: Printer, _round: int
    ) -> None:
        made = provider.authorise(licence, printer)
        with ThreadPoolExecutor(2) as pool:
            redeemed = pool.submit(printer.redeem, made["token"])
            withdrawn = pool.submit(withdraw, provider, made)
        statuses = redeemed.result().status_code, withdrawn.result().status_code
        assert sorted(statuses) == [200, 409]
        assert provider.recorded(licence) == (statuses[0] == 200)


def _authorised(provider: Party, licence: dict[str, Any], printer: Printer) -> dict[str, Any]:
    return provider.authorise(licence, printer)


def _redeemed(provider: Party, licence: dict[str, Any], printer: Printer) -> dict[str, Any]:
    made = provider.authorise(licence, printer)
    return made | {"release": printer.redeem(made["token"], "the-same-key").json()}


def _reported(result: int) -> Any:
    def reach(provider: Party, licence: dict[str, Any], printer: Printer) -> dict[str, Any]:
        made = _redeemed(provider, licence, printer)
        assert printer.report(made["release"], licence, made["sequence"], result).status_code == 200
        return made

    return reach


def _withdrawn(provider: Party, licence: dict[str, Any], printer: Printer) -> dict[str, Any]:
    made = provider.authorise(licence, printer)
    assert withdraw(provider, made).status_code == 200
    return made


REVOKED_AT = [
    pytest.param(_authorised, "authorised", "print-not-permitted", 0, id="authorised"),
    pytest.param(_withdrawn, "withdrawn", "token-spent", 0, id="withdrawn"),
    pytest.param(_redeemed, "redeemed", None, 1, id="redeemed"),
    pytest.param(_reported(1), "completed", None, 1, id="completed"),
    pytest.param(_reported(2), "failed", None, 1, id="failed"),
    pytest.param(_reported(3), "cancelled", None, 1, id="cancelled"),
]
"""How to get there, the state after the revocation, how redeeming is refused then (None: the same bytes
again), and how many prints the chain has. Prints under way are in `test_healing` and `test_release`."""


class TestRevocation:
    @pytest.mark.parametrize(("reach", "state", "refusal", "counted"), REVOKED_AT)
    def test_finds_a_print_in_each_state(
        self,
        owner: Party,
        provider: Party,
        licence: dict[str, Any],
        printer: Printer,
        reach: Any,
        state: str,
        refusal: str | None,
        counted: int,
    ) -> None:
        made = reach(provider, licence, printer)
        owner.revoke(licence)
        again = printer.redeem(made["token"], "the-same-key")
        if refusal is None:
            assert (again.status_code, again.json()) == (200, made["release"])
        else:
            problem(again, refusal)
        assert provider.expect(200, "GET", f"/v1/prints/{made['id']}")["state"] == state
        assert provider.recorded(licence) == counted
        assert provider.ask(licence, printer).status_code == 409

    def test_takes_the_outcome_of_a_print_before_it(
        self, owner: Party, provider: Party, licence: dict[str, Any], printer: Printer
    ) -> None:
        made = _redeemed(provider, licence, printer)
        owner.revoke(licence)
        assert printer.report(made["release"], licence, made["sequence"], 1).status_code == 200
        assert provider.expect(200, "GET", f"/v1/prints/{made['id']}")["state"] == "completed"
