"""Tests of the printer's client: proofs, retries, problems, downloads."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from ledger.errors import TypedDataError
from printer_agent.client import PrinterClient
from printer_agent.errors import AgentError, ReleaseRefused, ServiceProblem, Unreachable
from printer_agent.identity import Identity
from printer_agent.print_token import PrintToken
from printer_agent.settings import Settings
from tests.printer_agent.conftest import Hands
from tests.printer_agent.fake_service import URL, FakeService, problem


@pytest.fixture
def client(printer: Settings, service: FakeService, hands: Hands) -> PrinterClient:
    identity = Identity.load(printer.home)
    return PrinterClient(
        URL, identity.signing, "prt_1", printer, clock=hands.clock, transport=service.transport
    )


@pytest.fixture
def token(service: FakeService) -> PrintToken:
    return PrintToken(service.authorise())


TRANSIENT: list[Any] = [
    httpx2.ConnectError("refused"),
    httpx2.ReadTimeout("slow"),
    httpx2.RemoteProtocolError("cut"),
    httpx2.Response(503),
    httpx2.Response(429, headers={"Retry-After": "2"}),
    httpx2.Response(202, headers={"Retry-After": "1"}, json={"state": "redeeming"}),
]


class TestRetries:
    @pytest.mark.parametrize("fault", TRANSIENT, ids=repr)
    def test_repeat_what_is_transient(
        self, client: PrinterClient, service: FakeService, token: PrintToken, hands: Hands, fault: Any
    ) -> None:
        service.faults += [fault, fault]
        assert client.claim(token)["print_id"] == "job_1"
        assert len(service.calls("/v1/prints/claim")) == 3
        assert len(hands.pauses) == 2

    def test_carry_a_fresh_proof_and_the_same_body(
        self, client: PrinterClient, service: FakeService, token: PrintToken
    ) -> None:
        service.faults += [httpx2.ReadError("cut off")] * 3
        with pytest.raises(TypedDataError):
            client.redeem(token, {"claim": "x"})
        sent = service.calls("/v1/prints/redeem")
        assert len({request.headers["DPoP"] for request in sent}) == 4
        assert len({request.content for request in sent}) == 1
        assert {request.headers["Idempotency-Key"] for request in sent} == {token.idempotency_key()}

    def test_end_when_the_time_is_up(
        self, client: PrinterClient, service: FakeService, token: PrintToken, hands: Hands
    ) -> None:
        service.faults += [httpx2.ConnectError("refused")] * 500
        with pytest.raises(Unreachable, match=r"within 120 s; ConnectError: refused"):
            client.claim(token)
        assert 110 < sum(hands.pauses) <= 120

    def test_wait_as_long_as_they_are_told(
        self, client: PrinterClient, service: FakeService, token: PrintToken, hands: Hands
    ) -> None:
        service.faults.append(httpx2.Response(202, headers={"Retry-After": "7"}))
        client.claim(token)
        assert hands.pauses == [7.0]

    def test_take_up_the_servers_nonce_at_once(
        self, client: PrinterClient, service: FakeService, token: PrintToken, hands: Hands
    ) -> None:
        service.nonce = "n-1"
        client.claim(token)
        assert [proof.get("nonce") for proof in service.proofs] == [None, "n-1"]
        assert hands.pauses == []


class TestProblems:
    def test_become_errors_with_reasons(
        self, client: PrinterClient, service: FakeService, token: PrintToken
    ) -> None:
        reasons = [{"code": "count_exhausted", "message": "all 3 prints are used"}]
        service.faults.append(problem(409, "refused-by-ledger", "the ledger refused the print", reasons))
        with pytest.raises(ServiceProblem) as caught:
            client.claim(token)
        error = caught.value
        assert (error.kind, error.status) == ("refused-by-ledger", 409)
        assert error.message == "the ledger refused the print; all 3 prints are used"
        assert error.reasons[0].code == "count_exhausted"

    @pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"a":1}', b"\xff"])
    def test_are_told_where_the_answer_is_no_document(
        self, client: PrinterClient, service: FakeService, token: PrintToken, content: bytes
    ) -> None:
        service.faults.append(httpx2.Response(500, content=content))
        with pytest.raises(ServiceProblem, match="answered 500"):
            client.claim(token)

    def test_cover_an_answer_that_is_no_object(
        self, client: PrinterClient, service: FakeService, token: PrintToken
    ) -> None:
        service.faults.append(httpx2.Response(200, content=b"[]"))
        with pytest.raises(ServiceProblem, match="not a JSON object"):
            client.claim(token)

    def test_never_show_the_token(
        self, client: PrinterClient, service: FakeService, token: PrintToken
    ) -> None:
        service.faults += [httpx2.ConnectError("refused")] * 500
        with pytest.raises(AgentError) as caught:
            client.claim(token)
        assert token.reveal() not in repr(caught.value)


class TestDownload:
    def fetch(self, client: PrinterClient, service: FakeService, url: str | None = None) -> bytes:
        return b"".join(client.download(url or f"{URL}/v1/releases/rel_1/object", len(service.ciphertext)))

    def test_gives_the_object(self, client: PrinterClient, service: FakeService) -> None:
        assert self.fetch(client, service) == service.ciphertext

    def test_takes_a_relative_address(self, client: PrinterClient, service: FakeService) -> None:
        assert self.fetch(client, service, "/v1/releases/rel_1/object") == service.ciphertext

    def test_goes_on_where_it_broke(self, client: PrinterClient, service: FakeService) -> None:
        service.faults += [httpx2.Response(200, content=service.ciphertext[:100]), None]
        assert self.fetch(client, service) == service.ciphertext
        assert service.requests[-1].headers["Range"] == "bytes=100-"

    def test_gives_up_after_many_breaks(self, client: PrinterClient, service: FakeService) -> None:
        service.faults += [httpx2.ReadError("cut")] * 20
        with pytest.raises(Unreachable, match="broke 9 times"):
            self.fetch(client, service)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:9000/x", "https://127.0.0.1:8000/x", "http://evil.example/x"]
    )
    def test_never_leaves_the_pinned_service(
        self, client: PrinterClient, service: FakeService, url: str
    ) -> None:
        service.requests.clear()
        with pytest.raises(ReleaseRefused) as caught:
            self.fetch(client, service, url)
        assert caught.value.kind == "foreign_url"
        assert service.requests == []

    def test_follows_no_redirect(self, client: PrinterClient, service: FakeService) -> None:
        service.faults.append(httpx2.Response(307, headers={"Location": "http://evil.example/"}))
        with pytest.raises(ServiceProblem, match="answered 307"):
            self.fetch(client, service)
