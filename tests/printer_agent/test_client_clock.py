"""The client of a machine whose clock is wrong, against the real service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import jwt
import pytest

from app.auth.nonces import SLOT_S
from ledger.typed_data import PrintClaim
from printer_agent.client import PrinterClient
from printer_agent.clock import Clock
from printer_agent.errors import ServiceProblem
from printer_agent.keys import SigningKey
from printer_agent.print_token import PrintToken
from printer_agent.settings import Settings
from tests.app.parties import Party, Printer, new_party
from tests.app.service import Service, running_service

OFF_S = [-600, 600, -10 * 365 * 86_400, 0]


@dataclass
class Line:
    """The way from client to service, which remembers what went over it."""

    service: Service
    seen: list[tuple[httpx2.Request, httpx2.Response]] = field(default_factory=list)

    def carry(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        answer = self.service.client.request(
            request.method, request.url.path, content=request.content, headers=request.headers
        )
        self.seen.append((request, answer))
        kept = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return httpx2.Response(answer.status_code, content=answer.content, headers=kept)

    def statuses(self) -> list[int]:
        return [answer.status_code for _, answer in self.seen]

    def proofs(self) -> list[dict[str, Any]]:
        return [
            jwt.decode(request.headers["DPoP"], options={"verify_signature": False})
            for request, _ in self.seen
        ]


@dataclass
class Machine:
    """An enrolled printer and its licence."""

    provider: Party
    printer: Printer
    licence: dict[str, Any]

    def token(self) -> PrintToken:
        return PrintToken(str(self.provider.authorise(self.licence, self.printer)["token"]))

    def redeem(self, client: PrinterClient, token: PrintToken) -> dict[str, Any]:
        claim = PrintClaim.from_json(client.claim(token)["claim"])
        return client.redeem(token, {"claim": claim.to_json(), "signature": self.printer.sign(claim)})


Opener = Callable[[float], tuple[PrinterClient, Line]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("clocks")) as service:
        yield service


@pytest.fixture(scope="module")
def machine(running: Service) -> Machine:
    owner, provider = new_party(running, "owner"), new_party(running, "provider")
    licence = owner.license(owner.published(), provider, prints=20)
    return Machine(provider, provider.printer(), licence)


@pytest.fixture
def opened(running: Service, machine: Machine, settings: Settings) -> Iterator[Opener]:
    """Open a client whose clock is off by so many seconds."""
    clients: list[PrinterClient] = []

    def open_(off_s: float) -> tuple[PrinterClient, Line]:
        line = Line(running)
        clock = Clock(now=lambda: running.clock.time() + off_s)
        transport = httpx2.MockTransport(line.carry)
        key = SigningKey(machine.printer.key)
        url, printer_id = "http://testserver", machine.printer.id
        client = PrinterClient(url, key, printer_id, settings, clock=clock, transport=transport)
        clients.append(client)
        return client, line

    yield open_
    for client in clients:
        client.close()


class TestClock:
    @pytest.mark.parametrize("off_s", OFF_S)
    def test_may_be_wrong(self, opened: Opener, machine: Machine, off_s: float) -> None:
        client, line = opened(off_s)
        release = machine.redeem(client, machine.token())
        size = release["object"]["bytes"]
        assert len(b"".join(client.download(release["object"]["url"], size))) == size
        assert line.statuses() == ([] if off_s == 0 else [401]) + [200, 200, 200]
        assert all("nonce" in proof for proof in line.proofs()[1:])

    def test_may_be_wrong_at_a_download(self, opened: Opener, machine: Machine) -> None:
        right, _ = opened(0)
        release = machine.redeem(right, machine.token())
        wrong, line = opened(600)
        size = release["object"]["bytes"]
        assert len(b"".join(wrong.download(release["object"]["url"], size))) == size
        assert line.statuses() == [401, 200]


class TestNonce:
    def test_is_asked_for_once_and_renewed_when_it_is_over(
        self, opened: Opener, machine: Machine, running: Service
    ) -> None:
        client, line = opened(-600)
        token = machine.token()
        for _ in range(3):
            client.claim(token)
        running.clock.forward(2 * SLOT_S)
        client.claim(token)
        assert line.statuses() == [401, 200, 200, 200, 401, 200]
        wanted = [answer for _, answer in line.seen if answer.status_code == 401]
        assert {answer.headers["WWW-Authenticate"] for answer in wanted} == {
            'DPoP error="use_dpop_nonce", algs="ES256"'
        }

    def test_follows_every_answer(self, opened: Opener, machine: Machine, running: Service) -> None:
        client, line = opened(600)
        token = machine.token()
        client.claim(token)
        for _ in range(4):
            running.clock.forward(SLOT_S)
            client.claim(token)
        assert line.statuses() == [401, *[200] * 5]
        assert len({proof.get("nonce") for proof in line.proofs()}) == 5

    def test_helps_no_thief(self, opened: Opener, machine: Machine, settings: Settings) -> None:
        _, line = opened(0)
        thief = PrinterClient(
            "http://testserver",
            SigningKey.generate(),
            machine.printer.id,
            settings,
            transport=httpx2.MockTransport(line.carry),
        )
        with pytest.raises(ServiceProblem) as caught:
            thief.claim(machine.token())
        thief.close()
        assert caught.value.kind == "invalid-proof"
        assert line.statuses() == [401]
        assert "DPoP-Nonce" not in line.seen[0][1].headers

    def test_of_endless_demands_is_tried_once(
        self, machine: Machine, settings: Settings, running: Service
    ) -> None:
        answers = iter(range(100))

        def demand(_: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(401, headers={"DPoP-Nonce": f"n-{next(answers)}"})

        client = PrinterClient(
            "http://testserver",
            SigningKey(machine.printer.key),
            machine.printer.id,
            settings,
            transport=httpx2.MockTransport(demand),
        )
        with pytest.raises(ServiceProblem):
            client.claim(PrintToken("pvt_" + "0" * 64))
        client.close()
        assert next(answers) == 2
