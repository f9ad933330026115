"""Owners who hold their own keys, at a real service: no interruption loses a key, no lie is believed."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.cli.account import Account
from app.cli.connection import Connection
from app.cli.failures import CliError
from app.cli.grant import Wish, grant_licence
from app.cli.owner_vault import OwnerVault
from app.cli.recovery import recover
from app.cli.sealed_upload import SealedUpload, custody_for
from app.cli.service_client import ServiceClient
from app.cli.upload import Part, Upload
from app.client_settings import ClientSettings
from app.tokens import Token
from ledger.sealing import sealing_statement
from ledger.signatures import sign_as_printer
from ledger.typed_data import Domain, Enrolment, digest
from mesh_tools.sandbox import Sandbox
from storage.recipients import SealingKey
from storage.stream import decrypt
from tests.app.cli.conftest import Command
from tests.app.toolpaths import MADE_FOR, square
from tests.e2e.parties import Party, Provider
from tests.e2e.parties import Printer as Machine
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess

RECIPE = {"process": "MEX", "material": "PETG", "parameters": {}}


class Killed(BaseException):
    """The process ended here."""


class Wire(httpx2.BaseTransport):
    """The network: it can end the process at a request, and let the service lie.

    `kill` names when: the number of the request from 1, and `before` it is sent, `amid` its body or `after`
    the service has answered. `lies` edit the answers to paths that end so.
    """

    def __init__(self) -> None:
        self._http = httpx2.HTTPTransport()
        self.kill: tuple[int, str] | None = None
        self.lies: dict[str, Callable[[Any], object]] = {}
        self.requests: list[str] = []

    def close(self) -> None:
        self._http.close()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        moment = self.kill[1] if self.kill and self.kill[0] == len(self.requests) else None
        if moment == "before":
            raise Killed
        if moment == "amid":
            request.stream = _Torn(request.stream)
        response = self._http.handle_request(request)
        response.read()
        if moment == "after":
            raise Killed
        for path, lie in self.lies.items():
            if request.url.path.endswith(path):
                value = response.json()
                lie(value)
                return httpx2.Response(response.status_code, json=value, request=request)
        return response


@dataclass
class _Torn(httpx2.SyncByteStream):
    """A body that ends with the process."""

    whole: Any

    def __iter__(self) -> Iterator[bytes]:
        yield next(iter(self.whole))
        raise Killed


@dataclass
class Owner:
    """An owner with an own account, its folder, and the wire to the service."""

    party: Party
    settings: ClientSettings
    sandbox: Sandbox
    wire: Wire = field(default_factory=Wire)

    def connection(self) -> Connection:
        client = ServiceClient(self.settings, Token(self.party.api_key), self.wire, lambda _: None)
        return Connection(self.settings, client)

    def upload(self, file: Path, name: str = "Cap", design: str | None = None) -> dict[str, Any]:
        self.wire.requests.clear()
        work = SealedUpload(self.connection(), self.vault, self.sandbox, quiet=True)
        revision = work.send(Part(file, name, design, RECIPE))
        work.ended()
        return revision

    def publish(self, file: Path, **recipe: Any) -> dict[str, Any]:
        connection = self.connection()
        work = SealedUpload(connection, self.vault, self.sandbox, quiet=True)
        revision = work.send(Part(file, secrets.token_hex(4), None, RECIPE | recipe))
        return Upload(connection, quiet=True, timeout_s=60).published(revision, work.expected)

    def grant(self, revision: dict[str, Any], provider: Party, *printers: str) -> dict[str, Any]:
        now = datetime.now(UTC).replace(microsecond=0)
        wish = Wish(
            revision_id=revision["id"],
            provider=provider.organisation_id,
            provider_address=provider.account.address,
            prints=1,
            reprints=0,
            starts_at=now,
            expires_at=now + timedelta(hours=1),
            printers=printers,
            terms={},
        )
        return grant_licence(self.connection(), wish, quiet=True)

    @property
    def vault(self) -> OwnerVault:
        return OwnerVault.open(self.settings)

    def designs(self) -> list[dict[str, Any]]:
        return list(self.party.expect(200, "GET", "/v1/designs")["items"])

    def revisions(self) -> list[dict[str, Any]]:
        found = [self.party.expect(200, "GET", f"/v1/designs/{d['id']}/revisions") for d in self.designs()]
        return [row for page in found for row in page["items"]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def owner(operator: Command, service: ServiceProcess, tmp_path: Path, sandbox: Sandbox) -> Iterator[Owner]:
    administrator = Party(service.url, operator.api_key)
    party = administrator.new_organisation(f"Owner {secrets.token_hex(4)}", "owner")
    account = tmp_path / "account.json"
    content = {"format": "partvault/account/v1", "address": party.account.address}
    account.write_text(json.dumps({**content, "private_key": party.account.reveal().hex()}))
    account.chmod(0o600)
    assert Account.load(account).address == party.account.address
    environment = {"PARTVAULT_URL": service.url, "PARTVAULT_OWNER_DIR": str(tmp_path / "owner")}
    made = Owner(party, ClientSettings.read(environment, account_file=account), sandbox)
    yield made
    made.wire.close()


@pytest.fixture
def provider(operator: Command, service: ServiceProcess) -> Provider:
    administrator = Party(service.url, operator.api_key)
    return Provider.of(administrator.new_organisation(f"Prints {secrets.token_hex(4)}", "provider"))


def stored_path(service: ServiceProcess, revision: dict[str, Any]) -> Path:
    """Where the service keeps a revision's file."""
    with closing(sqlite3.connect(service.data_dir / "partvault.sqlite", timeout=20)) as connection:
        statement = "select file_object from revisions where id = ?"
        (record,) = connection.execute(statement, (revision["id"],)).fetchone()
    (path,) = (service.data_dir / "objects").rglob(json.loads(record)["object_key"])
    return path


