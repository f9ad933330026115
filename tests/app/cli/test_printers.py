"""The printers' commands beyond the tour: facts, rotation of keys, what a device attests."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.cli.printers import draw
from tests.app.cli.conftest import Command
from tests.app.cli.test_tour import party, printer

PRINTER = Path(sys.executable).with_name("partvault-printer")


def beside(home: Path, *words: str, stdin: str = "") -> tuple[int, Any]:
    """The agent's command, as somebody beside the machine types it."""
    command = [PRINTER, *words, "--home", home, "--json"]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, json.loads(done.stdout)


class TestFacts:
    def test_replaces_what_was_stated(self, operator: Command, tmp_path: Path) -> None:
        provider, _ = party(operator, "provider")
        machine = printer(provider, tmp_path / "home")
        labels = ("--qualification", "iso-9100", "--qualification", "nadcap", "--export-label", "EU")
        words = (
            "printer",
            "facts",
            machine["id"],
            "--site",
            "hall 4",
            *labels,
            "--calibrated-at",
            1_700_000_000,
        )
        stated = provider.ok(*words)["machine"]
        assert (stated["site"], stated["qualifications"]) == ("hall 4", ["iso-9100", "nadcap"])
        assert (stated["export_labels"], stated["calibrated_at"]) == (["EU"], 1_700_000_000)
        assert provider.ok("printer", "facts", machine["id"])["machine"]["site"] is None
        said = provider(*words).out
        assert "hall 4" in said
        assert "nadcap" in said

    def test_says_what_is_wrong(self, operator: Command, tmp_path: Path) -> None:
        provider, _ = party(operator, "provider")
        machine = printer(provider, tmp_path / "home")
        refused = provider.refused("printer", "facts", machine["id"], "--calibrated-at", 2**39)
        assert "yet to come" in refused["message"]


class TestRotate:
    def test_goes_all_the_way(self, operator: Command, tmp_path: Path) -> None:
        provider, _ = party(operator, "provider")
        home = tmp_path / "home"
        old = printer(provider, home)
        made = provider.ok("printer", "rotate", old["id"])
        assert made["command"].startswith("partvault-printer rotate --code pve_")
        code, found = beside(home, "rotate", "--code", "-", stdin=made["enrolment_code"] + "\n")
        assert (code, found["printer_id"], found["switched"]) == (0, made["id"], False)
        assert beside(home, "status")[1]["rotation"]["successor"] == made["id"]
        words = ("printer", "approve", made["id"], "--thumbprint", found["key_thumbprint"])
        approved = provider.ok(*words)
        assert (approved["state"], approved["predecessor_id"]) == ("enrolled", old["id"])
        again = beside(home, "rotate", "--code", "-", stdin=made["enrolment_code"] + "\n")
        assert (again[0], again[1]["switched"]) == (0, True), "the same command goes over to the new keys"
        assert beside(home, "status")[1]["printer_id"] == made["id"]
        shown = provider("printer", "show", made["id"])
        assert old["id"] in shown.out

    def test_leaves_the_old_printer_to_who_signs_alone(self, operator: Command, tmp_path: Path) -> None:
        account, home = tmp_path / "provider.json", tmp_path / "home"
        words = ("org", "create", f"Own {secrets.token_hex(4)}", "--role", "provider", "--account", "own")
        provider = operator.as_(operator.ok(*words, account=account)["api_key"]["key"])
        old = printer(provider, home, account=account)
        withdrawn = provider.ok("printer", "rotate", old["id"])
        assert provider.ok("printer", "retire", withdrawn["id"], account=account)["state"] == "retired"
        made = provider.ok("printer", "rotate", old["id"])
        assert beside(home, "rotate", "--code", "-", stdin=made["enrolment_code"] + "\n")[0] == 0
        said = provider("printer", "approve", made["id"], account=account).out
        command = f"partvault printer retire {old['id']}"
        assert command in " ".join(said.split())
        assert f"due: {command}" in " ".join(provider("printer", "show", old["id"]).out.split())
        listed = {row["id"]: row for row in provider.ok("printer", "list")}
        assert listed[old["id"]]["retirement"]["due"] is True
        assert "to be retired" in " ".join(provider("printer", "list").out.split())
        assert provider.ok("printer", "retire", old["id"], account=account)["state"] == "retired"
        assert "to be retired" not in " ".join(provider("printer", "list").out.split())

    @pytest.mark.slow
    def test_refuses_another_code(self, operator: Command, tmp_path: Path) -> None:
        provider, _ = party(operator, "provider")
        home = tmp_path / "home"
        printer(provider, home)
        fresh = provider.ok("printer", "enrol", "another")
        code, said = beside(home, "rotate", "--code", fresh["enrolment_code"])
        assert (code, said["error"]["kind"]) == (2, "enrolment_code")
        assert "partvault printer rotate" in said["error"]["remedy"]


class TestEnrol:
    @pytest.mark.parametrize(
        ("keys", "kind"),
        [
            ("floppy:", "unknown_keys"),
            ("pkcs11:token=a?pin-value=4711", "pin_in_address"),
            ("pkcs11:token=a?module-path=/absent.so", "pin_missing"),
        ],
    )
    def test_says_what_is_wrong_with_an_address(self, tmp_path: Path, keys: str, kind: str) -> None:
        words = ("enrol", "--url", "http://127.0.0.1:9", "--code", "pve_x", "--keys", keys)
        code, said = beside(tmp_path / "home", *words)
        assert (code, said["error"]["kind"]) == (2, kind)
        assert "4711" not in json.dumps(said)


class TestDraw:
    def test_tells_what_is_shown_and_what_not(self, capsys: pytest.CaptureFixture[str]) -> None:
        claims = {
            "verified": [{"claim": "signing_key_kept", "detail": "made in the TPM"}],
            "unverified": [{"claim": "manufacturer", "detail": "no maker is trusted"}],
        }
        attestation = {
            "format": "partvault/tpm2-certify/v1",
            "complete": False,
            "endorsement": "CN=m",
            **claims,
        }
        machine = {"model": "M", "build_volume_mm": [1, 2, 3], "processes": ["MEX"], "materials": []}
        draw(
            {"id": "prt_1", "name": "P", "state": "enrolled", "machine": machine, "attestation": attestation}
        )
        said = " ".join(capsys.readouterr().out.split())
        for words in (
            "not complete",
            "shown: signing_key_kept made in the TPM",
            "not shown: manufacturer no maker",
        ):
            assert words in said
