"""Tests of enrolment against a service that may lie."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from ledger.typed_data import Domain
from printer_agent.enrol_command import MachineWishes, enrol_home
from printer_agent.enrolment import Expectations, enrol
from printer_agent.errors import IdentityError, ServiceProblem, Unreachable
from printer_agent.identity import Identity
from printer_agent.journal import Journal
from printer_agent.keys import FileKeys
from printer_agent.machine import load_machine
from printer_agent.settings import Settings
from tests.printer_agent.fake_service import DOMAIN, PROVIDER, URL, FakeService

OTHER = "0x" + "44" * 20


def go(service: FakeService, settings: Settings, **options: Any) -> Identity:
    identity = Identity.generate("X25519")
    return enrol(identity, URL + "/", service.code, settings, transport=service.transport, **options)[0]


class TestEnrol:
    def test_pins_what_it_signed(self, service: FakeService, settings: Settings) -> None:
        pins = go(service, settings).enrolled
        assert (pins.url, pins.printer_id, pins.provider, pins.domain) == (URL, "prt_1", PROVIDER, DOMAIN)
        assert pins.printer_hash == service.enrolment.struct_hash()

    def test_sends_no_private_key(self, service: FakeService, settings: Settings) -> None:
        keys = go(service, settings).keys
        assert isinstance(keys, FileKeys)
        sent = b"".join(request.content for request in service.requests)
        assert keys.signing.reveal().hex().encode() not in sent
        assert keys.sealing.to_bytes().hex().encode() not in sent

    @pytest.mark.parametrize(
        ("lie", "kind"),
        [
            (lambda answer: answer["enrolment"].update(keyX="0x" + "07" * 32), "foreign_enrolment"),
            (lambda answer: answer["enrolment"].update(keyY="0x" + "07" * 32), "foreign_enrolment"),
            (lambda answer: answer["sealing"].update(printer="0x" + "07" * 32), "foreign_sealing_key"),
            (lambda answer: answer["sealing"].update(suite="P-256"), "foreign_sealing_key"),
            (lambda answer: answer["sealing"].update(key="0x" + "07" * 32), "foreign_sealing_key"),
            (lambda answer: answer.pop("sealing"), "malformed_enrolment"),
            (lambda answer: answer["sealing"].update(key="07"), "malformed_enrolment"),
            (lambda answer: answer.pop("domain"), "malformed_enrolment"),
            (lambda answer: answer["domain"].update(contract="0x12"), "malformed_enrolment"),
            (lambda answer: answer.update(printer_hash="0x" + "00" * 32), "wrong_printer_hash"),
        ],
    )
    def test_refuses_a_lie(self, service: FakeService, settings: Settings, lie: Any, kind: str) -> None:
        service.lies["enrol"] = lie
        with pytest.raises(IdentityError) as caught:
            go(service, settings)
        assert caught.value.kind == kind
        signed = [request for request in service.requests if b"signature" in request.content]
        assert len(signed) == (1 if kind == "wrong_printer_hash" else 0)

    @pytest.mark.parametrize(
        ("expected", "kind"),
        [
            (Expectations(provider=OTHER), "wrong_provider"),
            (Expectations(domain=Domain(1, DOMAIN.contract)), "wrong_domain"),
            (Expectations(domain=Domain(DOMAIN.chain_id, OTHER)), "wrong_domain"),
        ],
    )
    def test_refuses_what_the_operator_did_not_expect(
        self, service: FakeService, settings: Settings, expected: Expectations, kind: str
    ) -> None:
        with pytest.raises(IdentityError) as caught:
            go(service, settings, expected=expected)
        assert caught.value.kind == kind
        assert len(service.requests) == 1, "nothing was signed"

    def test_takes_what_the_operator_expected(self, service: FakeService, settings: Settings) -> None:
        assert go(service, settings, expected=Expectations(PROVIDER, DOMAIN)).pins is not None

    def test_says_why_the_service_refused(self, service: FakeService, settings: Settings) -> None:
        identity = Identity.generate("X25519")
        with pytest.raises(ServiceProblem, match="no such enrolment code"):
            enrol(identity, URL, "wrong", settings, transport=service.transport)

    def test_says_that_nobody_answers(self, service: FakeService, settings: Settings) -> None:
        service.faults.append(httpx2.ConnectError("refused"))
        with pytest.raises(Unreachable, match="does not answer"):
            go(service, settings)


class TestEnrolHome:
    def home(self, settings: Settings, service: FakeService, **wishes: Any) -> dict[str, Any]:
        machine = MachineWishes(**wishes)
        return enrol_home(
            settings,
            URL,
            service.code,
            suite="X25519",
            provider=None,
            machine=machine,
            transport=service.transport,
        )

    def test_leaves_a_home_that_can_print(self, settings: Settings, service: FakeService) -> None:
        found = self.home(settings, service, build_volume="100x110x120", processes=("VPP",))
        assert found["printer_id"] == "prt_1"
        assert load_machine(settings.home).build_volume_mm == (100.0, 110.0, 120.0)
        assert load_machine(settings.home).processes == ("VPP",)
        Journal.open(settings.home).close()

    def test_takes_the_providers_description(self, settings: Settings, service: FakeService) -> None:
        service.machine = {
            "model": "MK4",
            "build_volume_mm": [1, 2, 3],
            "processes": ["MEX"],
            "materials": ["PETG"],
        }
        self.home(settings, service)
        assert load_machine(settings.home).to_json() == {
            **service.machine,
            "build_volume_mm": [1.0, 2.0, 3.0],
        }

    def test_retries_with_the_same_keys(self, settings: Settings, service: FakeService) -> None:
        service.faults += [None, httpx2.ReadError("cut off")]
        with pytest.raises(Unreachable):
            self.home(settings, service)
        before = Identity.load(settings.home)
        self.home(settings, service)
        assert Identity.load(settings.home).signing.x == before.signing.x

    def test_refuses_a_second_enrolment(self, printer: Settings, service: FakeService) -> None:
        with pytest.raises(IdentityError, match="is enrolled as prt_1"):
            self.home(printer, service)

    @pytest.mark.parametrize("volume", ["", "10x10", "0x1x1", "axbxc", "infx1x1"])
    def test_refuses_a_senseless_build_volume(
        self, settings: Settings, service: FakeService, volume: str
    ) -> None:
        with pytest.raises(IdentityError) as caught:
            self.home(settings, service, build_volume=volume)
        assert caught.value.kind == "invalid_machine"
        assert service.requests == []
