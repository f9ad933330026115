"""A TPM's evidence on its way through a real service: challenged, kept, shown to provider and owner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from printer_agent.enrolment import enrol
from printer_agent.identity import Identity, make_identity
from printer_agent.settings import Settings
from tests.app.parties import MACHINE, Party, Printer, new_party, problem
from tests.app.printers.made_up_tpm import MadeUpTpm
from tests.app.printers.rotating import until_state
from tests.app.service import Service, running_service
from tests.printer_agent.keys.swtpm import SoftwareTpm, swtpm
from tests.printer_agent.test_client_clock import Line


@pytest.fixture(scope="module")
def tpm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftwareTpm]:
    with swtpm(tmp_path_factory.mktemp("evidence-tpm")) as made:
        yield made


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory, tpm: SoftwareTpm) -> Iterator[Service]:
    """A service whose operator trusts the maker of this TPM."""
    with running_service(tmp_path_factory.mktemp("trusting"), attestation_ca_file=tpm.authorities) as running:
        yield running


def created(provider: Party) -> dict[str, Any]:
    return provider.expect(201, "POST", "/v1/printers", json={"name": "P", "machine": MACHINE})


def enrolled(provider: Party, home: Path, uri: str, change: Any = None) -> tuple[dict[str, Any], Identity]:
    """Enrol the agent of a home as a new printer."""
    made = created(provider)
    found = attempt(provider, home, uri, made["enrolment_code"], change)
    return provider.expect(200, "GET", f"/v1/printers/{made['id']}"), found


def attempt(provider: Party, home: Path, uri: str, code: str, change: Any = None) -> Identity:
    """Enrol the agent of a home by a code; `change` edits what it sends, as a liar would."""
    line = Line(provider.service)

    def carry(request: httpx2.Request) -> httpx2.Response:
        request.read()
        return line.carry(request if change is None else change(request))

    settings, identity = Settings.read({}, home=home), make_identity(home, uri)
    transport = httpx2.MockTransport(carry)
    return enrol(identity, "http://testserver", code, settings, transport=transport)[0]


def names(claims: list[dict[str, str]]) -> set[str]:
    return {claim["claim"] for claim in claims}


class TestTpm:
    def test_is_shown_before_the_approval(
        self, provider: Party, owner: Party, tmp_path: Path, tpm: SoftwareTpm
    ) -> None:
        shown, identity = enrolled(provider, tmp_path / "home", tpm.uri)
        seen = shown["attestation"]
        assert (shown["state"], seen["format"]) == ("awaiting_approval", "partvault/tpm2-certify/v1")
        assert names(seen["unverified"]) == {"manufacturer"}
        assert "set no manufacturers" in seen["unverified"][0]["detail"]
        assert names(seen["verified"]) >= {"same_tpm", "signing_key_kept", "sealing_key_kept"}
        assert (seen["complete"], "serial" in seen["endorsement"]) == (False, True)
        assert identity.sealing.suite == "P-256"

    def test_is_whole_where_the_operator_trusts_its_maker(
        self, trusting: Service, tmp_path: Path, tpm: SoftwareTpm
    ) -> None:
        provider, owner = new_party(trusting, "provider"), new_party(trusting, "owner")
        shown, _ = enrolled(provider, tmp_path / "home", tpm.uri)
        assert (shown["attestation"]["unverified"], shown["attestation"]["complete"]) == ([], True)
        path = f"/v1/printers/{shown['id']}/approve"
        assert provider.call("POST", path, json={}).status_code in (200, 202)
        until_state(provider, Printer(trusting, shown["id"]), "enrolled")
        listed = owner.expect(200, "GET", f"/v1/parties/{provider.id}/printers")["items"]
        assert [each["attestation"]["complete"] for each in listed] == [True]

    def test_is_answered_again_after_the_approval(
        self, trusting: Service, tmp_path: Path, tpm: SoftwareTpm
    ) -> None:
        """The same TPM attests anew, with other signatures, and the evidence that was approved stays."""
        provider = new_party(trusting, "provider")
        made = created(provider)
        code, path = made["enrolment_code"], f"/v1/printers/{made['id']}"
        first = attempt(provider, tmp_path / "home", tpm.uri, code)
        assert provider.call("POST", f"{path}/approve", json={}).status_code in (200, 202)
        query = "select attestation from printers where id = ?"
        kept = trusting.column(query, made["id"])
        assert attempt(provider, tmp_path / "home", tpm.uri, code).enrolled == first.enrolled
        assert trusting.column(query, made["id"]) == kept
        assert provider.expect(200, "GET", path)["attestation"]["complete"] is True

    def test_is_not_of_one_tpm_without_the_answer(
        self, provider: Party, tmp_path: Path, tpm: SoftwareTpm
    ) -> None:
        def silent(request: httpx2.Request) -> httpx2.Request:
            import json

            body = json.loads(request.content)
            if "signature" in body and "attestation" in body:
                body["attestation"]["activation"] = "00" * 32
            return httpx2.Request(request.method, request.url, json=body)

        shown, _ = enrolled(provider, tmp_path / "home", tpm.uri, silent)
        assert "same_tpm" in names(shown["attestation"]["unverified"])
        assert not shown["attestation"]["complete"]


class TestOthers:
    def test_have_no_evidence(self, provider: Party, tmp_path: Path) -> None:
        shown, _ = enrolled(provider, tmp_path / "home", "file:")
        assert shown["attestation"] == {
            "format": "none",
            "complete": False,
            "verified": [],
            "unverified": [],
            "endorsement": None,
        }

    def test_are_kept_as_they_came_and_not_believed(self, provider: Party) -> None:
        made = created(provider)
        printer = Printer(provider.service, made["id"])
        body = printer.enrolment_body(made["enrolment_code"]) | printer.signatures(provider.address)
        evidence = MadeUpTpm().evidence(bytes(32))
        answer = provider.service.client.post(
            "/v1/printers/enrol", json=body | {"attestation": {"evidence": evidence}}
        )
        assert answer.status_code == 200, answer.text
        seen = provider.expect(200, "GET", f"/v1/printers/{made['id']}")["attestation"]
        assert names(seen["unverified"]) == {
            "signing_key_certified",
            "sealing_key_certified",
            "same_tpm",
            "manufacturer",
        }

    @pytest.mark.parametrize("signed", [False, True])
    def test_are_refused_beyond_a_size(self, provider: Party, signed: bool) -> None:
        made = created(provider)
        printer = Printer(provider.service, made["id"])
        body = printer.enrolment_body(made["enrolment_code"])
        body |= printer.signatures(provider.address) if signed else {}
        large = {"evidence": {"format": "x", "list": ["a" * 1000] * 20}}
        refused = provider.service.client.post("/v1/printers/enrol", json=body | {"attestation": large})
        assert problem(refused, "invalid-request")["field"] == "attestation.evidence"
