"""Transfers: consented to by the owner, made by the provider, counted by the chain, refused with reasons."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.licences.transfers import numbers_of
from app.models import Licence as LicenceRow
from app.models import Printer as PrinterRow
from app.prints import case as cases
from ledger.typed_data import Licence, PrintTransfer, Publication, TransferConsent, transferred
from tests.app.impatient import SETTLED, Impatient, impatient_service
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.service import HandClock, Service, running_service

TERMS = {"transferable": True}


@pytest.fixture(scope="module")
def receiver(service: Service) -> Party:
    return new_party(service, "provider")


@pytest.fixture(scope="module")
def their_printer(receiver: Party) -> Printer:
    return receiver.printer()


def granted(owner: Party, revision: dict[str, Any], provider: Party, **changes: Any) -> dict[str, Any]:
    return owner.license(revision, provider, **({"prints": 5, "terms": TERMS} | changes))


def consent(owner: Party, licence: dict[str, Any], **body: Any) -> httpx2.Response:
    return owner.call("POST", f"/v1/licences/{licence['id']}/transfer-consent", json=body)


def consented(owner: Party, revision: dict[str, Any], provider: Party, **changes: Any) -> dict[str, Any]:
    licence = granted(owner, revision, provider, **changes)
    answer = consent(owner, licence)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def transfer(
    provider: Party, licence: dict[str, Any], to: Party, prints: int, key: str = "", **body: Any
) -> httpx2.Response:
    return provider.call(
        "POST",
        f"/v1/licences/{licence['id']}/transfers",
        json={"provider_id": to.id, "prints": prints} | body,
        headers={"Idempotency-Key": key or secrets.token_hex(16)},
    )


def done(provider: Party, licence: dict[str, Any], to: Party, prints: int) -> dict[str, Any]:
    answer = transfer(provider, licence, to, prints)
    assert (answer.status_code, answer.json()["state"]) == (201, "confirmed"), answer.text
    return dict(answer.json())


def codes(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [reason["code"] for reason in problem(answer)["reasons"]]


def printed(provider: Party, licence: dict[str, Any], printer: Printer) -> None:
    answer = printer.redeem(provider.authorise(licence, printer)["token"])
    assert answer.status_code == 200, answer.text


class TestConsent:
    def test_is_given_once(self, owner: Party, provider: Party, revision: dict[str, Any]) -> None:
        licence = granted(owner, revision, provider)
        assert licence["consented"] is False
        first, again = consent(owner, licence), consent(owner, licence)
        assert first.json() == again.json()
        assert first.json()["consented"] is True

    def test_is_the_owners_alone(
        self, service: Service, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        licence = granted(owner, revision, provider)
        assert consent(provider, licence).status_code == 403
        both = new_party(service, "owner", "provider")
        assert consent(both, licence).status_code == 404
        assert consent(both, granted(owner, revision, both)).status_code == 404

    @pytest.mark.parametrize("terms", [{}, {"transferable": False}])
    def test_needs_terms_that_say_so(
        self, owner: Party, provider: Party, revision: dict[str, Any], terms: dict[str, Any]
    ) -> None:
        licence = granted(owner, revision, provider, terms=terms)
        assert codes(consent(owner, licence)) == ["terms_not_transferable"]
        assert owner.expect(200, "GET", f"/v1/licences/{licence['id']}")["consented"] is False

    def test_is_of_no_use_with_a_list_of_printers(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = granted(owner, revision, provider, printers=[printer.id])
        refused = consent(owner, licence)
        assert codes(refused) == ["printers_listed"]
        assert "grant the receiver a licence" in problem(refused)["detail"]

    def test_is_not_given_for_what_was_revoked(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        licence = granted(owner, revision, provider)
        owner.revoke(licence)
        assert codes(consent(owner, licence)) == ["licence_revoked"]


class TestTransfer:
    def test_makes_a_licence_of_what_was_taken(
        self,
        owner: Party,
        provider: Party,
        receiver: Party,
        printer: Printer,
        their_printer: Printer,
        revision: dict[str, Any],
    ) -> None:
        licence = consented(owner, revision, provider)
        made = done(provider, licence, receiver, 2)
        assert (made["licence_id"], made["provider_id"], made["prints"]) == (licence["id"], receiver.id, 2)
        mine = provider.expect(200, "GET", f"/v1/licences/{licence['id']}")
        assert (mine["prints"], mine["prints_transferred"], mine["prints_recorded"]) == (5, 2, 0)
        theirs = receiver.expect(200, "GET", f"/v1/licences/{made['id']}")
        assert (theirs["prints"], theirs["reprints"], theirs["state"]) == (2, 0, "active")
        for name in ("revision_id", "owner_id", "terms", "terms_salt", "starts_at", "expires_at", "printers"):
            assert theirs[name] == licence[name]
        assert (theirs["transferred_from"], theirs["consented"]) == (licence["id"], False)
        statement = PrintTransfer.from_json(made["transfer"])
        whole = transferred(Licence.from_json(licence["licence"]), statement)
        assert whole == Licence.from_json(theirs["licence"])
        assert "0x" + whole.struct_hash().hex() == theirs["licence_hash"]
        for _ in range(2):
            printed(receiver, theirs, their_printer)
        for _ in range(3):
            printed(provider, licence, printer)
        assert receiver.check(theirs, their_printer) == ["count_exhausted"]
        assert provider.check(licence, printer) == ["count_exhausted"]

    def test_is_made_once_for_one_idempotency_key(
        self, owner: Party, provider: Party, receiver: Party, revision: dict[str, Any]
    ) -> None:
        licence, key = consented(owner, revision, provider), secrets.token_hex(16)
        first, again = (transfer(provider, licence, receiver, 1, key) for _ in "12")
        assert (again.status_code, again.json()) == (201, first.json())
        assert transfer(provider, licence, receiver, 2, key).status_code == 422
        listed = provider.expect(200, "GET", f"/v1/licences/{licence['id']}/transfers")["items"]
        assert listed == [first.json()]

    def test_of_the_same_salt_is_made_once(
        self, owner: Party, provider: Party, receiver: Party, revision: dict[str, Any]
    ) -> None:
        licence, salt = consented(owner, revision, provider), "0x" + secrets.token_hex(32)
        assert transfer(provider, licence, receiver, 1, salt=salt).status_code == 201
        refused = transfer(provider, licence, receiver, 1, salt=salt)
        assert refused.status_code == 409

    def test_takes_no_number_that_is_in_use(
        self, owner: Party, provider: Party, receiver: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = consented(owner, revision, provider)
        printed(provider, licence, printer)
        token = provider.authorise(licence, printer)["token"]
        refused = transfer(provider, licence, receiver, 4)
        assert codes(refused) == ["not_transferable"]
        assert "3 of 5" in problem(refused)["detail"]
        done(provider, licence, receiver, 3)
        assert printer.redeem(token).status_code == 200
        assert provider.check(licence, printer) == ["count_exhausted"]
        assert codes(transfer(provider, licence, receiver, 1)) == ["not_transferable"]

    def test_needs_the_owners_consent(
        self, owner: Party, provider: Party, receiver: Party, revision: dict[str, Any]
    ) -> None:
        licence = granted(owner, revision, provider)
        assert codes(transfer(provider, licence, receiver, 1)) == ["not_consented"]
        plain = granted(owner, revision, provider, terms={})
        refused = codes(transfer(provider, plain, receiver, 1))
        assert refused == ["terms_not_transferable", "not_consented"]

    def test_is_refused_when_revoked(
        self, owner: Party, provider: Party, receiver: Party, revision: dict[str, Any]
    ) -> None:
        licence = consented(owner, revision, provider)
        earlier = done(provider, licence, receiver, 1)
        owner.revoke(licence)
        assert codes(transfer(provider, licence, receiver, 1)) == ["licence_revoked"]
        theirs = owner.expect(200, "GET", f"/v1/licences/{earlier['id']}")
        assert theirs["state"] == "active"
        assert owner.revoke(theirs)["state"] == "revoked"

    def test_is_refused_when_expired(self, tmp_path: Path) -> None:
        with running_service(tmp_path, HandClock()) as service:
            owner, provider = new_party(service, "owner"), new_party(service, "provider")
            licence = consented(owner, owner.published(), provider)
            service.clock.forward(3601)
            refused = transfer(provider, licence, new_party(service, "provider"), 1)
            assert codes(refused) == ["licence_expired"]

    def test_goes_to_another_provider(
        self, service: Service, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        licence = consented(owner, revision, provider)
        for nobody in (owner, new_party(service, "owner")):
            refused = transfer(provider, licence, nobody, 1)
            assert refused.status_code == 404
            assert problem(refused, "not-found")["detail"].startswith("there is no provider")
        refused = transfer(provider, licence, provider, 1)
        assert problem(refused, "invalid-request")["field"] == "provider_id"

    @pytest.mark.parametrize("prints", [0, -1, 2**31])
    def test_takes_at_least_one(
        self, owner: Party, provider: Party, receiver: Party, revision: dict[str, Any], prints: int
    ) -> None:
        licence = granted(owner, revision, provider)
        refused = transfer(provider, licence, receiver, prints)
        assert (refused.status_code, problem(refused)["field"]) == (422, "body.prints")

    def test_of_a_foreign_licence_does_not_exist(
        self, owner: Party, provider: Party, receiver: Party, revision: dict[str, Any]
    ) -> None:
        licence = consented(owner, revision, provider)
        path = f"/v1/licences/{licence['id']}/transfers"
        body = {"provider_id": receiver.id, "prints": 1}
        assert transfer(receiver, licence, receiver, 1).status_code == 404
        assert receiver.call("POST", f"{path}/prepare", json=body).status_code == 404
        assert receiver.call("GET", path).status_code == 404
        assert transfer(owner, licence, receiver, 1).status_code == 403
        assert owner.expect(200, "GET", path)["items"] == []

    def test_passes_on_only_with_a_consent_of_its_own(
        self, owner: Party, provider: Party, receiver: Party, revision: dict[str, Any]
    ) -> None:
        made = done(provider, consented(owner, revision, provider), receiver, 3)
        theirs = receiver.expect(200, "GET", f"/v1/licences/{made['id']}")
        assert codes(transfer(receiver, theirs, provider, 1)) == ["not_consented"]
        assert consent(owner, theirs).status_code == 200
        done(receiver, theirs, provider, 1)
        assert receiver.expect(200, "GET", f"/v1/licences/{made['id']}")["prints_transferred"] == 1


class TestStaleCounts:
    """What the chain said before a transfer was stored does not give its prints out again."""

    def test_leave_what_went_out_of_account(
        self, owner: Party, provider: Party, receiver: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = consented(owner, revision, provider)
        services, row_id = provider.service.services, licence["id"]
        with services.database.read() as session:
            row, device = session.get_one(LicenceRow, row_id), session.get_one(PrinterRow, printer.id)
        before = cases.ask_chain(services, row.licence_hash, device.printer_hash)
        assert before.licence is not None
        done(provider, licence, receiver, 2)
        with services.database.read() as session:
            row, device = session.get_one(LicenceRow, row_id), session.get_one(PrinterRow, printer.id)
            case = cases.gather(services, session, row, device, before)
            numbers = numbers_of(session, row, before.licence, case.now)
        assert before.licence.prints == 5
        assert case.permission.allowed == numbers.allowed == numbers.left == 3


class TestAtOnce:
    def test_transfers_and_prints_share_what_there_is(
        self, owner: Party, provider: Party, receiver: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        """Whoever comes first; nobody gets a number that went, and no token's number goes."""
        licence = consented(owner, revision, provider, prints=4)
        with ThreadPoolExecutor(8) as pool:
            moved = [pool.submit(transfer, provider, licence, receiver, 1) for _ in range(4)]
            asked = [pool.submit(provider.ask, licence, printer) for _ in range(4)]
        gone = [answer for answer in (future.result() for future in moved) if answer.status_code == 201]
        tokens = [answer.json() for answer in (f.result() for f in asked) if answer.status_code == 201]
        assert len(gone) + len(tokens) == 4
        assert sorted(token["sequence"] for token in tokens) == list(range(1, len(tokens) + 1))
        for token in tokens:
            assert printer.redeem(token["token"]).status_code == 200
        seen = provider.expect(200, "GET", f"/v1/licences/{licence['id']}")
        assert (seen["prints_transferred"], seen["prints_recorded"]) == (len(gone), len(tokens))


