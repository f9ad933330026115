"""Tests of enrolment against a service that may lie."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from ledger.succession import Succession, verify_succession
from ledger.typed_data import Domain, Enrolment
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


class TestSuccession:
    """Keys rotate: the old ones sign for their own successor alone, where they were enrolled before."""

    @pytest.fixture
    def old(self, service: FakeService, settings: Settings) -> Identity:
        enrolled = go(service, settings)
        service.requests.clear()
        return enrolled

    def rotate(
        self, service: FakeService, settings: Settings, old: Identity, **changes: Any
    ) -> tuple[Identity, Succession]:
        new, hashes = Identity.generate("X25519"), old.enrolled.printer_hash
        own = Enrolment(PROVIDER, new.signing.x, new.signing.y).struct_hash()
        true = Succession(hashes, own)

        def offer(answer: dict[str, Any]) -> None:
            answer["succession"] = true.to_json()
            answer.update({name: change(true) for name, change in changes.items()})

        service.lies["enrol"] = offer
        expected = Expectations.after(old)
        enrol(new, URL, service.code, settings, expected=expected, transport=service.transport)
        return new, true

    def test_is_signed_by_the_old_key(self, service: FakeService, settings: Settings, old: Identity) -> None:
        _, statement = self.rotate(service, settings, old)
        sent = json.loads(service.requests[-1].content)
        signature = bytes.fromhex(sent["succession_signature"][2:])
        assert verify_succession(DOMAIN, statement, old.signing.x, old.signing.y, signature)
        assert "succession_signature" not in json.loads(service.requests[0].content)

    @pytest.mark.parametrize(
        ("changes", "kind"),
        [
            ({"succession": lambda _: None}, "enrolment_code"),
            (
                {"succession": lambda true: Succession(bytes(32), true.successor).to_json()},
                "foreign_succession",
            ),
            (
                {"succession": lambda true: Succession(true.predecessor, bytes(32)).to_json()},
                "foreign_succession",
            ),
            (
                {"succession": lambda true: Succession(true.successor, true.predecessor).to_json()},
                "foreign_succession",
            ),
            ({"succession": lambda _: {"predecessor": "0x"}}, "malformed_enrolment"),
            ({"domain": lambda _: {"chain_id": 1, "contract": DOMAIN.contract}}, "wrong_domain"),
            ({"challenge": lambda _: {"blob": "x"}}, "malformed_enrolment"),
        ],
    )
    def test_is_refused_where_it_is_not_its_own(
        self, service: FakeService, settings: Settings, old: Identity, changes: dict[str, Any], kind: str
    ) -> None:
        with pytest.raises(IdentityError) as caught:
            self.rotate(service, settings, old, **changes)
        assert caught.value.kind == kind
        assert len(service.requests) == 1, "nothing was signed"

    def test_is_never_signed_at_a_first_enrolment(self, service: FakeService, settings: Settings) -> None:
        lie = Succession(bytes(32), bytes(32)).to_json()
        service.lies["enrol"] = lambda answer: answer.update(succession=lie)
        with pytest.raises(IdentityError) as caught:
            go(service, settings)
        assert caught.value.kind == "rotation_code"


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
