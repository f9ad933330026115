"""What auditors read: events, operations and evidence, of their own licences and no other."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest

from ledger import print_evidence
from ledger.audit import Finding
from ledger.audit_chain import ChainReader, audit
from ledger.evidence import parse
from ledger.print_audit import audit_print
from ledger.web3_chain import Web3Chain
from tests.app.parties import Party, new_party, problem
from tests.app.service import Service


@pytest.fixture(scope="module")
def story(service: Service) -> dict[str, Any]:
    """Two parties with a licence, a print and its outcome."""
    owner, provider = new_party(service, "owner"), new_party(service, "provider")
    revision = owner.published()
    licence = owner.license(revision, provider)
    printer = provider.printer()
    release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
    assert printer.report(release, licence, 1, 1).status_code == 200
    return {"owner": owner, "provider": provider, "licence": licence, "revision": revision}


def auditor_of(party: Party) -> Party:
    made = party.expect(201, "POST", "/v1/api-keys", json={"name": "audit", "roles": ["auditor"]})
    return Party(party.service, party.id, made["key"], party.address)


def names(party: Party, **params: Any) -> list[str]:
    return [event["name"] for event in party.expect(200, "GET", "/v1/ledger/events", params=params)["items"]]


class TestEvents:
    def test_are_those_of_the_caller(self, story: dict[str, Any]) -> None:
        about = ["LicenceGranted", "PrintRecorded", "OutcomeRecorded"]
        assert names(story["owner"]) == ["RevisionPublished", *about]
        assert sorted(names(story["provider"])) == sorted(["PrinterEnrolled", *about])
        assert names(auditor_of(story["owner"]), licence_hash=story["licence"]["licence_hash"]) == about

    def test_come_page_by_page(self, story: dict[str, Any]) -> None:
        seen, cursor = [], None
        while True:
            params = {"limit": 1} | ({"cursor": cursor} if cursor else {})
            page = story["owner"].expect(200, "GET", "/v1/ledger/events", params=params)
            seen += [event["name"] for event in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == names(story["owner"])

    def test_of_others_are_hidden(self, service: Service, story: dict[str, Any]) -> None:
        stranger = new_party(service, "auditor")
        assert names(stranger) == []
        path = f"/v1/ledger/events?licence_hash={story['licence']['licence_hash']}"
        assert stranger.call("GET", path).status_code == 404

    def test_refuse_a_cursor_that_is_none(self, story: dict[str, Any]) -> None:
        refused = story["owner"].call("GET", "/v1/ledger/events?cursor=x")
        assert problem(refused, "invalid-request")["field"] == "cursor"


class TestOperations:
    def test_are_shown_to_who_caused_them(self, service: Service, story: dict[str, Any]) -> None:
        licence = story["licence"]
        path = f"/v1/ledger/operations/grant:{licence['licence_hash']}"
        for party in (story["owner"], story["provider"], auditor_of(story["provider"])):
            seen = party.expect(200, "GET", path)
            assert (seen["state"], seen["kind"], seen["receipt"]) == (
                "confirmed",
                "grant",
                licence["receipt"],
            )
        assert new_party(service, "owner").call("GET", path).status_code == 404

    def test_of_a_revision_are_its_owners(self, story: dict[str, Any]) -> None:
        path = f"/v1/ledger/operations/publish:{story['revision']['revision_hash']}"
        assert story["owner"].call("GET", path).status_code == 200
        assert story["provider"].call("GET", path).status_code == 404


class TestEvidence:
    def test_holds_all_that_was_signed(self, story: dict[str, Any]) -> None:
        evidence = story["owner"].expect(200, "GET", f"/v1/licences/{story['licence']['id']}/evidence")
        assert parse(json.dumps(evidence)) == evidence
        counts = {name: len(rows) for name, rows in evidence.items() if isinstance(rows, list)}
        assert counts == {
            "publications": 1,
            "licences": 1,
            "transfers": 0,
            "revocations": 0,
            "printers": 1,
            "retirements": 0,
            "prints": 1,
            "outcomes": 1,
            "subjects": 1,
            "openings": 1,
        }
        assert evidence["subjects"] == [story["licence"]["licence_hash"]]
        assert evidence["openings"][0]["manifest"] == story["revision"]["manifest"]

    def test_is_the_same_for_all_licences_where_there_is_one(self, story: dict[str, Any]) -> None:
        one = story["owner"].expect(200, "GET", f"/v1/licences/{story['licence']['id']}/evidence")
        every = story["owner"].expect(200, "GET", "/v1/evidence")
        unlike = {"generated_at", "digest", "head"}
        assert {k: v for k, v in one.items() if k not in unlike} == {
            k: v for k, v in every.items() if k not in unlike
        }

    def test_opens_no_manifest_to_an_auditor(self, story: dict[str, Any]) -> None:
        evidence = auditor_of(story["owner"]).expect(200, "GET", "/v1/evidence")
        assert evidence["openings"] == []
        assert len(evidence["prints"]) == 1
        assert "bounds_mm" not in str(evidence)

    def test_of_others_is_hidden(self, service: Service, story: dict[str, Any]) -> None:
        stranger = new_party(service, "provider")
        assert stranger.call("GET", f"/v1/licences/{story['licence']['id']}/evidence").status_code == 404
        assert stranger.expect(200, "GET", "/v1/evidence")["licences"] == []


@pytest.fixture(scope="module")
def moved(service: Service, provider: Party) -> dict[str, Any]:
    """Two prints passed on, one of them printed by who received them; nobody tampers with this owner's
    rows.
    """
    owner, receiver = new_party(service, "owner"), new_party(service, "provider")
    licence = owner.license(owner.published(), provider, prints=5, terms={"transferable": True})
    owner.expect(200, "POST", f"/v1/licences/{licence['id']}/transfer-consent", json={})
    made = provider.expect(
        201,
        "POST",
        f"/v1/licences/{licence['id']}/transfers",
        json={"provider_id": receiver.id, "prints": 2},
        headers={"Idempotency-Key": secrets.token_hex(16)},
    )
    printer = receiver.printer()
    theirs = receiver.expect(200, "GET", f"/v1/licences/{made['id']}")
    assert printer.redeem(receiver.authorise(theirs, printer)["token"]).status_code == 200
    return {"licence": licence, "theirs": theirs, "owner": owner, "receiver": receiver}


class TestEvidenceOfTransfers:
    def test_of_the_licence_they_left_hold_both_signatures(
        self, service: Service, provider: Party, moved: dict[str, Any]
    ) -> None:
        evidence = provider.expect(200, "GET", f"/v1/licences/{moved['licence']['id']}/evidence")
        (row,) = evidence["transfers"]
        assert row["transfer"]["licence"] == moved["licence"]["licence_hash"]
        assert row["origin"] == moved["licence"]["licence"]
        assert {"signature", "owner_signature", "receipt"} <= row.keys()
        assert _findings(service, evidence) == []

    def test_tell_who_gave_nothing_of_what_became_of_them(
        self, provider: Party, moved: dict[str, Any]
    ) -> None:
        evidence = provider.expect(200, "GET", f"/v1/licences/{moved['licence']['id']}/evidence")
        assert (evidence["prints"], evidence["printers"]) == ([], [])
        assert evidence["subjects"] == [moved["licence"]["licence_hash"]]

    def test_of_the_licence_they_made_hold_the_same_row(
        self, service: Service, provider: Party, moved: dict[str, Any]
    ) -> None:
        path = f"/v1/licences/{moved['theirs']['id']}/evidence"
        theirs = moved["receiver"].expect(200, "GET", path)
        mine = provider.expect(200, "GET", f"/v1/licences/{moved['licence']['id']}/evidence")
        assert theirs["transfers"] == mine["transfers"]
        assert (len(theirs["prints"]), theirs["licences"]) == (1, [])
        assert _findings(service, theirs) == []

    def test_of_both_are_complete_for_the_owner(self, service: Service, moved: dict[str, Any]) -> None:
        evidence = moved["owner"].expect(200, "GET", "/v1/evidence")
        hashes = {moved[name]["licence_hash"] for name in ("licence", "theirs")}
        assert hashes <= {*evidence["subjects"]}
        assert _findings(service, evidence) == []


def _findings(service: Service, evidence: dict[str, Any]) -> list[Finding]:
    """Audit evidence against the service's chain."""
    chain = Web3Chain.http(str(service.services.ledger.rpc_url))
    reader = ChainReader(chain, service.domain.contract)
    report = audit(reader, parse(json.dumps(evidence)))
    return [each for each in report.findings if each.row.startswith("evidence")]


