"""Redemption: exactly once, by one printer, and nothing for anybody else."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.clock import rfc3339
from ledger.typed_data import PrintClaim
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.service import HandClock, Service, running_service


@pytest.fixture
def licence(owner: Party, provider: Party, revision: dict[str, Any]) -> dict[str, Any]:
    return owner.license(revision, provider, prints=3)


@pytest.fixture
def token(provider: Party, licence: dict[str, Any], printer: Printer) -> str:
    return str(provider.authorise(licence, printer)["token"])


def claim_of(printer: Printer, token: str) -> PrintClaim:
    return PrintClaim.from_json(printer.claim(token).json()["claim"])


def state(provider: Party, licence: dict[str, Any]) -> list[tuple[int, str]]:
    prints = provider.expect(200, "GET", "/v1/prints", params={"limit": 200})["items"]
    return [(row["sequence"], row["state"]) for row in prints if row["licence_id"] == licence["id"]]


class TestExactlyOnce:
    def test_gives_the_same_retry_the_same_bytes(
        self, provider: Party, licence: dict[str, Any], printer: Printer, token: str
    ) -> None:
        first, again = (printer.redeem(token, "the-same-retry") for _ in range(2))
        assert (first.status_code, again.status_code) == (200, 200)
        assert first.content == again.content
        assert provider.recorded(licence) == 1

    def test_refuses_another_key(
        self, provider: Party, licence: dict[str, Any], printer: Printer, token: str
    ) -> None:
        assert printer.redeem(token, "first-key").status_code == 200
        refused = printer.redeem(token, "other-key")
        assert refused.status_code == 409
        assert "redeemed before" in problem(refused, "token-spent")["detail"]
        assert provider.recorded(licence) == 1

    def test_has_one_winner_of_a_race(
        self, provider: Party, licence: dict[str, Any], printer: Printer, token: str
    ) -> None:
        answers: list[httpx2.Response] = []
        claim = claim_of(printer, token)
        threads = [
            threading.Thread(target=lambda: answers.append(printer.redeem_claim(token, claim)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
        assert provider.recorded(licence) == 1

    def test_gives_racing_retries_one_release(
        self, provider: Party, licence: dict[str, Any], printer: Printer, token: str
    ) -> None:
        answers: list[httpx2.Response] = []
        claim = claim_of(printer, token)
        threads = [
            threading.Thread(target=lambda: answers.append(printer.redeem_claim(token, claim, "same-key-1")))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert provider.recorded(licence) == 1


class TestRaceWithinRedemption:
    """Another request redeems the token just before this one asks the chain what it counts."""

    @pytest.fixture
    def overtaken_by(
        self, service: Service, printer: Printer, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[PrintClaim, str], list[httpx2.Response]]:
        ask = service.services.ledger.states

        def arrange(claim: PrintClaim, key: str) -> list[httpx2.Response]:
            answers: list[httpx2.Response] = []

            def asked_late(*subjects: Any) -> Any:
                monkeypatch.setattr(service.services.ledger, "states", ask)
                answers.append(printer.redeem_claim(token, claim, key))
                return ask(*subjects)

            monkeypatch.setattr(service.services.ledger, "states", asked_late)
            return answers

        return arrange

    def test_gives_the_same_retry_the_same_bytes(
        self,
        provider: Party,
        licence: dict[str, Any],
        printer: Printer,
        token: str,
        overtaken_by: Callable[[PrintClaim, str], list[httpx2.Response]],
    ) -> None:
        claim = claim_of(printer, token)
        others = overtaken_by(claim, "same-key-1")
        answer = printer.redeem_claim(token, claim, "same-key-1")
        assert [other.status_code for other in others] == [answer.status_code] == [200]
        assert answer.content == others[0].content
        assert provider.recorded(licence) == 1

    def test_refuses_another_key_as_spent(
        self,
        provider: Party,
        licence: dict[str, Any],
        printer: Printer,
        token: str,
        overtaken_by: Callable[[PrintClaim, str], list[httpx2.Response]],
    ) -> None:
        claim = claim_of(printer, token)
        others = overtaken_by(claim, "the-first-key")
        answer = printer.redeem_claim(token, claim, "the-second-key")
        assert [other.status_code for other in others] == [200]
        assert answer.status_code == 409
        assert "redeemed before" in problem(answer, "token-spent")["detail"]
        assert provider.recorded(licence) == 1


class TestStolenToken:
    def test_is_no_more_than_an_unknown_one(self, provider: Party, printer: Printer, token: str) -> None:
        thief = provider.printer()
        invented = "pvt_" + secrets.token_bytes(32).hex()
        stolen, unknown = thief.redeem(token), thief.redeem(invented)
        assert stolen.status_code == unknown.status_code == 401
        assert stolen.json() == unknown.json()
        assert printer.redeem(token).status_code == 200

    def test_is_useless_with_an_old_proof(self, printer: Printer, token: str) -> None:
        proof = printer.proof("GET", "/v1/prints/claim", token)
        assert printer.call("GET", "/v1/prints/claim", token, proof=proof).status_code == 200
        replayed = printer.call("GET", "/v1/prints/claim", token, proof=proof)
        assert replayed.status_code == 401
        assert "jti was used before" in problem(replayed, "invalid-proof")["detail"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"htm": "GET"},
            {"htu": "http://testserver/v1/prints/claim"},
            {"ath": "x" * 43},
            {"jti": None},
            {"signer": b"x" * 32, "algorithm": "HS256"},
            {"signer": None, "algorithm": "none"},
        ],
    )
    def test_is_useless_with_a_wrong_proof(
        self, provider: Party, licence: dict[str, Any], printer: Printer, token: str, changes: dict[str, Any]
    ) -> None:
        claim = claim_of(printer, token)
        path = "/v1/prints/redeem"
        refused = printer.call(
            "POST",
            path,
            token,
            json={"claim": claim.to_json(), "signature": printer.sign(claim)},
            headers={"Idempotency-Key": "some-key-1"},
            proof=printer.proof("POST", path, token, **changes),
        )
        assert refused.status_code == 401
        problem(refused, "invalid-proof")
        assert provider.recorded(licence) == 0

    def test_wants_one_proof_and_the_scheme(self, printer: Printer, token: str) -> None:
        for headers in (
            {"Authorization": f"Bearer {token}"},
            {"Authorization": token},
            {"Authorization": ""},
        ):
            assert printer.call("GET", "/v1/prints/claim", token, headers=headers).status_code == 401


class TestClaim:
    @pytest.mark.parametrize(
        "changes",
        [{"licence": bytes(32)}, {"sequence": 2}, {"token": bytes(32)}, {"deadline": 2**40}],
        ids=lambda changes: next(iter(changes)),
    )
    def test_must_be_the_issued_one(
        self, provider: Party, licence: dict[str, Any], printer: Printer, token: str, changes: dict[str, Any]
    ) -> None:
        claim = replace(claim_of(printer, token), **changes)
        refused = printer.redeem_claim(token, claim)
        assert refused.status_code == 422
        assert problem(refused, "invalid-request")["field"] == f"claim.{next(iter(changes))}"
        assert provider.recorded(licence) == 0
        assert printer.redeem(token).status_code == 200

    def test_must_be_signed_by_the_enrolled_key(
        self, provider: Party, licence: dict[str, Any], printer: Printer, token: str
    ) -> None:
        claim, other = claim_of(printer, token), Printer(printer.service, printer.id)
        body = {"claim": claim.to_json(), "signature": other.sign(claim)}
        headers = {"Idempotency-Key": "some-key-1"}
        refused = printer.call("POST", "/v1/prints/redeem", token, json=body, headers=headers)
        assert refused.status_code == 422
        problem(refused, "invalid-signature")
        assert provider.recorded(licence) == 0

    def test_must_not_be_malleable(self, printer: Printer, token: str) -> None:
        claim = claim_of(printer, token)
        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        signature = bytes.fromhex(printer.sign(claim)[2:])
        high = (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
        body = {"claim": claim.to_json(), "signature": "0x" + (signature[:32] + high).hex()}
        headers = {"Idempotency-Key": "some-key-1"}
        refused = printer.call("POST", "/v1/prints/redeem", token, json=body, headers=headers)
        problem(refused, "invalid-signature")


class TestPermission:
    def test_is_asked_again(
        self, owner: Party, provider: Party, licence: dict[str, Any], printer: Printer, token: str
    ) -> None:
        owner.revoke(licence)
        refused = printer.redeem(token)
        assert refused.status_code == 409
        document = problem(refused, "print-not-permitted")
        assert [reason["code"] for reason in document["reasons"]] == ["licence_revoked"]
        assert provider.recorded(licence) == 0

    def test_ends_with_the_printer(self, provider: Party, owner: Party, revision: dict[str, Any]) -> None:
        machine, licence = provider.printer(), owner.license(revision, provider)
        token = provider.authorise(licence, machine)["token"]
        provider.expect(200, "POST", f"/v1/printers/{machine.id}/retire", json={})
        refused = problem(machine.redeem(token), "print-not-permitted")
        assert [reason["code"] for reason in refused["reasons"]] == ["printer_retired"]
        assert provider.recorded(licence) == 0

    def test_follows_a_printer_list(self, owner: Party, provider: Party, revision: dict[str, Any]) -> None:
        machines = [provider.printer() for _ in range(3)]
        licence = owner.license(revision, provider, printers=[machine.id for machine in machines], prints=3)
        for machine in machines:
            assert machine.redeem(provider.authorise(licence, machine)["token"]).status_code == 200
        assert provider.recorded(licence) == 3

    def test_wants_the_manifest_that_was_published(
        self, service: Service, owner: Party, provider: Party, printer: Printer
    ) -> None:
        revision = owner.published()
        licence = owner.license(revision, provider)
        token = provider.authorise(licence, printer)["token"]
        change = "update revisions set manifest = replace(manifest, ?, ?) where id = ?"
        service.execute(change, "PETG", "PVC", revision["id"])
        refused = printer.redeem(token)
        assert (refused.status_code, problem(refused, "integrity")["field"]) == (409, "manifest")
        assert provider.recorded(licence) == 0
        service.execute(change, "PVC", "PETG", revision["id"])
        assert printer.redeem(token).status_code == 200

    def test_wants_the_object_whole(
        self, service: Service, owner: Party, provider: Party, printer: Printer
    ) -> None:
        revision = owner.published()
        licence = owner.license(revision, provider)
        token = provider.authorise(licence, printer)["token"]
        path = service.object_path(revision["id"])
        sound = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(sound[:-1])
        problem(printer.redeem(token), "stored-object-damaged")
        assert provider.recorded(licence) == 0
        path.write_bytes(sound)
        assert printer.redeem(token).status_code == 200


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Party, Party]]:
    """A service whose clock the tests move, and its parties."""
    folder: Path = tmp_path_factory.mktemp("timed")
    settings = {"token_ttl_s": 60, "redeem_retry_s": 100}
    with running_service(folder, HandClock(), **settings) as running:
        yield running, new_party(running, "owner"), new_party(running, "provider")


class TestTime:
    def test_frees_the_number_of_an_expired_token(self, timed: tuple[Service, Party, Party]) -> None:
        service, owner, provider = timed
        licence = owner.license(owner.published(), provider, prints=1)
        printer = provider.printer()
        late = provider.authorise(licence, printer)
        claim = claim_of(printer, late["token"])
        service.clock.forward(61)
        refused = printer.redeem_claim(late["token"], claim)
        assert refused.status_code == 409
        assert "expired" in problem(refused, "token-spent")["detail"]
        again = provider.authorise(licence, printer)
        assert (late["sequence"], again["sequence"]) == (1, 1)
        problem(printer.redeem(late["token"]), "token-spent")
        assert printer.redeem(again["token"]).status_code == 200
        assert sorted(state(provider, licence)) == [(1, "expired"), (1, "redeemed")]

    def test_ends_the_retry_window(self, timed: tuple[Service, Party, Party]) -> None:
        service, owner, provider = timed
        licence = owner.license(owner.published(), provider)
        printer = provider.printer()
        token = provider.authorise(licence, printer)["token"]
        claim = claim_of(printer, token)
        first = printer.redeem_claim(token, claim, "same-key-1")
        service.clock.forward(90)
        assert printer.redeem_claim(token, claim, "same-key-1").content == first.content
        service.clock.forward(11)
        problem(printer.redeem_claim(token, claim, "same-key-1"), "token-spent")

    def test_ends_the_licence(self, timed: tuple[Service, Party, Party]) -> None:
        service, owner, provider = timed
        now = service.clock.now()
        licence = owner.license(owner.published(), provider, expires_at=rfc3339(now + 30))
        printer = provider.printer()
        token = provider.authorise(licence, printer)["token"]
        service.clock.forward(31)
        refused = problem(printer.redeem(token), "print-not-permitted")
        assert [reason["code"] for reason in refused["reasons"]] == ["licence_expired"]
        assert provider.check(licence, printer) == ["licence_expired"]

    def test_does_not_run_backwards_with_the_clock(self, tmp_path: Path) -> None:
        """The chain remembers a later time than a clock that was turned back."""
        with running_service(tmp_path) as service:
            owner, provider = new_party(service, "owner"), new_party(service, "provider")
            expires_at = rfc3339(service.clock.now() + 300)
            licence = owner.license(owner.published(), provider, expires_at=expires_at)
            printer = provider.printer()
            service.clock.forward(301)
            owner.published()
            service.clock.forward(-301)
            assert provider.check(licence, printer) == ["licence_expired"]
