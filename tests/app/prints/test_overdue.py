"""Abandoned prints: shown to owner, provider and whoever watches; a late outcome is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.parties import Party, Printer, new_party
from tests.app.service import HandClock, Service, running_service

DUE_S = 1000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("overdue")
    with running_service(folder, HandClock(), outcome_due_s=DUE_S) as running:
        yield running


@pytest.fixture(scope="module")
def owner(service: Service) -> Party:
    return new_party(service, "owner")


@pytest.fixture(scope="module")
def provider(service: Service) -> Party:
    return new_party(service, "provider")


@pytest.fixture(scope="module")
def printer(provider: Party) -> Printer:
    return provider.printer()


@pytest.fixture(scope="module")
def revision(owner: Party) -> dict[str, Any]:
    return owner.published()


@pytest.fixture
def licence(owner: Party, provider: Party, revision: dict[str, Any]) -> dict[str, Any]:
    return owner.license(revision, provider)


def metric(service: Service) -> int:
    found = re.search(r"^partvault_prints_overdue (\S+)$", service.call("GET", "/metrics").text, re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


def late(party: Party) -> list[str]:
    rows = party.expect(200, "GET", "/v1/prints", params={"overdue": "true", "limit": 200})["items"]
    return [row["id"] for row in rows]


class TestOverdue:
    def test_is_shown_to_both_parties_until_the_outcome_comes(
        self, service: Service, owner: Party, provider: Party, printer: Printer, licence: dict[str, Any]
    ) -> None:
        made = provider.authorise(licence, printer)
        release = printer.redeem(made["token"]).json()
        path, before = f"/v1/prints/{made['id']}", metric(service)
        for party in (owner, provider):
            assert not party.expect(200, "GET", path)["overdue"]
            assert made["id"] not in late(party)
        service.clock.forward(DUE_S + 1)
        for party in (owner, provider):
            shown = party.expect(200, "GET", path)
            assert (shown["state"], shown["overdue"]) == ("redeemed", True)
            assert made["id"] in late(party)
        assert metric(service) == before + 1
        assert printer.report(release, licence, made["sequence"], 1).status_code == 200
        shown = owner.expect(200, "GET", path)
        assert (shown["state"], shown["overdue"], shown["outcome_due_at"]) == ("completed", False, None)
        assert made["id"] not in late(owner)
        assert metric(service) == before

    def test_is_no_matter_of_prints_without_a_release(
        self, service: Service, owner: Party, provider: Party, printer: Printer, licence: dict[str, Any]
    ) -> None:
        made = provider.authorise(licence, printer)
        service.clock.forward(10 * DUE_S)
        shown = owner.expect(200, "GET", f"/v1/prints/{made['id']}")
        assert (shown["overdue"], shown["outcome_due_at"]) == (False, None)


class TestCredit:
    @pytest.mark.parametrize(
        ("reprints", "result", "credited"), [(1, 2, True), (0, 2, False), (1, 1, False), (1, 3, False)]
    )
    def test_is_told_from_the_chains_event(
        self,
        owner: Party,
        provider: Party,
        printer: Printer,
        revision: dict[str, Any],
        reprints: int,
        result: int,
        credited: bool,
    ) -> None:
        granted = owner.license(revision, provider, prints=1, reprints=reprints)
        made = provider.authorise(granted, printer)
        path = f"/v1/prints/{made['id']}"
        release = printer.redeem(made["token"]).json()
        assert owner.expect(200, "GET", path)["credited"] is None
        printer.report(release, granted, made["sequence"], result)
        for party in (owner, provider):
            assert party.expect(200, "GET", path)["credited"] is credited
        assert provider.check(granted, printer) == ([] if credited else ["count_exhausted"])
