"""Each print of a plate has an outcome of its own, and so a certificate of its own."""

from __future__ import annotations

import secrets

from ledger.certificate import parse
from ledger.certificate_audit import verify
from ledger.web3_chain import Web3Chain
from tests.app.parties import new_party
from tests.app.plates.client import authorise, redeem
from tests.app.service import Service


class TestPlates:
    def test_have_a_certificate_for_each_print(self, service: Service) -> None:
        owner, provider = new_party(service, "owner"), new_party(service, "provider")
        printer = provider.printer()
        licences = [owner.license(owner.published(), provider) for _ in range(2)]
        made = authorise(provider, printer, *licences)
        assert redeem(printer, made["token"]).status_code == 200
        chain = Web3Chain.http(str(service.services.ledger.rpc_url))
        shown = provider.expect(200, "GET", f"/v1/plates/{made['id']}")["prints"]
        for licence, each, result in zip(licences, shown, (1, 2), strict=True):
            serial = secrets.token_hex(4)
            body = printer.outcome_body(licence, 1, result, serials=[serial])
            path = f"/v1/prints/{each['print_id']}"
            assert printer.call("POST", f"{path}/outcome", printer.id, json=body).status_code == 200
            seen = verify(parse(provider.call("GET", f"{path}/certificate").content), chain)
            assert (seen.ok, seen.findings) == (True, [])
            assert seen.says is not None
            assert seen.says.licence_hash.hex() == licence["licence_hash"][2:]
            assert (seen.says.result, seen.says.report.serials) == (result, (serial,))
            pdf = provider.call("GET", f"{path}/certificate.pdf")
            assert pdf.status_code == 200
            public = service.client.get(f"/v1/verification/0x{seen.says.print.hex()}").json()
            assert (public["licence"], public["sequence"]) == (licence["licence_hash"], 1)