def stored(service: ServiceProcess, revision: dict[str, Any]) -> bytes:
    """What the service keeps of a revision's file."""
    return stored_path(service, revision).read_bytes()


def opened(service: ServiceProcess, owner: Owner, revision: dict[str, Any]) -> bytes:
    """The file, decrypted with what the owner's folder holds."""
    holding = owner.vault.holding_of(revision)
    with owner.vault.data_key(holding) as key:
        return b"".join(decrypt([stored(service, revision)], key, holding.context))


def named(printer: Machine) -> str:
    x, y = printer.coordinates()
    return f"{printer.id}=0x{Enrolment(PROVIDERS[printer.id], x, y).struct_hash().hex()}"


PROVIDERS: dict[str, str] = {}


def machine(provider: Provider) -> Machine:
    printer = provider.new_printer()
    PROVIDERS[printer.id] = provider.account.address
    return printer


class TestUpload:
    def test_leaves_the_service_ciphertext_alone(
        self, service: ServiceProcess, owner: Owner, part: Path
    ) -> None:
        revision = owner.upload(part)
        assert (revision["state"], revision["custody"]) == ("ready", "owner")
        assert opened(service, owner, revision) == part.read_bytes()
        assert part.read_bytes()[84:] not in stored(service, revision)

    def test_refuses_as_the_gate_would_and_sends_nothing(self, owner: Owner, open_part: Path) -> None:
        with pytest.raises(CliError) as caught:
            owner.upload(open_part)
        assert caught.value.kind == "gate_refused"
        assert "mesh.open_edges" in {row["code"] for row in caught.value.reasons}
        assert (owner.designs(), owner.wire.requests) == ([], ["GET /v1/me"])

    def test_carries_a_toolpath_with_its_machine(
        self, service: ServiceProcess, owner: Owner, tmp_path: Path
    ) -> None:
        path = tmp_path / "part.gcode"
        path.write_bytes(square())
        revision = owner.publish(path, **MADE_FOR)
        assert (revision["state"], revision["file"]["format"]) == ("published", "gcode")
        assert json.loads(revision["manifest"])["toolpath"]["layers"] == 2
        assert opened(service, owner, revision) == square()

    def test_sends_no_toolpath_that_its_machine_cannot_run(self, owner: Owner, tmp_path: Path) -> None:
        path = tmp_path / "part.gcode"
        path.write_bytes(square(nozzle_c=300))
        for recipe, code in (({}, "toolpath.no_machine"), (MADE_FOR, "toolpath.temperature")):
            with pytest.raises(CliError) as caught:
                owner.publish(path, **recipe)
            assert [row["code"] for row in caught.value.reasons] == [code]
        assert owner.designs() == []

    def test_adds_versions_to_a_design(self, owner: Owner, part: Path, tmp_path: Path) -> None:
        first = owner.upload(part)
        other = tmp_path / "other.stl"
        other.write_bytes(box((5, 6, 7)))
        second = owner.upload(other, design=first["design_id"])
        assert (second["number"], second["design_id"]) == (2, first["design_id"])

    def test_makes_another_design_of_a_finished_upload(self, owner: Owner, part: Path) -> None:
        assert owner.upload(part)["id"] != owner.upload(part)["id"]
        assert len(owner.designs()) == 2

    def test_forgets_an_attempt_whose_version_is_gone(
        self, service: ServiceProcess, owner: Owner, part: Path
    ) -> None:
        owner.wire.kill = (6, "before")
        with pytest.raises(Killed):
            owner.upload(part)
        owner.wire.kill = None
        (pending,) = (owner.settings.owner_dir / "uploads").iterdir()
        pending.write_text(json.dumps({"seed": "x" * 32, "revision_id": "rev_" + "0" * 26}))
        with pytest.raises(CliError, match="there is no revision"):
            owner.upload(part)
        assert owner.upload(part)["state"] == "ready"


