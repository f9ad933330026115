"""Tests of the command's API client against scripted answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from app.cli.failures import CliError, Exit
from app.cli.service_client import ServiceClient
from app.client_settings import ClientSettings
from app.tokens import Token

Step = httpx2.Response | httpx2.TransportError


class Script:
    """Answers request after request as written; keeps what was asked."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.requests: list[httpx2.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.requests.append(request)
        step = self.steps.pop(0)
        if isinstance(step, httpx2.Response):
            return step
        raise step


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def client(script: Script) -> Iterator[ServiceClient]:
    settings = ClientSettings.read({"PARTVAULT_URL": "http://127.0.0.1:1"})
    transport = httpx2.MockTransport(script)
    with ServiceClient(settings, Token("pv_key"), transport, pause=script.pauses.append) as opened:
        yield opened


def problem(status: int, **members: Any) -> httpx2.Response:
    body = {"type": "urn:partvault:problem:conflict", "title": "The state does not allow this", **members}
    return httpx2.Response(status, json=body)


class TestRequests:
    def test_carry_the_key(self, client: ServiceClient, script: Script) -> None:
        script.steps.append(httpx2.Response(200, json={}))
        client.get("/v1/me")
        assert script.requests[0].headers["Authorization"] == "Bearer pv_key"

    def test_repeat_a_creation_under_one_key(self, client: ServiceClient, script: Script) -> None:
        script.steps += [
            httpx2.ReadError("cut"),
            httpx2.Response(503),
            httpx2.Response(201, json={"id": "x"}),
        ]
        assert client.post("/v1/designs", {"name": "a"}) == {"id": "x"}
        assert len({request.headers["Idempotency-Key"] for request in script.requests}) == 1
        assert len({request.content for request in script.requests}) == 1
        assert len(script.pauses) == 2

    def test_wait_as_long_as_the_service_asks(self, client: ServiceClient, script: Script) -> None:
        limited = problem(429)
        limited.headers["Retry-After"] = "7"
        script.steps += [limited, httpx2.Response(503), httpx2.Response(200, json={"id": "x"})]
        assert client.get("/v1/me") == {"id": "x"}
        assert script.pauses[0] == 7
        assert script.pauses[1] < 7

    def test_end_where_it_asks_for_too_long(self, client: ServiceClient, script: Script) -> None:
        limited = problem(429, detail="the limit is used up")
        limited.headers["Retry-After"] = "3600"
        script.steps += [limited]
        with pytest.raises(CliError, match="used up") as caught:
            client.post("/v1/designs", {"name": "a"})
        assert (caught.value.exit_code, script.pauses) == (Exit.UNUSABLE, [])

    def test_use_another_key_for_another_creation(self, client: ServiceClient, script: Script) -> None:
        script.steps += [httpx2.Response(201, json={})] * 2
        client.post("/v1/designs", {"name": "a"})
        client.post("/v1/designs", {"name": "a"})
        assert len({request.headers["Idempotency-Key"] for request in script.requests}) == 2

    def test_end_after_some_tries(self, client: ServiceClient, script: Script) -> None:
        script.steps += [httpx2.ReadTimeout("slow")] * 4
        with pytest.raises(CliError) as caught:
            client.get("/v1/me")
        assert (caught.value.kind, caught.value.exit_code) == ("unreachable", Exit.UNUSABLE)

    def test_end_at_once_where_nobody_listens(self, client: ServiceClient, script: Script) -> None:
        script.steps.append(httpx2.ConnectError("refused"))
        with pytest.raises(CliError, match=r"no answer from http://127\.0\.0\.1:1"):
            client.get("/v1/me")
        assert script.pauses == []

    def test_mark_what_is_not_final(self, client: ServiceClient, script: Script) -> None:
        script.steps.append(httpx2.Response(202, json={"state": "publishing"}))
        assert client.post("/v1/revisions/x/publish") == {"state": "publishing", "pending": True}