def events_of(party: Party) -> Iterator[dict[str, Any]]:
    """Give all the ledger's events that a party sees."""
    page: dict[str, Any] = {"next_cursor": None}
    while True:
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = party.expect(200, "GET", "/v1/ledger/events", params={"limit": 200, **cursor})
        yield from page["items"]
        if page["next_cursor"] is None:
            return


class TestSeen:
    """The receiver sees its licence, the giver the transfer, neither the other's prints."""

    def test_by_each_party_as_far_as_it_concerns_it(
        self,
        owner: Party,
        provider: Party,
        receiver: Party,
        their_printer: Printer,
        revision: dict[str, Any],
    ) -> None:
        licence = consented(owner, revision, provider)
        made = done(provider, licence, receiver, 1)
        theirs = receiver.expect(200, "GET", f"/v1/licences/{made['id']}")
        printed(receiver, theirs, their_printer)
        assert receiver.call("GET", f"/v1/licences/{licence['id']}").status_code == 404
        assert provider.call("GET", f"/v1/licences/{made['id']}").status_code == 404
        seen = {"licence_hash": licence["licence_hash"]}
        names = [
            event["name"] for event in provider.expect(200, "GET", "/v1/ledger/events", params=seen)["items"]
        ]
        assert names == ["LicenceGranted", "PrintsTransferred"]
        of_theirs = [
            event["name"] for event in events_of(provider) if event["licence_hash"] == made["licence_hash"]
        ]
        assert of_theirs == ["PrintsTransferred"]
        operation = f"transfer:0x{PrintTransfer.from_json(made['transfer']).struct_hash().hex()}"
        for party in (owner, provider, receiver):
            shown = party.expect(200, "GET", f"/v1/ledger/operations/{operation}")
            assert shown["state"] == "confirmed"
        evidence = receiver.expect(200, "GET", f"/v1/licences/{made['id']}/evidence")
        assert [row["transfer"] for row in evidence["transfers"]] == [made["transfer"]]
        assert (len(evidence["licences"]), len(evidence["prints"])) == (0, 1)