class TestRecover:
    def recovered(self, owner: Owner, revision: dict[str, Any], target: Path) -> int:
        return recover(owner.connection(), owner.vault, revision, target, quiet=True)

    def left(self, folder: Path) -> list[str]:
        return sorted(path.name for path in folder.iterdir())

    def test_gives_the_file_back_to_its_owner_alone(self, owner: Owner, part: Path, tmp_path: Path) -> None:
        revision, target = owner.upload(part), tmp_path / "back" / "cap.stl"
        target.parent.mkdir()
        assert self.recovered(owner, revision, target) == part.stat().st_size
        assert target.read_bytes() == part.read_bytes()
        assert target.stat().st_mode & 0o777 == 0o600
        assert self.left(target.parent) == ["cap.stl"]

    def test_never_writes_over_a_file(self, owner: Owner, part: Path) -> None:
        revision, before = owner.upload(part), part.read_bytes()
        with pytest.raises(CliError, match="exists"):
            self.recovered(owner, revision, part)
        assert part.read_bytes() == before

    @pytest.mark.parametrize("at", [0, 40, -1])
    def test_writes_nothing_of_what_was_altered(
        self, service: ServiceProcess, owner: Owner, part: Path, tmp_path: Path, at: int
    ) -> None:
        revision, folder = owner.upload(part), tmp_path / "back"
        folder.mkdir()
        path = stored_path(service, revision)
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.chmod(0o600)
        path.write_bytes(content)
        with pytest.raises(CliError, match="not the one that was uploaded"):
            self.recovered(owner, revision, folder / "cap.stl")
        assert self.left(folder) == []

    def test_needs_the_owners_folder(self, owner: Owner, part: Path, tmp_path: Path) -> None:
        revision = owner.upload(part)
        shutil.rmtree(owner.settings.owner_dir / "keys")
        with pytest.raises(CliError) as caught:
            self.recovered(owner, revision, tmp_path / "back.stl")
        assert caught.value.kind == "no_owner_key"

    def test_is_not_for_files_whose_key_the_service_keeps(self, owner: Owner) -> None:
        design = owner.party.expect(201, "POST", "/v1/designs", json={"name": "Open"})
        path = f"/v1/designs/{design['id']}/revisions"
        draft = owner.party.expect(201, "POST", path, json={"recipe": RECIPE})
        refused = owner.party.call("GET", f"/v1/revisions/{draft['id']}/ciphertext")
        assert (refused.status_code, refused.json()["field"]) == (409, "custody")


