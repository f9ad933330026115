"""Rate limits: by credential and by address, told on every answer, and nobody's used up by another."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.auth import authenticated
from app.main import assemble
from app.observability.metrics import Metrics
from app.rate_limit import EXEMPT, RateLimit
from app.settings import Settings
from app.token_buckets import Policy
from tests.app.parties import Party, new_party, problem
from tests.app.service import Service, running_service

GOOD, ALSO_GOOD = "Bearer good", "Bearer also good"


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that knows two credentials, and nothing at /nowhere."""
    request = Request(scope)
    known = request.headers.get("authorization") in {GOOD, ALSO_GOOD}
    if scope["path"] == "/nowhere":
        await Response("no", 404)(scope, receive, send)
        return
    if known:
        authenticated.mark(request)
    await Response("yes" if known else "no", 200 if known else 401)(scope, receive, send)


class Limited:
    """The middleware alone, on a clock that stands."""

    def __init__(self, credential: int | None = 5, address: int | None = 3, entries_max: int = 100) -> None:
        self.now = 0.0
        self.metrics = Metrics()
        self.limit = RateLimit(
            inner,
            credentials=Policy("credential", 1.0, credential) if credential else None,
            addresses=Policy("address", 1.0, address) if address else None,
            entries_max=entries_max,
            metrics=self.metrics,
            clock=lambda: self.now,
        )

    def ask(
        self, credential: str | None = None, host: str = "192.0.2.1", path: str = "/v1/prints"
    ) -> tuple[int, dict[str, str]]:
        headers = [(b"authorization", credential.encode())] if credential else []
        scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "client": (host, 5)}
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        anyio.run(self.limit, scope, receive, send)
        names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], names

    def statuses(self, times: int, *arguments: Any, **options: Any) -> list[int]:
        return [self.ask(*arguments, **options)[0] for _ in range(times)]


class TestCredential:
    def test_has_a_bucket_of_its_own(self) -> None:
        limited = Limited()
        assert limited.statuses(6, GOOD) == [200] * 5 + [429]
        assert limited.statuses(1, ALSO_GOOD) == [200]
        limited.now += 1
        assert limited.statuses(2, GOOD) == [200, 429]

    def test_is_the_same_from_every_address(self) -> None:
        limited = Limited()
        assert [limited.ask(GOOD, f"192.0.2.{n}")[0] for n in range(6)] == [200] * 5 + [429]

    def test_is_not_used_up_by_who_only_has_its_name(self) -> None:
        """The name of a printer is no secret; a credential counts as sent, so here it is a wrong one."""
        limited = Limited()
        for n in range(20):
            limited.ask("Bearer bad", f"192.0.2.{n}")
        status, headers = limited.ask("Bearer bad", "198.51.100.1")
        assert (status, headers["ratelimit"].split(";")[0]) == (401, '"address"')

    def test_goes_on_where_its_address_is_used_up_by_others(self) -> None:
        limited = Limited(address=3)
        assert limited.statuses(1, GOOD) == [200]
        assert limited.statuses(4) == [401] * 3 + [429]
        assert limited.statuses(1, GOOD) == [200]
        assert limited.statuses(1, ALSO_GOOD) == [429]
        assert limited.ask(ALSO_GOOD, "198.51.100.1")[0] == 200


class TestAddress:
    def test_pays_for_credentials_that_are_none(self) -> None:
        limited = Limited(address=3)
        assert [limited.ask(f"Bearer {n}")[0] for n in range(5)] == [401, 401, 401, 429, 429]

    def test_pays_where_nothing_looked_at_the_credential(self) -> None:
        limited = Limited(address=3)
        assert [limited.ask(f"Bearer {n}", path="/nowhere")[0] for n in range(4)] == [404, 404, 404, 429]

    def test_is_for_ipv6_its_network(self) -> None:
        limited = Limited(address=3)
        assert [limited.ask(host=f"2001:db8::{n}")[0] for n in range(4)] == [401, 401, 401, 429]
        assert limited.ask(host="2001:db8:0:1::1")[0] == 401
        assert [limited.ask(host="::ffff:192.0.2.7")[0] for _ in range(3)] == [401] * 3
        assert limited.ask(host="192.0.2.7")[0] == 429

    def test_does_not_hold_up_another(self) -> None:
        limited = Limited(address=1)
        assert limited.statuses(2) == [401, 429]
        assert limited.ask(host="192.0.2.2")[0] == 401


class TestNoLimit:
    def test_tells_and_refuses_nothing(self) -> None:
        limited = Limited(None, None)
        for credential in (GOOD, "Bearer bad", None):
            status, headers = limited.ask(credential)
            assert (status, "ratelimit" in headers) == (200 if credential == GOOD else 401, False)

    def test_of_addresses_leaves_that_of_credentials(self) -> None:
        limited = Limited(2, None)
        assert limited.statuses(3, GOOD) == [200, 200, 429]
        assert limited.statuses(9, "Bearer bad") == [401] * 9