class TestOwnAccounts:
    def test_sign_for_themselves(self, service: Service, receiver: Party) -> None:
        owner = new_party(service, "owner", external=True)
        provider = new_party(service, "provider", external=True)
        revision = owner.inspected()
        publication = Publication(owner.address, bytes.fromhex(revision["commitment"][2:]))
        body = {"signature": owner.sign(publication)}
        owner.expect(200, "POST", f"/v1/revisions/{revision['id']}/publish", json=body)
        wish = owner.licence_request(revision, provider, terms=TERMS)
        prepared = owner.expect(200, "POST", "/v1/licences/prepare", json=wish)
        signed = {"signature": owner.sign(Licence.from_json(prepared["licence"]))}
        licence = owner.expect(201, "POST", "/v1/licences", json=prepared["request"] | signed)

        unsigned = consent(owner, licence)
        assert problem(unsigned, "invalid-request")["field"] == "signature"
        foreign = consent(owner, licence, signature=provider.sign(TransferConsent(bytes(32))))
        problem(foreign, "invalid-signature")
        statement = TransferConsent.from_json(licence["transfer_consent"])
        assert consent(owner, licence, signature=owner.sign(statement)).status_code == 200

        path = f"/v1/licences/{licence['id']}/transfers"
        proposal = provider.expect(
            200, "POST", f"{path}/prepare", json={"provider_id": receiver.id, "prints": 1}
        )
        assert proposal["typed_data"]["message"] == proposal["transfer"]
        wanted = PrintTransfer.from_json(proposal["transfer"])
        refused = transfer(provider, licence, receiver, 1, salt=proposal["request"]["salt"])
        assert problem(refused, "invalid-request")["field"] == "signature"
        wrong = {"salt": "0x" + "00" * 32, "signature": provider.sign(wanted)}
        problem(transfer(provider, licence, receiver, 1, **wrong), "invalid-signature")
        answer = provider.call(
            "POST",
            path,
            json=proposal["request"] | {"signature": provider.sign(wanted)},
            headers={"Idempotency-Key": "own-account"},
        )
        assert (answer.status_code, answer.json()["licence_hash"]) == (201, proposal["licence_hash"])


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Impatient]:
    with impatient_service(tmp_path_factory.mktemp("impatient")) as running:
        yield running


class TestPending:
    def test_is_accepted_and_reserved_until_the_chain_has_it(self, market: Impatient) -> None:
        receiver = new_party(market.service, "provider")
        licence, printer = market.licence(prints=2, terms=TERMS), market.printer()
        assert consent(market.owner, licence).status_code == 200
        first = transfer(market.provider, licence, receiver, 1, "late-transfer")
        assert first.status_code in SETTLED | {201}
        assert (first.status_code == 202) == (first.json()["state"] == "pending")
        market.provider.authorise(licence, printer)
        assert market.provider.check(licence, printer) == ["count_reserved"]
        assert codes(transfer(market.provider, licence, receiver, 1)) == ["not_transferable"]
        market.reached(receiver, f"/v1/licences/{first.json()['id']}", "active")
        again = transfer(market.provider, licence, receiver, 1, "late-transfer")
        assert (again.status_code, again.json()["state"]) == (201, "confirmed")
        assert again.json()["id"] == first.json()["id"]
