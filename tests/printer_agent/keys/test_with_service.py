"""Printers whose keys are in a device, against a real service: enrolled, printing, rotating."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh_tools.sandbox import Sandbox
from printer_agent.doctor import examine
from printer_agent.enrol_command import MachineWishes, enrol_home
from printer_agent.errors import KeysUnavailable
from printer_agent.identity import Identities, Identity
from printer_agent.keys import Pin, prove
from printer_agent.settings import Settings
from printer_agent.status import describe
from tests.app.parties import MACHINE, Party, new_party
from tests.app.printers.rotating import until_state
from tests.app.service import Service, running_service
from tests.printer_agent.keys.softhsm import PIN, SoftHsm
from tests.printer_agent.keys.swtpm import SoftwareTpm
from tests.printer_agent.test_rotation import URL, Beside

Enrol = Callable[[str], Beside]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("devices")) as service:
        yield service


@pytest.fixture(scope="module")
def parties(running: Service) -> tuple[Party, Party, dict[str, Any]]:
    owner, provider = new_party(running, "owner"), new_party(running, "provider")
    return owner, provider, owner.published()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture
def enrol(
    running: Service, parties: tuple[Party, Party, dict[str, Any]], tmp_path: Path, sandbox: Sandbox
) -> Enrol:
    """Enrol a printer with its keys at an address, and have it approved."""
    owner, provider, revision = parties

    def enrolled(uri: str) -> Beside:
        settings = replace(
            Settings.read({}, home=tmp_path / "home", watch=tmp_path / "watch"), keys_pin=Pin(PIN)
        )
        agent = Beside(running, provider, owner, revision, settings, sandbox)
        made = provider.expect(201, "POST", "/v1/printers", json={"name": "P", "machine": MACHINE})
        wishes, code = MachineWishes(build_volume="250x210x210"), made["enrolment_code"]
        found = enrol_home(
            settings,
            URL,
            code,
            suite=None,
            provider=None,
            machine=wishes,
            keys=uri,
            transport=agent.transport,
        )
        assert (found["keys"], found["sealing_suite"]) == (uri, "P-256")
        agent.approve(made["id"])
        return agent

    return enrolled


def kept(home: Path) -> str:
    return (home / "identity.json").read_text()


class TestToken:
    def test_prints(self, enrol: Enrol, token: SoftHsm) -> None:
        agent = enrol(token.uri("prints"))
        (agent.home / "keys.pin").write_text(PIN)
        (agent.home / "keys.pin").chmod(0o600)
        assert agent.print(agent.token(agent.printer())).result == "completed"
        assert PIN not in kept(agent.home)
        assert describe(agent.settings)["keys"] == token.uri("prints")
        (check,) = [each for each in examine(agent.settings, agent.transport) if each.name == "keys"]
        assert (check.ok, "not extractable" in check.found) == (True, True)

    def test_says_in_doctor_what_is_wrong(self, enrol: Enrol, token: SoftHsm) -> None:
        agent = enrol(token.uri("doctor"))
        Identity.load(agent.home, Pin(PIN)).keys.destroy()
        (check,) = [each for each in examine(agent.settings, agent.transport) if each.name == "keys"]
        assert (check.ok, "holds no key doctor-signing" in check.found) == (False, True)

    def test_gives_a_print_back_while_the_token_is_away(self, enrol: Enrol, token: SoftHsm) -> None:
        """Nothing is reported as failed: the same print token continues when the device is back."""
        agent = enrol(token.uri("away"))
        printed, identity = agent.token(agent.printer()), kept(agent.home)
        (agent.home / "identity.json").write_text(identity.replace("token=printers", "token=unplugged"))
        with pytest.raises(KeysUnavailable) as caught:
            agent.print(printed)
        assert caught.value.kind in {"no_token", "pin_missing"}
        (agent.home / "identity.json").write_text(identity)
        (agent.home / "keys.pin").write_text(PIN)
        (agent.home / "keys.pin").chmod(0o600)
        assert agent.print(printed).result == "completed"


class TestTpm:
    def test_prints(self, enrol: Enrol, tpm: SoftwareTpm) -> None:
        agent = enrol(tpm.uri)
        (agent.home / "keys.pin").write_text(PIN)
        (agent.home / "keys.pin").chmod(0o600)
        assert agent.print(agent.token(agent.printer())).result == "completed"
        shown = agent.provider.expect(200, "GET", f"/v1/printers/{agent.printer().id}")
        assert shown["attestation"]["format"] == "partvault/tpm2-certify/v1"


class TestRotate:
    def test_moves_keys_from_a_token_into_a_tpm(self, enrol: Enrol, token: SoftHsm, tpm: SoftwareTpm) -> None:
        agent = enrol(token.uri("leaving"))
        old = Identity.load(agent.home, Pin(PIN))
        made = agent.rotate(agent.code(), keys=tpm.uri)
        assert (made["keys"], made["sealing_suite"]) == (tpm.uri, "P-256")
        agent.approve(made["printer_id"])
        assert agent.settle().enrolling.keys.uri == tpm.uri
        until_state(agent.provider, agent.printer(old), "retired")
        assert agent.settle().predecessors == ()
        with pytest.raises(KeysUnavailable) as caught:
            prove(old.keys)
        assert caught.value.kind == "key_missing", "the old keys are destroyed in the token"

    def test_makes_new_keys_beside_the_old_in_one_token(self, enrol: Enrol, token: SoftHsm) -> None:
        agent = enrol(token.uri("staying"))
        agent.rotate(agent.code())
        found = Identities.load(agent.home, Pin(PIN))
        assert isinstance(found.successor, Identity)
        assert prove(found.enrolling.keys) != prove(found.successor.keys)
