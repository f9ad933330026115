"""The command against a real service: every noun, from an empty inventory to a clean audit."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from printer_agent.agent import Summary
from printer_agent.assembly import open_agent
from printer_agent.enrol_command import MachineWishes, enrol_home
from printer_agent.print_token import PrintToken
from printer_agent.settings import Settings
from tests.app.cli.conftest import Command
from tests.e2e.service_process import ServiceProcess

PARTVAULT = Path(sys.executable).with_name("partvault")


def party(operator: Command, *roles: str) -> tuple[Command, dict[str, Any]]:
    """A new organisation with a managed account."""
    words = [word for role in roles for word in ("--role", role)]
    made = operator.ok("org", "create", f"Party {secrets.token_hex(4)}", *words)
    return operator.as_(made["api_key"]["key"]), made


def printer(provider: Command, home: Path, account: Path | None = None) -> dict[str, Any]:
    """A machine, enrolled beside itself and approved by its provider."""
    made = provider.ok("printer", "enrol", "MK4", "--model", "MK4", "--build-volume", "250x210x220")
    settings = Settings.read({}, home=home)
    wishes = MachineWishes(build_volume="250x210x220")
    code = made["enrolment_code"]
    enrolled = enrol_home(settings, provider.url, code, suite="X25519", provider=None, machine=wishes)
    thumbprint = enrolled["key_thumbprint"]
    approved: dict[str, Any] = provider.ok(
        "printer", "approve", made["id"], "--thumbprint", thumbprint, account=account
    )
    assert approved["state"] == "enrolled"
    return approved


def publish(owner: Command, part: Path, account: Path | None = None) -> dict[str, Any]:
    made: dict[str, Any] = owner.ok(
        "design", "upload", part, "--material", "PLA", "--publish", account=account
    )
    assert made["state"] == "published"
    return made


def print_one(provider: Command, licence: dict[str, Any], machine: dict[str, Any], home: Path) -> Summary:
    where = ("--licence", licence["id"], "--printer", machine["id"])
    token = provider.ok("print", "authorise", *where)["token"]
    with open_agent(Settings.read({}, home=home)) as agent:
        return agent.print(PrintToken(token))


class TestManagedAccounts:
    def test_go_all_the_way(self, operator: Command, part: Path, tmp_path: Path) -> None:
        owner, _ = party(operator, "owner")
        provider, made = party(operator, "provider")
        revision = publish(owner, part)
        licence = owner.ok(
            *("licence", "grant", "--revision", revision["id"], "--provider", made["name"]),
            *(
                "--prints",
                1,
                "--reprints",
                1,
                "--starts",
                "now",
                "--expires",
                "+1h",
                "--term",
                'materials=["PLA"]',
            ),
        )
        assert licence["state"] == "active"
        machine = printer(provider, tmp_path / "home")
        where = ("--licence", licence["id"], "--printer", machine["id"])
        assert provider.ok("print", "check", *where) == {"allowed": True, "reasons": []}

        summary = print_one(provider, licence, machine, tmp_path / "home")

        assert summary.state == "reported"
        assert [path.read_bytes() for path in (tmp_path / "home" / "watch").iterdir()] == [part.read_bytes()]
        checked = provider("print", "check", *where, "--json")
        assert (checked.code, checked.json["allowed"]) == (1, False)
        error = provider.refused("print", "authorise", *where)
        assert [reason["code"] for reason in error["reasons"]] == ["count_exhausted"]
        shown = owner.ok("licence", "show", licence["id"])
        assert (shown["prints_recorded"], shown["credited"]) == (1, 0)
        (listed,) = owner.ok("print", "list")
        assert owner.ok("print", "show", listed["id"])["report"]["result"] == "completed"

    def test_end_licences_and_printers(self, operator: Command, part: Path, tmp_path: Path) -> None:
        owner, _ = party(operator, "owner")
        provider, made = party(operator, "provider")
        machine = printer(provider, tmp_path / "home")
        grant = (
            "licence",
            "grant",
            "--revision",
            publish(owner, part)["id"],
            "--provider",
            made["id"],
            "--prints",
            5,
        )
        licence = owner.ok(*grant, "--printer", machine["id"])
        assert owner.ok("licence", "revoke", licence["id"])["state"] == "revoked"
        checked = provider("print", "check", "--licence", licence["id"], "--printer", machine["id"], "--json")
        assert {reason["code"] for reason in checked.json["reasons"]} >= {"licence_revoked"}
        stopped = provider.ok("printer", "quarantine", machine["id"], "--reason", "its door was open")
        assert (stopped["state"], stopped["quarantine"]["reason"]) == ("quarantined", "its door was open")
        assert provider.ok("printer", "lift", machine["id"])["state"] == "enrolled"
        assert provider.ok("printer", "retire", machine["id"])["state"] == "retired"


class TestOwnAccounts:
    def own(self, operator: Command, role: str, path: Path) -> tuple[Command, dict[str, Any]]:
        words = ("org", "create", f"Own {secrets.token_hex(4)}", "--role", role, "--account", "own")
        made = operator.ok(*words, account=path)
        assert json.loads(path.read_text())["address"] == made["account"]["address"]
        return operator.as_(made["api_key"]["key"]), made

    def test_sign_everything_here(self, operator: Command, part: Path, tmp_path: Path) -> None:
        mine, theirs = tmp_path / "owner.json", tmp_path / "provider.json"
        owner, _ = self.own(operator, "owner", mine)
        provider, made = self.own(operator, "provider", theirs)
        machine = printer(provider, tmp_path / "home", account=theirs)
        revision = publish(owner, part, account=mine)
        licence = owner.ok(
            *("licence", "grant", "--revision", revision["id"], "--provider", made["id"], "--prints", 1),
            *("--printer", f"{machine['id']}={machine['printer_hash']}"),
            *("--provider-address", made["account"]["address"]),
            account=mine,
        )
        assert print_one(provider, licence, machine, tmp_path / "home").state == "reported"
        assert owner.ok("licence", "revoke", licence["id"], account=mine)["state"] == "revoked"
        assert provider.ok("printer", "retire", machine["id"], account=theirs)["state"] == "retired"

    def test_ask_for_the_key_file(self, operator: Command, part: Path, tmp_path: Path) -> None:
        owner, _ = self.own(operator, "owner", tmp_path / "owner.json")
        error = owner.refused("design", "upload", part, "--publish", code=2)
        assert error["kind"] == "no_account_file"

    def test_refuse_anothers_key_file(self, operator: Command, part: Path, tmp_path: Path) -> None:
        owner, _ = self.own(operator, "owner", tmp_path / "owner.json")
        self.own(operator, "owner", tmp_path / "other.json")
        error = owner.refused("design", "upload", part, "--publish", code=2, account=tmp_path / "other.json")
        assert error["kind"] == "wrong_account"

    def test_need_the_printers_names_on_chain(self, operator: Command, part: Path, tmp_path: Path) -> None:
        mine = tmp_path / "owner.json"
        owner, _ = self.own(operator, "owner", mine)
        provider, made = party(operator, "provider")
        machine = printer(provider, tmp_path / "home")
        revision = publish(owner, part, account=mine)
        grant = ("licence", "grant", "--revision", revision["id"], "--provider", made["id"], "--prints", 1)
        error = owner.refused(*grant, "--printer", machine["id"], code=2, account=mine)
        assert "=0xHASH" in error["remedy"]
        wrong = f"{machine['id']}=0x{'07' * 32}"
        error = owner.refused(*grant, "--printer", wrong, account=mine)
        assert error["kind"] == "proposal_differs"


class TestDesigns:
    def test_are_listed_and_pictured(self, operator: Command, part: Path, tmp_path: Path) -> None:
        owner, _ = party(operator, "owner")
        revision = publish(owner, part)
        second = owner.ok("design", "upload", part, "--design", revision["design_id"], "-p", "layer_mm=0.2")
        assert (second["number"], second["state"], second["recipe"]["parameters"]) == (
            2,
            "ready",
            {"layer_mm": 0.2},
        )
        (design,) = owner.ok("design", "list")
        assert [row["id"] for row in design["revisions"]] == [revision["id"], second["id"]]
        assert owner.ok("design", "publish", second["id"])["state"] == "published"
        saved = owner.ok("design", "thumbnail", revision["id"], "-o", tmp_path / "part.png")
        assert (tmp_path / "part.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert saved["bytes"] == (tmp_path / "part.png").stat().st_size

    def test_are_refused_at_the_gate(self, operator: Command, open_part: Path) -> None:
        owner, _ = party(operator, "owner")
        shown = owner("design", "upload", open_part, "--publish")
        assert shown.code == 1
        assert "mesh.open_edges" in shown.out
        assert "refused" in shown.err

    def test_tell_programs_why(self, operator: Command, open_part: Path) -> None:
        owner, _ = party(operator, "owner")
        error = owner.refused("design", "upload", open_part)
        assert error["kind"] == "gate_refused"
        assert "mesh.open_edges" in {reason["code"] for reason in error["reasons"]}

    def test_of_others_are_not_there(self, operator: Command, part: Path) -> None:
        revision = publish(party(operator, "owner")[0], part)
        stranger, _ = party(operator, "owner")
        assert stranger.refused("design", "show", revision["id"])["kind"] == "not-found"
        assert stranger.refused("design", "show", "rev_" + "0" * 26)["kind"] == "not-found"


class TestKeys:
    def test_can_be_made_and_revoked(self, operator: Command) -> None:
        owner, _ = party(operator, "owner")
        made = owner.ok("api-key", "create", "audit", "--role", "auditor")
        auditor = owner.as_(made["key"])
        assert auditor.ok("licence", "list") == []
        assert auditor.refused("design", "list")["kind"] == "forbidden"
        assert owner.ok("api-key", "revoke", made["id"])["state"] == "revoked"
        error = auditor.refused("licence", "list")
        assert error["kind"] == "unauthenticated"
        assert [row["id"] for row in owner.ok("api-key", "list") if row["revoked_at"]] == [made["id"]]


class TestOperator:
    def test_needs_no_key_where_the_data_folder_is(self, operator: Command, service: ServiceProcess) -> None:
        result = operator.bare("org", "list", "--json")
        assert result.code == 2
        command = [PARTVAULT, "org", "list", "--json"]
        environment = {"PARTVAULT_DATA_DIR": str(service.data_dir), "PATH": "/usr/bin:/bin"}
        run = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout)[0]["name"] == "operator"

    def test_sees_how_the_ledger_does(self, operator: Command) -> None:
        found = operator.ok("ledger", "status")
        assert (found["chain_id"], found["ok"]) == (20566, True)
        assert operator("ledger", "status").code == 0


class TestAudit:
    @pytest.fixture
    def printed(self, operator: Command, part: Path, tmp_path: Path) -> Command:
        owner, _ = party(operator, "owner")
        provider, made = party(operator, "provider")
        machine = printer(provider, tmp_path / "home")
        revision = publish(owner, part)
        licence = owner.ok(
            "licence", "grant", "--revision", revision["id"], "--provider", made["id"], "--prints", 1
        )
        print_one(provider, licence, machine, tmp_path / "home")
        return owner

    def test_agrees_on_the_data_folder(self, printed: Command, service: ServiceProcess) -> None:
        result = printed.bare("audit", "--data-dir", service.data_dir, "--json")
        assert result.code == 0, result.out
        report = result.json
        assert (report["ok"], report["findings"]) == (True, [])
        assert report["counts"]["prints"] >= 1
        assert report["counts"]["objects"] >= 2

    def test_agrees_over_rpc_with_evidence(
        self, printed: Command, service: ServiceProcess, tmp_path: Path
    ) -> None:
        saved = printed.ok("evidence", "-o", tmp_path / "evidence.json")
        assert saved["counts"]["prints"] == 1
        rpc = json.loads((service.data_dir / "chain" / "anvil.json").read_text())["rpc_url"]
        where = (
            "audit",
            "--rpc",
            rpc,
            "--contract",
            saved["contract"],
            "--evidence",
            tmp_path / "evidence.json",
        )
        assert printed.bare(*where).code == 0
        content = json.loads((tmp_path / "evidence.json").read_text())
        content["prints"][0]["claim"]["sequence"] += 1
        (tmp_path / "evidence.json").write_text(json.dumps(content))
        changed = printed.bare(*where)
        assert changed.code == 1
        assert "evidence prints[0]" in changed.out
        assert "claim.sequence" in changed.out

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (("--rpc", "http://127.0.0.1:1"), "belong together"),
            (("--rpc", "http://127.0.0.1:1", "--contract", "0x" + "11" * 20), "no chain answers"),
            (("--data-dir", "nowhere"), "nowhere"),
        ],
    )
    def test_says_when_nothing_can_be_said(
        self, operator: Command, words: tuple[str, ...], says: str
    ) -> None:
        result = operator.bare("audit", *words)
        assert result.code == 2
        assert says in result.err

    def test_refuses_what_is_no_evidence(self, operator: Command, tmp_path: Path) -> None:
        (tmp_path / "evidence.json").write_text("{")
        assert operator.bare("audit", "--evidence", tmp_path / "evidence.json").code == 2
        (tmp_path / "evidence.json").write_text('{"format":"other"}')
        assert operator.bare("audit", "--evidence", tmp_path / "evidence.json").code == 1


class TestMeshCheck:
    def test_passes_a_closed_part(self, operator: Command, part: Path) -> None:
        result = operator.bare("mesh", "check", part, "--json")
        assert result.code == 0
        assert result.json[0]["verdict"] == "pass"

    def test_refuses_an_open_one_and_one_too_large(
        self, operator: Command, part: Path, open_part: Path
    ) -> None:
        result = operator.bare("mesh", "check", part, open_part, "--build-volume", "5x5x5", "--json")
        assert result.code == 1
        assert [row["verdict"] for row in result.json] == ["refuse", "refuse"]
        assert "mesh.open_edges" in {found["code"] for found in result.json[1]["findings"]}


class TestFailures:
    @pytest.mark.parametrize(
        "words",
        [("nonsense",), ("design", "upload", "no-such-file.stl"), ("licence", "grant"), ("design", "upload")],
    )
    def test_of_usage_end_with_2(self, operator: Command, words: tuple[str, ...]) -> None:
        assert operator.bare(*words).code == 2

    def test_of_the_network_say_what_to_do(self, operator: Command) -> None:
        result = operator.bare("design", "list", "--url", "http://127.0.0.1:1", "--api-key", "x")
        assert result.code == 2
        assert "partvault serve" in result.err

    def test_of_a_wrong_key_say_what_to_do(self, operator: Command) -> None:
        assert operator.as_("pv_wrong").refused("design", "list")["kind"] == "unauthenticated"