class TestPages:
    def test_follow_the_cursor(self, client: ServiceClient, script: Script) -> None:
        script.steps += [
            httpx2.Response(200, json={"items": [1, 2], "next_cursor": "c"}),
            httpx2.Response(200, json={"items": [3], "next_cursor": None}),
        ]
        assert client.pages("/v1/designs", name="x") == [1, 2, 3]
        assert dict(script.requests[1].url.params) == {"limit": "100", "cursor": "c", "name": "x"}

    def test_stop_at_the_limit(self, client: ServiceClient, script: Script) -> None:
        script.steps.append(httpx2.Response(200, json={"items": [1, 2, 3], "next_cursor": "c"}))
        assert client.pages("/v1/designs", limit=2) == [1, 2]


class TestProblems:
    @pytest.mark.parametrize(
        ("response", "kind", "message", "code"),
        [
            (problem(409, detail="it is published"), "conflict", "it is published", Exit.REFUSED),
            (problem(422, detail="too few", field="prints"), "conflict", "prints: too few", Exit.REFUSED),
            (problem(409), "conflict", "The state does not allow this", Exit.REFUSED),
            (httpx2.Response(404, content=b"<html>"), "http", "the service answered 404", Exit.REFUSED),
            (httpx2.Response(500, json=[1]), "http", "the service answered 500", Exit.UNUSABLE),
        ],
    )
    def test_become_errors(
        self,
        client: ServiceClient,
        script: Script,
        response: httpx2.Response,
        kind: str,
        message: str,
        code: Exit,
    ) -> None:
        script.steps.append(response)
        with pytest.raises(CliError) as caught:
            client.get("/v1/x")
        error = caught.value
        assert (error.kind, error.message, error.exit_code) == (kind, message, code)

    def test_pass_on_remedy_and_reasons(self, client: ServiceClient, script: Script) -> None:
        reasons = [{"code": "window", "message": "not yet"}]
        script.steps.append(problem(409, detail="no", remedy="wait", reasons=reasons))
        with pytest.raises(CliError) as caught:
            client.post("/v1/prints", {})
        assert (caught.value.remedy, list(caught.value.reasons)) == ("wait", reasons)

    def test_say_what_helps_without_a_key(self, client: ServiceClient, script: Script) -> None:
        script.steps.append(httpx2.Response(401, json={"title": "Credentials are missing or wrong"}))
        with pytest.raises(CliError) as caught:
            client.get("/v1/me")
        assert "PARTVAULT_API_KEY" in caught.value.remedy

    def test_cover_an_answer_from_something_else(self, client: ServiceClient, script: Script) -> None:
        script.steps.append(httpx2.Response(200, content=b"hello"))
        with pytest.raises(CliError, match="does not answer as PartVault does"):
            client.get("/v1/me")


class TestFiles:
    def test_stream_up(self, client: ServiceClient, script: Script) -> None:
        script.steps.append(httpx2.Response(202, json={"state": "inspecting"}))
        client.put_file("/v1/f", iter([b"ab", b"c"]), {"Content-Length": "3"}, filename="a b.stl")
        assert script.requests[0].content == b"abc"
        assert script.requests[0].url.params["filename"] == "a b.stl"

    def test_stream_down(self, client: ServiceClient, script: Script) -> None:
        script.steps.append(httpx2.Response(200, content=b"abc"))
        sizes: list[int | None] = []
        assert b"".join(client.download("/v1/f", sizes.append)) == b"abc"
        assert sizes == [3]

    @pytest.mark.parametrize(
        "act", [lambda c: list(c.download("/v1/f", print)), lambda c: c.put_file("/v1/f", [], {})]
    )
    def test_say_why_not(
        self, client: ServiceClient, script: Script, act: Callable[[ServiceClient], object]
    ) -> None:
        script.steps.append(problem(404, detail="no such file"))
        with pytest.raises(CliError, match="no such file"):
            act(client)