class TestHeaders:
    def test_tell_policy_and_what_is_left(self) -> None:
        limited = Limited()
        _, headers = limited.ask(GOOD)
        assert headers["ratelimit-policy"] == '"credential";q=5;w=5'
        assert headers["ratelimit"] == '"credential";r=4;t=1'
        limited.now += 1
        _, headers = limited.ask()
        assert (headers["ratelimit-policy"], headers["ratelimit"]) == (
            '"address";q=3;w=3',
            '"address";r=2;t=1',
        )

    def test_say_when_to_go_on(self) -> None:
        limited = Limited()
        limited.statuses(5, GOOD)
        status, headers = limited.ask(GOOD)
        assert (status, headers["retry-after"], headers["ratelimit"]) == (429, "1", '"credential";r=0;t=5')
        limited.now += int(headers["retry-after"])
        assert limited.ask(GOOD)[0] == 200
        assert b'partvault_rate_limited_total{policy="credential"} 1.0' in limited.metrics.render()

    @pytest.mark.parametrize("path", sorted(EXEMPT))
    def test_are_not_on_what_is_exempt(self, path: str) -> None:
        limited = Limited(address=1)
        for _ in range(5):
            status, headers = limited.ask(path=path)
            assert (status, "ratelimit" in headers) == (401, False)


class TestDocument:
    def test_has_the_headers_of_every_limited_route(self) -> None:
        document = assemble(Metrics(), Settings()).openapi()
        told = {"RateLimit", "RateLimit-Policy"}
        assert set(document["components"]["headers"]) == told
        for path, operations in document["paths"].items():
            for operation in operations.values():
                good = [answer for status, answer in operation["responses"].items() if status[0] == "2"]
                assert all(
                    (told <= set(answer.get("headers", {}))) is (path not in EXEMPT) for answer in good
                )
                assert ("429" in operation["responses"]) is (path not in EXEMPT)

    def test_says_when_to_come_again(self) -> None:
        document = assemble(Metrics(), Settings()).openapi()
        refusal = document["components"]["responses"]["TooManyRequests"]
        assert set(refusal["headers"]) == {"Retry-After", "RateLimit", "RateLimit-Policy"}


class TestMemory:
    def test_is_bounded_whatever_is_sent(self) -> None:
        limited = Limited(entries_max=10)
        for n in range(100):
            limited.ask(f"Bearer {secrets.token_hex(4)}", f"192.0.{n}.1")
            limited.ask(GOOD if n % 2 else ALSO_GOOD, f"198.51.100.{n}")
        limit: Any = limited.limit
        assert max(len(limit._credentials), len(limit._addresses), len(limit._good)) <= 10

    def test_holds_no_credential(self) -> None:
        limited = Limited()
        limited.ask(GOOD)
        limit: Any = limited.limit
        assert len(limit._good) == 1
        for kept in (limit._good, limit._credentials._buckets, limit._addresses._buckets):
            assert all(b"good" not in bytes(key) for key in kept)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings: dict[str, Any] = {
        "rate_limit_per_s": 0.001,
        "rate_limit_burst": 12,
        "anonymous_rate_limit_burst": 500,
    }
    with running_service(tmp_path_factory.mktemp("strict"), **settings) as running:
        yield running


class TestService:
    def test_refuses_one_key_and_serves_the_next(self, strict: Service) -> None:
        first, second = new_party(strict, "owner"), new_party(strict, "owner")
        answers = [first.call("GET", "/v1/me") for _ in range(14)]
        assert [answer.status_code for answer in answers] == [200] * 12 + [429] * 2
        document = problem(answers[-1], "too-many-requests")
        assert re.fullmatch(r"\d+", answers[-1].headers["retry-after"])
        assert "credential" in document["detail"]
        assert second.call("GET", "/v1/me").status_code == 200
        assert strict.call("GET", "/readyz").status_code == 200

    def test_counts_a_printers_tokens_by_themselves(self, strict: Service) -> None:
        owner, provider = new_party(strict, "owner"), new_party(strict, "provider")
        assert self.told(owner)["ratelimit"].startswith('"credential";r=11')
        assert self.told(provider)["ratelimit-policy"].startswith('"credential";q=12')
        wrong = strict.call("GET", "/v1/me", "pv_x_y")
        assert (wrong.status_code, wrong.headers["ratelimit"].split(";")[0]) == (401, '"address"')

    def told(self, party: Party) -> httpx2.Headers:
        return party.call("GET", "/v1/me").headers