class TestLedger:
    def test_says_which_chain_it_is(self, service: Service, owner: Party) -> None:
        seen = owner.expect(200, "GET", "/v1/ledger")
        assert (seen["chain_id"], seen["contract"]) == (service.domain.chain_id, service.domain.contract)
        assert (seen["ok"], seen["embedded"], len(seen["code_hash"])) == (True, True, 66)


class TestPrintEvidence:
    @pytest.fixture
    def printed(self, story: dict[str, Any]) -> str:
        rows = story["provider"].expect(200, "GET", "/v1/prints")["items"]
        (counted,) = [row["id"] for row in rows if row["redeemed_at"]]
        return str(counted)

    def test_is_verified_without_the_service(
        self, service: Service, story: dict[str, Any], printed: str
    ) -> None:
        for party in (story["owner"], story["provider"]):
            bundle = party.expect(200, "GET", f"/v1/prints/{printed}/evidence")
            assert print_evidence.parse(json.dumps(bundle)) == bundle
            kinds = [row["operation"]["kind"] for row in bundle["operations"]]
            assert kinds == ["publish", "grant", "enrol", "record_print", "record_outcome"]
            assert [opening["of"] for opening in bundle["openings"]] == ["manifest", "terms", "report"]
            for chain in (None, Web3Chain.http(str(service.services.ledger.rpc_url))):
                report = audit_print(bundle, chain)
                assert report.ok, report.findings

    def test_opens_nothing_to_an_auditor(self, story: dict[str, Any], printed: str) -> None:
        bundle = auditor_of(story["owner"]).expect(200, "GET", f"/v1/prints/{printed}/evidence")
        assert bundle["openings"] == []
        assert audit_print(bundle).ok

    def test_of_others_is_hidden(self, service: Service, printed: str) -> None:
        stranger = new_party(service, "owner")
        assert stranger.call("GET", f"/v1/prints/{printed}/evidence").status_code == 404

    def test_is_refused_before_the_print_is_counted(self, service: Service) -> None:
        provider = new_party(service, "provider")
        owner = new_party(service, "owner")
        waiting = provider.authorise(owner.license(owner.published(), provider), provider.printer())
        refused = owner.call("GET", f"/v1/prints/{waiting['id']}/evidence")
        assert "has not counted it" in problem(refused, "conflict")["detail"]