FLOW = [
    ("GET", "/v1/me"),
    ("GET", "/v1/me"),
    ("POST", "/v1/designs"),
    ("POST", "/revisions"),
    ("GET", "/v1/revisions/"),
    ("GET", "/v1/me"),
    ("PUT", "/ciphertext"),
    ("POST", "/declaration"),
]


class TestInterruptedUpload:
    def test_has_these_steps(self, owner: Owner, part: Path) -> None:
        owner.upload(part)
        assert len(owner.wire.requests) == len(FLOW)
        for request, (method, path) in zip(owner.wire.requests, FLOW, strict=True):
            assert request.startswith(method)
            assert path in request

    @pytest.mark.parametrize("moment", ["before", "after"])
    @pytest.mark.parametrize("step", range(1, len(FLOW) + 1))
    def test_is_completed_by_the_same_command(
        self, service: ServiceProcess, owner: Owner, part: Path, step: int, moment: str
    ) -> None:
        owner.wire.kill = (step, moment)
        with pytest.raises(Killed):
            owner.upload(part)
        owner.wire.kill = None
        revision = owner.upload(part)
        assert revision["state"] == "ready"
        assert opened(service, owner, revision) == part.read_bytes()
        assert [row["id"] for row in owner.revisions()] == [revision["id"]]

    def test_starts_the_ciphertext_again_under_another_key(
        self, service: ServiceProcess, owner: Owner, part: Path
    ) -> None:
        owner.wire.kill = (FLOW.index(("PUT", "/ciphertext")) + 1, "amid")
        with pytest.raises(Killed):
            owner.upload(part)
        owner.wire.kill = None
        revision = owner.upload(part)
        assert revision["ciphertext"]["context"]["version"] == 2
        assert opened(service, owner, revision) == part.read_bytes()
        kept = sorted(path.name for path in (owner.settings.owner_dir / "keys").iterdir())
        assert kept == [f"{revision['id']}.{version}.json" for version in (1, 2)]

    def test_goes_on_to_the_ledger(self, owner: Owner, part: Path) -> None:
        """Killed between declaration and publication: the command publishes what is ready."""
        connection = owner.connection()
        SealedUpload(connection, owner.vault, owner.sandbox, quiet=True).send(Part(part, "Cap", None, RECIPE))
        work = SealedUpload(connection, owner.vault, owner.sandbox, quiet=True)
        revision = work.send(Part(part, "Cap", None, RECIPE))
        published = Upload(connection, quiet=True, timeout_s=60).published(revision, work.expected)
        assert (published["state"], len(owner.designs())) == ("published", 1)


def foreign_context(value: dict[str, Any]) -> None:
    if value.get("upload_context"):
        value["upload_context"]["tenant"] = "org_" + "0" * 26


