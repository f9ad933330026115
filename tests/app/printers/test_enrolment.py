"""Enrolment of a printer: one code, one key, proof of possession, the provider's approval."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.sealing import sealing_statement
from ledger.typed_data import Enrolment
from storage.recipients import SealingKey
from tests.app.parties import MACHINE, Party, Printer, new_party, problem
from tests.app.printers.rotating import opened, succession_body, succession_of, successor_of
from tests.app.service import Service, running_service


def created(provider: Party, **machine: Any) -> dict[str, Any]:
    return provider.expect(201, "POST", "/v1/printers", json={"name": "P", "machine": MACHINE | machine})


def send(service: Service, body: dict[str, Any]) -> Any:
    return service.client.post("/v1/printers/enrol", json=body)


class TestEnrol:
    def test_leads_to_an_enrolled_printer(self, provider: Party) -> None:
        made = created(provider)
        assert (made["state"], made["enrolment"]) == ("awaiting_key", None)
        printer = Printer(provider.service, made["id"])
        answer = printer.enrol(made["enrolment_code"])
        assert (answer.status_code, answer.json()["state"]) == (200, "awaiting_approval")
        seen = provider.expect(200, "GET", f"/v1/printers/{made['id']}")
        assert seen["printer_hash"] == answer.json()["printer_hash"]
        assert seen["enrolment"]["provider"] == provider.address
        assert len(seen["key_thumbprint"]) == 43
        approved = provider.expect(200, "POST", f"/v1/printers/{made['id']}/approve", json={})
        assert (approved["state"], approved["receipt"]["block_number"] > 0) == ("enrolled", True)
        again = provider.expect(200, "POST", f"/v1/printers/{made['id']}/approve", json={})
        assert again == approved

    def test_changes_nothing_before_the_signature(self, provider: Party) -> None:
        made = created(provider)
        printer = Printer(provider.service, made["id"])
        offer = send(provider.service, printer.enrolment_body(made["enrolment_code"]))
        assert (offer.status_code, offer.json()["state"]) == (200, "awaiting_key")
        other = Printer(provider.service, made["id"])
        assert other.enrol(made["enrolment_code"]).status_code == 200

    def test_answers_a_repeat_alike_and_other_keys_not_at_all(self, provider: Party) -> None:
        made = created(provider)
        printer = Printer(provider.service, made["id"])
        first, again = (printer.enrol(made["enrolment_code"]) for _ in range(2))
        assert first.json() == again.json()
        refused = Printer(provider.service, made["id"]).enrol(made["enrolment_code"])
        assert refused.status_code == 409
        problem(refused, "conflict")

    def test_wants_proof_of_possession(self, provider: Party) -> None:
        made = created(provider)
        printer, thief = (Printer(provider.service, made["id"]) for _ in range(2))
        body = printer.enrolment_body(made["enrolment_code"])
        forged = thief.sign(Enrolment(provider.address, *printer.coordinates()))
        refused = send(provider.service, body | printer.signatures(provider.address) | {"signature": forged})
        assert refused.status_code == 422
        assert problem(refused, "invalid-signature")["field"] == "signature"
        assert provider.expect(200, "GET", f"/v1/printers/{made['id']}")["state"] == "awaiting_key"

    @pytest.mark.parametrize("change", ["signer", "provider", "suite", "public", "enrolment"])
    def test_wants_the_signing_keys_word_for_the_sealing_key(self, provider: Party, change: str) -> None:
        made = created(provider)
        printer, thief = (Printer(provider.service, made["id"]) for _ in range(2))
        own = Enrolment(provider.address, *printer.coordinates())
        elsewhere = Enrolment("0x" + "44" * 20, *printer.coordinates())
        suite, public = printer.sealing.suite, printer.sealing.public
        forged = {
            "signer": thief.sign(sealing_statement(own, suite, public)),
            "provider": printer.sign(sealing_statement(elsewhere, suite, public)),
            "suite": printer.sign(sealing_statement(own, "X25519", public)),
            "public": printer.sign(sealing_statement(own, suite, thief.sealing.public)),
            "enrolment": printer.sign(own),
        }
        body = printer.enrolment_body(made["enrolment_code"]) | printer.signatures(provider.address)
        refused = send(provider.service, body | {"sealing_signature": forged[change]})
        assert refused.status_code == 422
        assert problem(refused, "invalid-signature")["field"] == "sealing_signature"
        assert provider.expect(200, "GET", f"/v1/printers/{made['id']}")["state"] == "awaiting_key"
        assert send(provider.service, body).json()["state"] == "awaiting_approval"

    @pytest.mark.parametrize("missing", ["signature", "sealing_signature"])
    def test_takes_no_signature_without_the_other(self, provider: Party, missing: str) -> None:
        made = created(provider)
        printer = Printer(provider.service, made["id"])
        body = printer.enrolment_body(made["enrolment_code"]) | printer.signatures(provider.address)
        del body[missing]
        refused = send(provider.service, body)
        assert refused.status_code == 422
        assert problem(refused, "invalid-request")["field"] == missing

    def test_offers_both_statements(self, provider: Party) -> None:
        made = created(provider)
        printer = Printer(provider.service, made["id"])
        offer = send(provider.service, printer.enrolment_body(made["enrolment_code"])).json()
        enrolment = Enrolment(provider.address, *printer.coordinates())
        sealing = sealing_statement(enrolment, printer.sealing.suite, printer.sealing.public)
        assert (offer["enrolment"], offer["sealing"]) == (enrolment.to_json(), sealing.to_json())
        assert offer["printer_hash"] == offer["sealing"]["printer"]

    def test_takes_a_signing_key_once(self, provider: Party) -> None:
        first, second = created(provider), created(provider)
        printer = Printer(provider.service, first["id"])
        assert printer.enrol(first["enrolment_code"]).status_code == 200
        refused = printer.enrol(second["enrolment_code"])
        assert problem(refused, "invalid-request")["field"] == "signing_key"

    @pytest.mark.parametrize("suite", ["X25519", "P-256", "MLKEM768-X25519"])
    def test_takes_every_sealing_suite(self, provider: Party, suite: str) -> None:
        made = created(provider)
        printer = Printer(provider.service, made["id"], sealing=SealingKey.generate(suite))
        assert printer.enrol(made["enrolment_code"]).status_code == 200

    @pytest.mark.parametrize(
        ("sealing", "slug"),
        [
            ({"suite": "ROT13", "public": "AAAA"}, "sealing-key-invalid"),
            ({"suite": "X25519", "public": "AAAA"}, "sealing-key-invalid"),
            ({"suite": "X25519", "public": "A" * 43 + "="}, "sealing-key-invalid"),
            ({"suite": "X25519", "public": "not base64!"}, "invalid-request"),
        ],
    )
    def test_refuses_a_sealing_key_that_is_none(
        self, provider: Party, sealing: dict[str, str], slug: str
    ) -> None:
        made = created(provider)
        body = Printer(provider.service, made["id"]).enrolment_body(made["enrolment_code"])
        refused = send(provider.service, body | {"sealing_key": sealing})
        assert refused.status_code == 422
        problem(refused, slug)

    def test_refuses_a_point_off_the_curve(self, provider: Party) -> None:
        made = created(provider)
        body = Printer(provider.service, made["id"]).enrolment_body(made["enrolment_code"])
        off = {"x": "0x" + "01" * 32, "y": "0x" + "02" * 32}
        signatures = dict.fromkeys(("signature", "sealing_signature"), "0x" + "03" * 64)
        refused = send(provider.service, body | {"signing_key": off} | signatures)
        problem(refused, "invalid-signature")

    def test_is_refused_before_there_is_a_key(self, provider: Party) -> None:
        made = created(provider)
        refused = provider.call("POST", f"/v1/printers/{made['id']}/approve", json={})
        assert "awaiting_key" in problem(refused, "conflict")["detail"]


EVIDENCE = {"format": "partvault/tpm2-certify/v1", "attestation_key": "YQ=="}


def enrolled_in(
    provider: Party, state: str, attestation: dict[str, Any] | None, licence: dict[str, Any]
) -> tuple[Printer, str]:
    """A printer whose code was used, in a state that is shown; and the code."""
    made = created(provider)
    printer = Printer(provider.service, made["id"])
    body = printer.enrolment_body(made["enrolment_code"]) | printer.signatures(provider.address)
    assert send(provider.service, body | {"attestation": attestation}).status_code == 200
    path = f"/v1/printers/{printer.id}"
    if state in {"approving", "retiring"}:  # as long as the chain says nothing
        provider.service.execute("update printers set state = ? where id = ?", state, printer.id)
    elif state != "awaiting_approval":
        provider.expect(200, "POST", f"{path}/approve", json={})
    if state == "quarantined":
        provider.expect(200, "POST", f"{path}/quarantine", json={"reason": "its door was open"})
    if state == "superseded":
        provider.authorise(licence, printer)  # as long as it is under way, the service retires nothing
        successor_of(provider, printer)
    if state == "retired":
        provider.expect(200, "POST", f"{path}/retire", json={})
    return printer, made["enrolment_code"]


def requests_of(provider: Party, printer: Printer, code: str, attestation: Any) -> dict[str, dict[str, Any]]:
    """What may be sent with a used code: the enrolment itself, and what differs from it in one thing."""
    other = Printer(provider.service, printer.id)
    rekeyed = Printer(provider.service, printer.id, key=other.key, sealing=printer.sealing)
    resealed = Printer(provider.service, printer.id, key=printer.key, sealing=other.sealing)
    unsigned = printer.enrolment_body(code)
    first, whole = unsigned, unsigned | printer.signatures(provider.address) | {"attestation": attestation}
    another = None if attestation else {"evidence": EVIDENCE}
    wrong = other.signatures(provider.address)

    def signed(by: Printer) -> dict[str, Any]:
        return by.enrolment_body(code) | by.signatures(provider.address) | {"attestation": attestation}

    return {
        "first request": first,
        "whole": whole,
        "other signing key": signed(rekeyed),
        "other signing key, first request": rekeyed.enrolment_body(code),
        "other sealing key": signed(resealed),
        "other sealing key, first request": resealed.enrolment_body(code),
        "other keys": signed(other),
        "one signature": whole | {"sealing_signature": None},
        "other one signature": whole | {"signature": None},
        "forged possession": whole | {"signature": wrong["signature"]},
        "forged sealing": whole | {"sealing_signature": wrong["sealing_signature"]},
        "succession of nobody": whole | {"succession_signature": whole["signature"]},
        "other evidence": whole | {"attestation": another},
        "other device": whole | {"attestation": {"evidence": EVIDENCE | {"attestation_key": "Yg=="}}},
    }


class TestRepeat:
    """A code that was used answers the very same enrolment, and after the approval nothing else.

    `BEFORE` are the answers before the approval, where the code still tells what is wrong.
    """

    BEFORE = {"other evidence": 200, "other device": 200} | dict.fromkeys(
        (
            "one signature",
            "other one signature",
            "forged possession",
            "forged sealing",
            "succession of nobody",
        ),
        422,
    )

    @pytest.fixture(scope="class")
    @staticmethod
    def licence(owner: Party, provider: Party, revision: dict[str, Any]) -> dict[str, Any]:
        return owner.license(revision, provider, prints=9)

    @pytest.mark.parametrize("attestation", [None, {"evidence": EVIDENCE}], ids=["plain", "attested"])
    @pytest.mark.parametrize(
        "state",
        ["awaiting_approval", "approving", "enrolled", "quarantined", "superseded", "retiring", "retired"],
    )
    def test_is_answered_where_nothing_differs(
        self, provider: Party, licence: dict[str, Any], state: str, attestation: dict[str, Any] | None
    ) -> None:
        printer, code = enrolled_in(provider, state, attestation, licence)
        unknown = send(provider.service, Printer(provider.service, "").enrolment_body("pve_" + "0" * 64))
        before = row_of(provider, printer)
        for name, body in requests_of(provider, printer, code, attestation).items():
            answer = send(provider.service, body)
            if state not in {"retiring", "retired"} and name in {"first request", "whole"}:
                assert answer.status_code == 200, (name, answer.text)
                assert answer.json()["printer_id"] == printer.id
            elif state == "awaiting_approval":
                assert answer.status_code == self.BEFORE.get(name, 409), (name, answer.text)
            else:
                assert (answer.status_code, answer.json()) == (404, unknown.json()), name
        assert row_of(provider, printer) == before, "a repeat stores nothing"

    def test_is_answered_as_before_the_approval(self, provider: Party) -> None:
        made = created(provider)
        printer = Printer(provider.service, made["id"])
        first = printer.enrol(made["enrolment_code"]).json()
        provider.expect(200, "POST", f"/v1/printers/{made['id']}/approve", json={})
        assert printer.enrol(made["enrolment_code"]).json() == first | {"state": "enrolled"}

    def test_of_a_rotation_is_answered_too(self, provider: Party) -> None:
        old = provider.printer()
        made = opened(provider, old)
        new = Printer(provider.service, made["id"])
        body = succession_body(provider, old, new, made["enrolment_code"])
        assert send(provider.service, body).status_code == 200
        provider.expect(200, "POST", f"/v1/printers/{new.id}/approve", json={})
        assert send(provider.service, body).json()["printer_id"] == new.id
        forged = new.sign(succession_of(provider, old, new))
        for succession in (None, forged):
            refused = send(provider.service, body | {"succession_signature": succession})
            assert problem(refused, "not-found")["detail"].startswith("there is no enrolment code")


def row_of(provider: Party, printer: Printer) -> list[Any]:
    columns = (
        *("state", "code_sha256", "code_expires_at", "key_x", "key_y", "sealing_suite", "sealing_public"),
        *("possession_signature", "sealing_signature", "printer_hash", "enrol_operation", "attestation"),
    )
    return [
        provider.service.column(f"select {name} from printers where id = ?", printer.id) for name in columns
    ]


class TestCode:
    @pytest.fixture(scope="module")
    @staticmethod
    def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
        folder: Path = tmp_path_factory.mktemp("short")
        with running_service(folder, enrolment_ttl_s=60) as running:
            yield running

    def test_lives_for_a_while(self, short: Service) -> None:
        provider = new_party(short, "provider")
        made = created(provider)
        short.clock.forward(61)
        assert Printer(short, made["id"]).enrol(made["enrolment_code"]).status_code == 404

    def test_expires_for_repeats_too(self, short: Service) -> None:
        provider = new_party(short, "provider")
        made = created(provider)
        printer = Printer(short, made["id"])
        assert printer.enrol(made["enrolment_code"]).status_code == 200
        provider.expect(200, "POST", f"/v1/printers/{made['id']}/approve", json={})
        assert printer.enrol(made["enrolment_code"]).status_code == 200
        short.clock.forward(61)
        assert printer.enrol(made["enrolment_code"]).status_code == 404

    def test_is_kept_as_its_digest_only(self, service: Service, provider: Party) -> None:
        code = created(provider)["enrolment_code"].encode()
        files = [path for path in service.data_dir.rglob("*") if path.is_file()]
        assert not [path for path in files if code in path.read_bytes()]


class TestRetire:
    def test_ends_a_printer_for_good(self, provider: Party) -> None:
        printer = provider.printer()
        path = f"/v1/printers/{printer.id}/retire"
        retired = provider.expect(200, "POST", path, json={})
        assert (retired["state"], retired["retirement_receipt"]["block_number"] > 0) == ("retired", True)
        assert provider.expect(200, "POST", path, json={}) == retired

    def test_needs_no_chain_before_the_approval(self, provider: Party) -> None:
        printer = provider.printer(approve=False)
        retired = provider.expect(200, "POST", f"/v1/printers/{printer.id}/retire", json={})
        assert (retired["state"], retired["retirement_receipt"]) == ("retired", None)
        refused = provider.call("POST", f"/v1/printers/{printer.id}/approve", json={})
        problem(refused, "conflict")


class TestTenancy:
    def test_hides_other_providers_printers(self, service: Service, printer: Printer) -> None:
        rival = new_party(service, "provider")
        assert rival.call("GET", f"/v1/printers/{printer.id}").status_code == 404
        for action in ("approve", "retire"):
            assert rival.call("POST", f"/v1/printers/{printer.id}/{action}", json={}).status_code == 404
        assert rival.expect(200, "GET", "/v1/printers")["items"] == []
