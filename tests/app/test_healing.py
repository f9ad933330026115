"""Rows follow the outbox: what the chain decided shows when read, written down by nobody or by the worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.sweeping import Sweeper
from tests.app.impatient import SETTLED, Impatient, impatient_service
from tests.app.parties import new_party
from tests.app.service import HandClock, running_service


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Impatient]:
    with impatient_service(tmp_path_factory.mktemp("impatient")) as running:
        yield running


class TestReading:
    def test_shows_what_the_chain_decided(self, market: Impatient) -> None:
        licence, printer = market.licence(), market.printer()
        path = f"/v1/licences/{licence['id']}"
        assert market.owner.call("POST", f"{path}/revoke", json={}).status_code in SETTLED
        market.reached(market.provider, path, "revoked")
        retired = market.provider.call("POST", f"/v1/printers/{printer.id}/retire", json={})
        assert retired.status_code in SETTLED
        market.reached(market.provider, f"/v1/printers/{printer.id}", "retired")

    def test_shows_an_outcome(self, market: Impatient) -> None:
        licence, printer = market.licence(), market.printer()
        token = market.provider.authorise(licence, printer)["token"]
        printer.redeem(token, "same-key-1")
        market.recorded(licence)
        release = printer.redeem(token, "same-key-1").json()
        assert printer.report(release, licence, 1, 3).status_code in SETTLED
        market.reached(market.owner, f"/v1/prints/{release['print_id']}", "cancelled")

    def test_repeats_are_answered_from_where_it_stands(self, market: Impatient) -> None:
        revision = market.ready()
        path = f"/v1/revisions/{revision['id']}/publish"
        answers = [market.owner.call("POST", path, json={}) for _ in range(3)]
        assert {answer.status_code for answer in answers} <= SETTLED
        market.reached(market.owner, f"/v1/revisions/{revision['id']}", "published")
        assert market.owner.call("POST", path, json={}).status_code == 200


class TestSweeping:
    def test_writes_down_what_was_decided(self, market: Impatient) -> None:
        licence, printer = market.licence(), market.printer()
        market.sweeper.sweep()
        columns = [
            ("licences", licence["id"], "active"),
            ("printers", printer.id, "enrolled"),
            ("revisions", licence["revision_id"], "published"),
        ]
        for table, row_id, state in columns:
            stored = market.service.column(f"select state from {table} where id = ?", row_id)
            assert stored == state

    def test_expires_tokens_and_forgets_proofs_and_keys(self, tmp_path: Path) -> None:
        with running_service(tmp_path, HandClock(), token_ttl_s=30) as service:
            owner, provider = new_party(service, "owner"), new_party(service, "provider")
            licence, printer = owner.license(owner.published(), provider), provider.printer()
            authorised = provider.authorise(licence, printer)
            assert printer.claim(authorised["token"]).status_code == 200
            service.clock.forward(2 * 86_400)
            Sweeper(service.services).sweep()
            stored = service.column("select state from prints where id = ?", authorised["id"])
            assert stored == "expired"
            assert service.column("select count(*) from seen_proofs") == 0
            assert service.column("select count(*) from idempotency_records") == 0


class TestRestart:
    def test_takes_up_where_it_was(self, tmp_path: Path) -> None:
        with running_service(tmp_path) as service:
            operator_key = service.operator_key
            owner, provider = new_party(service, "owner"), new_party(service, "provider")
            licence, printer = owner.license(owner.published(), provider), provider.printer()
            token = provider.authorise(licence, printer)["token"]
            first = printer.redeem(provider.authorise(licence, printer)["token"], "same-key-1")
        with running_service(tmp_path) as service:
            assert service.operator_key == operator_key
            owner.service = provider.service = printer.service = service
            assert provider.recorded(licence) == 1
            assert printer.redeem(token).status_code == 200
            assert printer.download(first.json()).status_code == 200
            assert provider.recorded(licence) == 2
