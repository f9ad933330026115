"""The directory of enrolled printers: an owner verifies a sealing key with the chain's help alone."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ledger.errors import SignatureError
from ledger.sealing import verify_sealing_key
from ledger.typed_data import Domain, Enrolment
from tests.app.parties import MACHINE, Party, Printer, new_party, problem
from tests.app.service import Service


def listed(reader: Party, provider: Party, **query: Any) -> dict[str, Any]:
    return reader.expect(200, "GET", f"/v1/parties/{provider.id}/printers", params=query)


def verified(domain: Domain, shown: dict[str, Any]) -> str:
    """What an owner's client does with an entry; gives the printer's name on chain."""
    enrolment, sealing = Enrolment.from_json(shown["enrolment"]), shown["sealing"]
    public, signature = base64.b64decode(sealing["public"]), bytes.fromhex(sealing["signature"][2:])
    provider, key_x, key_y = enrolment.provider, enrolment.key_x, enrolment.key_y
    named = verify_sealing_key(domain, provider, key_x, key_y, sealing["suite"], public, signature)
    return "0x" + named.hex()


@pytest.fixture
def workshop(service: Service) -> Party:
    """A provider of its own for every test."""
    return new_party(service, "provider")


class TestPartyPrinters:
    def test_lets_an_owner_verify_the_sealing_key(
        self, service: Service, owner: Party, workshop: Party
    ) -> None:
        printer = workshop.printer()
        (shown,) = listed(owner, workshop)["items"]
        assert base64.b64decode(shown["sealing"]["public"]) == printer.sealing.public
        assert verified(service.domain, shown) == shown["printer_hash"]
        assert shown["enrolment"]["provider"] == workshop.address
        on_chain = service.services.ledger.printer_state(bytes.fromhex(shown["printer_hash"][2:]))
        assert on_chain is not None
        assert (on_chain.provider, on_chain.retired) == (workshop.address, False)

    def test_cannot_pass_another_sealing_key_off(
        self, service: Service, owner: Party, workshop: Party
    ) -> None:
        machine, other = workshop.printer(), workshop.printer()
        service.execute(
            "update printers set sealing_public = ? where id = ?", other.sealing.public, machine.id
        )
        shown = {entry["id"]: entry for entry in listed(owner, workshop)["items"]}
        with pytest.raises(SignatureError):
            verified(service.domain, shown[machine.id])
        assert verified(service.domain, shown[other.id]) == shown[other.id]["printer_hash"]

    def test_shows_no_more_than_keys_and_machine(self, owner: Party, workshop: Party) -> None:
        workshop.printer()
        (shown,) = listed(owner, workshop)["items"]
        assert set(shown) == {"id", "printer_hash", "enrolment", "sealing", "machine", "attestation"}
        assert set(shown["enrolment"]) == {"provider", "keyX", "keyY"}
        assert set(shown["sealing"]) == {"suite", "public", "signature"}
        public = ("model", "build_volume_mm", "processes")
        assert shown["machine"] == {name: MACHINE[name] for name in public}

    def test_lists_enrolled_printers_only(self, owner: Party, workshop: Party) -> None:
        enrolled, retired = workshop.printer(), workshop.printer()
        workshop.printer(approve=False)
        workshop.expect(201, "POST", "/v1/printers", json={"name": "P", "machine": MACHINE})
        workshop.expect(200, "POST", f"/v1/printers/{retired.id}/retire", json={})
        assert [entry["id"] for entry in listed(owner, workshop)["items"]] == [enrolled.id]

    def test_gives_pages(self, owner: Party, workshop: Party) -> None:
        printers: list[Printer] = [workshop.printer() for _ in range(3)]
        first = listed(owner, workshop, limit=2)
        second = listed(owner, workshop, limit=2, cursor=first["next_cursor"])
        ids = [entry["id"] for entry in first["items"] + second["items"]]
        assert ids == sorted(printer.id for printer in printers)
        assert (len(first["items"]), second["next_cursor"]) == (2, None)

    def test_is_empty_for_who_has_no_printers(self, owner: Party, workshop: Party) -> None:
        assert listed(workshop, owner) == {"items": [], "next_cursor": None}

    def test_is_for_owners_and_providers(self, service: Service, workshop: Party) -> None:
        refused = new_party(service, "auditor").call("GET", f"/v1/parties/{workshop.id}/printers")
        assert refused.status_code == 403
        problem(refused, "forbidden")
