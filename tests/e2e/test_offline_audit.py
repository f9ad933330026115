"""The audit of a stranger: the chain's RPC and an evidence file, with the service stopped."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Market
from tests.e2e.service_process import ServiceProcess

PARTVAULT = Path(sys.executable).with_name("partvault")


@dataclass
class Case:
    """A chain that answers, the contract, and the evidence that was handed out."""

    rpc: str
    contract: str
    evidence: dict[str, Any]
    folder: Path

    def audit(self, evidence: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        path = self.folder / "evidence.json"
        path.write_text(json.dumps(evidence), encoding="utf-8")
        command = [PARTVAULT, "audit", "--json", "--rpc", self.rpc, "--contract", self.contract]
        run = subprocess.run(
            [*command, "--evidence", path], capture_output=True, text=True, timeout=120, check=False
        )
        assert run.stdout, run.stderr
        return run.returncode, json.loads(run.stdout)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("audit")
    with ServiceProcess(folder / "data") as service:
        market = Market.open(service)
        licence = market.owner.license(market.published(), market.provider, prints=2, reprints=1)
        printer = market.provider.new_printer()
        for sequence, result in ((1, 2), (2, 1)):
            release = printer.redeem(market.provider.authorise(licence, printer)["token"]).json()
            assert printer.report(release, licence["licence_hash"], sequence, result).status_code == 200
        withdrawn = market.owner.license(market.published(), market.provider)
        market.owner.revoke(withdrawn)
        evidence = market.owner.expect(200, "GET", "/v1/evidence")
        contract = market.owner.expect(200, "GET", "/v1/ledger")["contract"]
    command = [PARTVAULT, "ledger", "serve", "--json", "--data-dir", service.data_dir]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as chain:
        try:
            assert chain.stdout is not None
            yield Case(json.loads(chain.stdout.readline())["rpc_url"], contract, evidence, folder)
        finally:
            chain.terminate()


class TestAudit:
    def test_agrees_with_what_happened(self, case: Case) -> None:
        code, report = case.audit(case.evidence)
        assert code == 0, report
        assert report["ok"] is True

    @pytest.mark.parametrize(
        ("section", "path"),
        [("licences", ("licence", "prints")), ("prints", ("signature",)), ("openings", ("manifest",))],
    )
    def test_names_one_changed_field(self, case: Case, section: str, path: tuple[str, ...]) -> None:
        evidence = copy.deepcopy(case.evidence)
        row = evidence[section][0]
        for step in path[:-1]:
            row = row[step]
        row[path[-1]] = _changed(row[path[-1]])
        code, report = case.audit(evidence)
        assert code == 1
        assert f"{section}[0]" in json.dumps(report["findings"])

    def test_names_a_dropped_row(self, case: Case) -> None:
        evidence = copy.deepcopy(case.evidence)
        dropped = evidence["prints"].pop(0)
        code, report = case.audit(evidence)
        assert code == 1
        assert dropped["claim"]["licence"][2:18] in json.dumps(report["findings"])


def _changed(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    middle = len(value) // 2
    return value[:middle] + ("0" if value[middle] != "0" else "1") + value[middle + 1 :]