class TestLyingService:
    @pytest.mark.parametrize(
        ("path", "lie", "said"),
        [
            ("/ciphertext", lambda v: v["ciphertext"].update(sha256="00" * 32), "said to have arrived"),
            ("/ciphertext", lambda v: v.update(ciphertext=None), "said to have arrived"),
            ("/declaration", lambda v: edit(v, custody="service"), "custody 'service'"),
            ("/declaration", lambda v: edit(v, recipe={"process": "VPP"}), "recipe"),
            ("/declaration", lambda v: edit(v, geometry={}), "geometry"),
            ("/declaration", lambda v: edit(v, toolpath={}), "toolpath"),
            ("/declaration", lambda v: edit_file(v, sha256="00" * 32), "sha256"),
            ("/declaration", lambda v: edit_file(v, filename="other.stl"), "filename"),
        ],
    )
    def test_has_nothing_published(
        self, owner: Owner, part: Path, path: str, lie: Callable[[Any], object], said: str
    ) -> None:
        owner.wire.lies[path] = lie
        with pytest.raises(CliError, match=said) as caught:
            owner.upload(part)
        assert caught.value.kind == "proposal_differs"

    def test_gets_no_ciphertext_for_anothers_object(self, owner: Owner, part: Path) -> None:
        made = owner.upload(part)
        other = owner.party.expect(
            201, "POST", f"/v1/designs/{made['design_id']}/revisions", json={"recipe": RECIPE}
        )
        owner.wire.lies[f"/v1/revisions/{other['id']}"] = foreign_context
        part.write_bytes(box((3, 3, 3)))
        owner.wire.lies["/revisions"] = lambda value: value.update(id=other["id"])
        with pytest.raises(CliError, match="is to be bound to"):
            owner.upload(part, design=made["design_id"])

    def test_gets_no_plaintext_of_a_design_whose_keys_are_here(self, owner: Owner, part: Path) -> None:
        made = owner.upload(part)
        assert custody_for(owner.settings, None, made["design_id"]) == "owner"
        assert custody_for(owner.settings, None, "dsn_of_the_service") == "service"
        assert custody_for(owner.settings, None, None) == "service"
        with pytest.raises(CliError, match="the service is not to see it"):
            custody_for(owner.settings, "service", made["design_id"])


def edit(revision: dict[str, Any], **changes: Any) -> None:
    revision["manifest"] = json.dumps({**json.loads(revision["manifest"]), **changes})


def edit_file(revision: dict[str, Any], **changes: Any) -> None:
    file = json.loads(revision["manifest"])["files"][0]
    edit(revision, files=[{**file, **changes}])


class TestGrant:
    def test_seals_to_the_printers_named(self, owner: Owner, provider: Provider, part: Path) -> None:
        printer = machine(provider)
        revision = owner.publish(part)
        licence = owner.grant(revision, provider, named(printer))
        assert licence["state"] == "active"
        token = provider.authorise(licence, printer)["token"]
        release = printer.redeem(token).json()
        assert printer.open(release, printer.download(release).content) == part.read_bytes()

    def test_licenses_no_other_version_than_was_asked(
        self, owner: Owner, provider: Provider, part: Path
    ) -> None:
        """A service cannot pass a precious part off for the one that is to be licensed."""
        printer, cheap = machine(provider), owner.publish(part)
        part.write_bytes(box((9, 9, 9)))
        precious = owner.publish(part)
        path = f"/v1/revisions/{cheap['id']}"
        owner.wire.lies[path] = lambda value: value.update({**precious, "id": cheap["id"]})
        with pytest.raises(CliError, match="revision_id"):
            owner.grant(cheap, provider, named(printer))

    def test_wants_a_list_of_printers(self, owner: Owner, provider: Provider, part: Path) -> None:
        with pytest.raises(CliError, match="lists its printers"):
            owner.grant(owner.publish(part), provider)

    def test_wants_the_key(self, owner: Owner, provider: Provider, part: Path) -> None:
        printer, revision = machine(provider), owner.publish(part)
        for path in (owner.settings.owner_dir / "keys").iterdir():
            path.unlink()
        with pytest.raises(CliError) as caught:
            owner.grant(revision, provider, named(printer))
        assert (caught.value.kind, "backup" in caught.value.remedy) == ("no_owner_key", True)

    def test_believes_nothing_about_the_revision(self, owner: Owner, provider: Provider, part: Path) -> None:
        printer, revision = machine(provider), owner.publish(part)
        owner.wire.lies[f"/v1/revisions/{revision['id']}"] = lambda value: edit(value, custody="service")
        with pytest.raises(CliError, match="another Licence"):
            owner.grant(revision, provider, named(printer))

    @pytest.mark.parametrize("lie", ["sealing key", "both keys", "suite", "signature", "gone"])
    def test_believes_nothing_about_printers(
        self, owner: Owner, provider: Provider, part: Path, lie: str
    ) -> None:
        """Whoever serves the list cannot put a key of its own into it."""
        printer, revision = machine(provider), owner.publish(part)
        evil = Machine(printer.url, printer.domain, printer.id)
        owner.wire.lies["/printers"] = lambda value: impostor(value, lie, provider, printer.domain, evil)
        with pytest.raises(CliError) as caught:
            owner.grant(revision, provider, named(printer))
        assert caught.value.kind == ("no_printer" if lie == "gone" else "wrong_printer")
        assert provider.expect(200, "GET", "/v1/licences")["items"] == []

    def test_believes_nothing_about_the_ledger(self, owner: Owner, provider: Provider, part: Path) -> None:
        printer, revision = machine(provider), owner.publish(part)
        owner.wire.lies["/v1/ledger"] = lambda value: value.update(chain_id=1)
        with pytest.raises(CliError) as caught:
            owner.grant(revision, provider, named(printer))
        assert caught.value.kind == "other_ledger"


