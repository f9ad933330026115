"""Certificates by the command: fetched by a party, verified by whoever holds the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.anvil import noted_url
from ledger.print_report import Measurement
from printer_agent.assembly import open_agent
from printer_agent.particulars import Particulars
from printer_agent.print_token import PrintToken
from printer_agent.settings import Settings
from tests.app.cli.conftest import Command
from tests.app.cli.test_tour import party, printer, publish
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess

SAID = Particulars(
    serials=("SN-1",), batch="LOT 7", measurements=(Measurement("bore", "22.0", "mm", None, "22.1", "pass"),)
)


@pytest.fixture(scope="module")
def known(service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the tests of this module share: a finished print and its provider's key."""
    return {"folder": tmp_path_factory.mktemp("printed")}


@pytest.fixture
def provider(operator: Command, known: dict[str, Any]) -> Command:
    """The provider of a finished print, made once."""
    if "key" not in known:
        owner, owned = party(operator, "owner")
        provider, provided = party(operator, "provider")
        part, home = known["folder"] / "cap.stl", known["folder"] / "home"
        part.write_bytes(box())
        revision, machine = publish(owner, part), printer(provider, home)
        words = (
            "--revision",
            revision["id"],
            "--provider",
            provided["id"],
            "--prints",
            2,
            "--expires",
            "+30d",
        )
        licence = owner.ok("licence", "grant", *words)
        where = ("--licence", licence["id"], "--printer", machine["id"])
        token = provider.ok("print", "authorise", *where)["token"]
        with open_agent(Settings.read({}, home=home)) as agent:
            summary = agent.print(PrintToken(token), particulars=SAID)
        known |= {"key": provider.api_key, "print": summary.print_id, "owner": owned["account"]["address"]}
    return operator.as_(known["key"])


@pytest.fixture
def file(provider: Command, known: dict[str, Any], tmp_path: Path) -> Path:
    provider.ok("print", "certificate", known["print"], "-o", tmp_path / "certificate.json")
    return tmp_path / "certificate.json"


class TestCertificate:
    def test_is_written_as_json_and_as_a_page(
        self, provider: Command, known: dict[str, Any], tmp_path: Path
    ) -> None:
        output, pdf = tmp_path / "c.json", tmp_path / "c.pdf"
        shown = provider("print", "certificate", known["print"], "-o", output, "--pdf", pdf)
        assert shown.code == 0, shown.err
        for word in ("SN-1", "LOT 7", "cap.stl, revision 1", "1 of 2", "bore", "certificate verify FILE"):
            assert word in shown.out
        assert json.loads(output.read_bytes())["report"]["serials"] == ["SN-1"]
        assert pdf.read_bytes().startswith(b"%PDF-")

    def test_is_one_json_value_for_programs(self, provider: Command, known: dict[str, Any]) -> None:
        assert provider.ok("print", "certificate", known["print"])["format"] == "partvault/certificate/v1"

    def test_of_others_is_not_there(
        self, operator: Command, provider: Command, known: dict[str, Any]
    ) -> None:
        stranger, _ = party(operator, "provider")
        assert stranger.refused("print", "certificate", known["print"])["kind"] == "not-found"


class TestVerify:
    def test_needs_nothing_of_the_service(
        self, operator: Command, service: ServiceProcess, known: dict[str, Any], file: Path
    ) -> None:
        alone = operator.bare("certificate", "verify", file)
        assert (alone.code, "--rpc URL asks the chain" in alone.out) == (0, True)
        rpc = noted_url(service.data_dir / "chain")
        contract = json.loads(file.read_bytes())["contract"]
        known_too = ("--rpc", rpc, "--contract", contract.lower(), "--owner", known["owner"].lower())
        beside = operator.bare("certificate", "verify", file, *known_too)
        assert beside.code == 0, beside.out + beside.err
        assert "the certificate is genuine" in beside.out
        told = operator.bare("certificate", "verify", file, "--rpc", rpc, "--json").json
        assert (told["ok"], told["says"]["report"]["serials"]) == (True, ["SN-1"])
        assert (told["licence_revoked"], told["printer_retired"]) == (False, False)

    def test_may_ask_a_service(self, operator: Command, file: Path) -> None:
        told = operator.bare("certificate", "verify", file, "--url", operator.url)
        assert (told.code, "the certificate is genuine" in told.out) == (0, True)

    def test_names_what_was_forged(self, operator: Command, file: Path, tmp_path: Path) -> None:
        forged = json.loads(file.read_bytes())
        forged["report"]["serials"] = ["SN-2"]
        path = tmp_path / "forged.json"
        path.write_text(json.dumps(forged))
        for more in ((), ("--url", operator.url)):
            told = operator.bare("certificate", "verify", path, *more)
            assert told.code == 1
            assert "do not trust this certificate" in told.out
            assert "report, report_salt" in told.out
            assert "SN-2" not in told.out

    def test_names_another_owner_and_another_ledger(self, operator: Command, file: Path) -> None:
        for option in ("--owner", "--contract"):
            told = operator.bare("certificate", "verify", file, option, "0x" + "11" * 20, "--json")
            assert told.code == 1
            (failed,) = [each for each in told.json["checks"] if not each["ok"]]
            assert (failed["check"], failed["findings"][0]["field"]) == ("expected", option[2:])

    @pytest.mark.parametrize(
        ("content", "code"), [("hello", 2), ("{}", 1), ('{"format":"partvault/certificate/v1"}', 1)]
    )
    def test_refuses_what_is_no_certificate(
        self, operator: Command, tmp_path: Path, content: str, code: int
    ) -> None:
        path = tmp_path / "c.json"
        path.write_text(content)
        told = operator.bare("certificate", "verify", path, "--json")
        assert (told.code, told.json["error"]["kind"]) == (code, "certificate")

    def test_says_when_nothing_can_be_said(self, operator: Command, file: Path) -> None:
        for words in (("--rpc", "http://127.0.0.1:9"), ("--url", "x", "--rpc", "y"), ("--owner", "me")):
            assert operator.bare("certificate", "verify", file, *words).code == 2
