"""Designs whose owner holds the key: the whole path, while the service has no key of it at any time."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app.cli.owner_vault import OwnerVault
from app.client_settings import ClientSettings
from ledger.signer import AccountKey
from ledger.typed_data import Enrolment
from printer_agent.assembly import open_agent
from printer_agent.enrol_command import MachineWishes, enrol_home
from printer_agent.identity import Identity
from printer_agent.print_token import PrintToken
from printer_agent.settings import Settings
from tests.e2e.conftest import Market
from tests.e2e.parties import Provider
from tests.e2e.parts import torus
from tests.e2e.service_process import ServiceProcess
from tests.e2e.test_canary import chain_state, spellings, written

PARTVAULT = Path(sys.executable).with_name("partvault")


@dataclass
class OwnerAtHome:
    """The owner's command on a machine of its own: account file, API key and key folder."""

    url: str
    api_key: str
    home: Path

    @classmethod
    def of(cls, market: Market, home: Path) -> OwnerAtHome:
        home.mkdir()
        account = market.owner.account
        content = {"format": "partvault/account/v1", "address": account.address}
        file = home / "account.json"
        file.write_text(json.dumps({**content, "private_key": account.reveal().hex()}))
        file.chmod(0o600)
        return cls(market.service.url, market.owner.api_key, home)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PARTVAULT_URL": self.url,
            "PARTVAULT_API_KEY": self.api_key,
            "PARTVAULT_ACCOUNT_FILE": str(self.home / "account.json"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
        }

    @property
    def vault(self) -> OwnerVault:
        return OwnerVault.open(ClientSettings.read(self.environment))

    def partvault(self, *words: object) -> Any:
        command = [str(PARTVAULT), *(str(word) for word in words), "--json"]
        environment = {**os.environ, **self.environment}
        run = subprocess.run(
            command, env=environment, cwd=self.home, capture_output=True, text=True, timeout=120, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return json.loads(run.stdout)


def without_keys(tmp_path: Path) -> ServiceProcess:
    """A service whose key back end is a keyring beside its data, and whose relay account is a setting."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    service = ServiceProcess(
        tmp_path / "data",
        keys=f"file:{tmp_path / 'kms' / 'keyring.json'}",
        relay_key=AccountKey.generate().reveal().hex(),
    )
    service.environment["TMPDIR"] = str(scratch)
    return service


def lose_every_key(service: ServiceProcess, market: Market, tmp_path: Path) -> None:
    """Restart the service with another, empty key back end."""
    service.stop()
    (tmp_path / "kms" / "keyring.json").unlink()
    service.start()
    market.follow(service)


def follow(settings: Settings, service: ServiceProcess) -> None:
    """Let a printer know that the service has another port since it was started again."""
    known = Identity.load(settings.home)
    replace(known, pins=replace(known.enrolled, url=service.url)).save(settings.home)


def rows(service: ServiceProcess, statement: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(service.data_dir / "partvault.sqlite", timeout=20)) as connection:
        return connection.execute(statement, values).fetchall()


def enrolled(provider: Provider, home: Path) -> tuple[Settings, dict[str, Any]]:
    """A printer's agent, enrolled beside its machine and approved by the provider's own account."""
    machine = {
        "model": "MK4",
        "build_volume_mm": [250, 220, 210],
        "processes": ["MEX"],
        "materials": ["PETG"],
    }
    made = provider.expect(201, "POST", "/v1/printers", json={"name": "MK4", "machine": machine})
    settings = Settings.read({}, home=home)
    wishes = MachineWishes(build_volume="250x220x210")
    enrol_home(settings, provider.url, made["enrolment_code"], suite="X25519", provider=None, machine=wishes)
    path = f"/v1/printers/{made['id']}"
    statement = Enrolment.from_json(provider.expect(200, "GET", path)["enrolment"])
    body = {"signature": provider.sign(statement)}
    return settings, provider.expect(200, "POST", f"{path}/approve", json=body)


class TestOwnerHeld:
    def test_prints_by_a_service_that_never_had_a_key(self, tmp_path: Path) -> None:
        canary = b"CANARY-" + secrets.token_hex(16).encode()
        part = tmp_path / "part.stl"
        part.write_bytes(b"".join(torus(100, 120, header=canary)))
        with without_keys(tmp_path) as service:
            market = Market.open(service)
            owner = OwnerAtHome.of(market, tmp_path / "owner")
            # upload, publish
            upload = ("design", "upload", part, "--custody", "owner", "--material", "PETG", "--publish")
            revision = owner.partvault(*upload)
            assert (revision["state"], revision["custody"]) == ("published", "owner")
            # grant
            settings, printer = enrolled(market.provider, tmp_path / "printer")
            named = f"{printer['id']}={printer['printer_hash']}"
            grant = ("licence", "grant", "--revision", revision["id"], "--prints", 1, "--printer", named)
            licence = owner.partvault(*grant, "--provider", market.provider.organisation_id)
            assert licence["state"] == "active"
            # until here there is nothing that the key back end could open, and then not even that one
            assert rows(service, "select * from wrapped_keys") == []
            lose_every_key(service, market, tmp_path)
            # authorise, redeem, decrypt at the printer, report
            asked = {"licence_id": licence["id"], "printer_id": printer["id"]}
            once = {"Idempotency-Key": secrets.token_hex(16)}
            token = market.provider.expect(201, "POST", "/v1/prints", json=asked, headers=once)["token"]
            follow(settings, service)
            with open_agent(settings) as agent:
                summary = agent.print(PrintToken(token))
            assert (summary.state, summary.result) == ("reported", "completed")
            delivered = [path.read_bytes() for path in (settings.home / "watch").iterdir()]
            assert delivered == [part.read_bytes()]
            counted = market.owner.expect(200, "GET", f"/v1/licences/{licence['id']}")
            assert counted["prints_recorded"] == 1
            # audit
            audited = audit(service)
            assert audited.returncode == 0, audited.stdout + audited.stderr
            state = chain_state(service)
        # nothing of it anywhere in what the service keeps
        assert rows(service, "select * from wrapped_keys where object_id = ?", revision["id"]) == []
        with owner.vault.data_key(owner.vault.holding_of(revision)) as key:
            needles = {"data key": spellings(key.reveal())}
        needles |= {"header": [canary], "geometry": spellings(part.read_bytes()[5000:5048])}
        kept = [service.data_dir, tmp_path / "scratch", tmp_path / "kms"]
        everything = [*written(kept), ("log", service.log.read_bytes()), ("chain", state)]
        assert len(everything) > 8
        found = [
            f"{what} in {where}"
            for where, text in everything
            for what, forms in needles.items()
            if any(form in text for form in forms)
        ]
        assert found == []

    def test_is_not_how_designs_of_the_service_fare(self, tmp_path: Path) -> None:
        """The same loss of keys stops every other design: so the test above would notice an unwrap."""
        with without_keys(tmp_path) as service:
            market = Market.open(service)
            licence = market.owner.license(market.published(), market.provider)
            printer = market.provider.new_printer()
            assert len(rows(service, "select * from wrapped_keys")) > 0
            lose_every_key(service, market, tmp_path)
            printer.url = service.url
            token = market.provider.authorise(licence, printer)["token"]
            refused = printer.redeem(token)
            assert refused.status_code == 503
            assert refused.json()["type"].endswith("key-unavailable")


def audit(service: ServiceProcess) -> subprocess.CompletedProcess[str]:
    """The operator's audit of the data folder, with the service's own settings."""
    return subprocess.run(
        [PARTVAULT, "audit"],
        env=service.environment,
        cwd=service.data_dir.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "API_KEY", "ACCOUNT_FILE", "OWNER_DIR", "OWNER_KEYS"):
        monkeypatch.delenv(f"PARTVAULT_{name}", raising=False)