def impostor(value: Any, lie: str, provider: Provider, domain: Domain, evil: Machine) -> None:
    """Put another machine's keys in the place of a printer's, signed as well as that machine can."""
    (row,) = [row for row in value["items"] if row["id"] == evil.id]
    sealing = SealingKey.generate(evil.sealing.suite)
    if lie == "gone":
        value["items"].remove(row)
    elif lie == "suite":
        row["sealing"]["suite"] = "P-256"
    elif lie == "signature":
        row["sealing"]["signature"] = "0x" + "11" * 64
    elif lie == "sealing key":
        row["sealing"]["public"] = base64.b64encode(sealing.public).decode()
    else:
        x, y = evil.coordinates()
        enrolment = Enrolment(provider.account.address, x, y)
        statement = sealing_statement(enrolment, sealing.suite, sealing.public)
        row["enrolment"] = enrolment.to_json()
        row["sealing"]["public"] = base64.b64encode(sealing.public).decode()
        row["sealing"]["signature"] = "0x" + sign_as_printer(evil.key, digest(domain, statement)).hex()


class TestCommands:
    def test_say_who_holds_the_key(
        self, operator: Command, owner: Owner, part: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PARTVAULT_OWNER_DIR", str(owner.settings.owner_dir))
        mine = operator.as_(owner.party.api_key)
        upload = ("design", "upload", part, "--custody", "owner", "--material", "PLA")
        made = mine.ok(*upload, account=owner.settings.account_file)
        assert (made["state"], made["custody"], made["recipe"]["material"]) == ("ready", "owner", "PLA")
        assert "its owner alone" in mine("design", "show", made["id"]).out
        assert "owner" in mine("design", "list").out
        published = mine.ok("design", "publish", made["id"], account=owner.settings.account_file)
        assert published["state"] == "published"

    def test_keep_to_the_custody_of_a_design(
        self, operator: Command, owner: Owner, part: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PARTVAULT_OWNER_DIR", str(owner.settings.owner_dir))
        mine, account = operator.as_(owner.party.api_key), owner.settings.account_file
        design = mine.ok("design", "upload", part, account=account)["design_id"]
        upload = ("design", "upload", part, "--design", design, "--custody", "owner")
        assert "custody service" in mine.refused(*upload, code=2, account=account)["message"]
        held = mine.ok("design", "upload", part, "--custody", "owner", account=account)["design_id"]
        again = mine.ok("design", "upload", part, "--design", held, account=account)
        assert (again["custody"], again["number"]) == ("owner", 2)
        upload = ("design", "upload", part, "--design", held, "--custody", "service")
        assert "the service is not to see it" in mine.refused(*upload, code=2, account=account)["message"]

    def test_refuse_a_managed_account(
        self, operator: Command, part: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PARTVAULT_OWNER_DIR", str(tmp_path / "owner"))
        made = operator.ok("org", "create", f"Managed {secrets.token_hex(4)}", "--role", "owner")
        error = operator.as_(made["api_key"]["key"]).refused("design", "upload", part, "--custody", "owner")
        assert error["kind"] == "managed_account"
