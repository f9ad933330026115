"""Five prints granted, two passed on: what each provider may print then, and the audit of it all."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2

from ledger.typed_data import PrintTransfer, TransferConsent
from tests.e2e.conftest import Market
from tests.e2e.parties import Printer, Provider, problem
from tests.e2e.service_process import ServiceProcess

PARTVAULT = Path(sys.executable).with_name("partvault")


def consented(market: Market) -> dict[str, Any]:
    licence = market.owner.license(
        market.published(), market.provider, prints=5, terms={"transferable": True}
    )
    signature = market.owner.sign(TransferConsent.from_json(licence["transfer_consent"]))
    path = f"/v1/licences/{licence['id']}/transfer-consent"
    return market.owner.expect(200, "POST", path, json={"signature": signature})


def transferred(market: Market, licence: dict[str, Any], to: Provider, prints: int) -> dict[str, Any]:
    """Passes prints on; gives the licence they became, as its holder sees it."""
    path = f"/v1/licences/{licence['id']}/transfers"
    wish = {"provider_id": to.organisation_id, "prints": prints}
    prepared = market.provider.expect(200, "POST", f"{path}/prepare", json=wish)
    signature = market.provider.sign(PrintTransfer.from_json(prepared["transfer"]))
    made = market.provider.expect(
        201,
        "POST",
        path,
        json={**prepared["request"], "signature": signature},
        headers={"Idempotency-Key": secrets.token_hex(16)},
    )
    return to.expect(200, "GET", f"/v1/licences/{made['id']}")


def asked(provider: Provider, licence: dict[str, Any], printer: Printer) -> httpx2.Response:
    return provider.call("POST", "/v1/prints", **provider.print_request(licence, printer))


def exhausted(answer: httpx2.Response) -> bool:
    assert answer.status_code == 409, answer.text
    return [reason["code"] for reason in problem(answer)["reasons"]] == ["count_exhausted"]


def audited(service: ServiceProcess, *words: object) -> dict[str, Any]:
    command = [PARTVAULT, "audit", "--json", "--data-dir", service.data_dir, *map(str, words)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return dict(json.loads(run.stdout))


class TestTransfer:
    def test_neither_party_prints_one_more_than_it_has(self, tmp_path: Path) -> None:
        with ServiceProcess(tmp_path / "data") as service:
            market = Market.open(service)
            receiver = Provider.of(market.operator.new_organisation("Second PrintCo", "provider"))
            licence = consented(market)
            theirs = transferred(market, licence, receiver, 2)
            shares = [(market.provider, licence, 3), (receiver, theirs, 2)]
            for party, share, prints in shares:
                printer = party.new_printer()
                for sequence in range(1, prints + 1):
                    answer = printer.redeem(party.authorise(share, printer)["token"])
                    assert answer.status_code == 200, answer.text
                    release = answer.json()
                    opened = printer.open(release, printer.download(release).content)
                    assert len(opened) == release["object"]["plaintext_bytes"]
                    assert printer.report(release, share["licence_hash"], sequence, 1).status_code == 200
                assert exhausted(asked(party, share, printer))
                seen = party.expect(200, "GET", f"/v1/licences/{share['id']}")
                assert seen["prints_recorded"] == prints
            report = audited(service)
            assert (report["ok"], report["counts"]["transfers"], report["counts"]["prints"]) == (True, 1, 5)
            for party in (market.owner, market.provider, receiver):
                evidence = tmp_path / "evidence.json"
                evidence.write_text(json.dumps(party.expect(200, "GET", "/v1/evidence")), encoding="utf-8")
                assert audited(service, "--evidence", evidence)["ok"]
