"""Logs are JSON lines with the request's id, and blank whatever looks like a credential."""

from __future__ import annotations

import json
import logging

import pytest
import structlog
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.observability import logs
from app.observability.metrics import Metrics
from app.observability.middleware import RequestRecorder
from app.tokens import new_api_key, new_token


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def client(metrics: Metrics) -> TestClient:
    app = FastAPI()

    @app.get("/things/{thing}")
    def thing(thing: str) -> str:
        structlog.get_logger("t").info("seen", thing=thing)
        return thing

    app.add_middleware(RequestRecorder, metrics=metrics)
    return TestClient(app)


@pytest.fixture(autouse=True)
def _info() -> None:
    logs.configure("INFO")


class TestRequestRecorder:
    def test_binds_the_id_to_every_line(self, client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
        answer = client.get("/things/7", headers={"X-Request-Id": "my-request-1"})
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert answer.headers["x-request-id"] == "my-request-1"
        own = [line["request_id"] for line in lines if "logger" not in line]
        assert own == ["my-request-1"] * 2

    def test_makes_an_id_where_the_given_one_is_odd(self, client: TestClient) -> None:
        answer = client.get("/things/7", headers={"X-Request-Id": 'x" , "forged": "1'})
        assert len(answer.headers["x-request-id"]) == 16

    def test_counts_by_route_and_not_by_id(self, client: TestClient, metrics: Metrics) -> None:
        client.get("/things/7")
        client.get("/things/8")
        assert b'route="/things/{thing}",status="200"} 2.0' in metrics.render()

    def test_sets_the_security_headers(self, client: TestClient) -> None:
        headers = client.get("/things/7").headers
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


class TestBlankCredentials:
    @pytest.mark.parametrize(
        "secret",
        [
            new_token("pvt_").reveal(),
            new_token("pve_").reveal(),
            new_api_key("key_" + "0" * 26).reveal(),
            "Bearer abcdefgh",
            "DPoP abcdefgh",
            "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIxIn0.c2ln",
        ],
        ids=["token", "code", "key", "bearer", "dpop", "jwt"],
    )
    def test_blanks_it_wherever_it_stands(self, secret: str, capsys: pytest.CaptureFixture[str]) -> None:
        structlog.get_logger("t").info("slip", deep={"list": [f"got {secret}"]}, plain=secret)
        line = capsys.readouterr().err
        assert secret not in line
        assert "***" in line

    def test_shows_a_token_as_stars(self) -> None:
        token = new_token("pvt_")
        assert (repr(token), str(token), f"{token}") == ("***", "***", "***")


class TestConfigure:
    def test_takes_the_libraries_records_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        logging.getLogger("some.library").warning("it said %s", "Bearer abcdefgh")
        line = json.loads(capsys.readouterr().err)
        assert (line["logger"], line["event"], line["level"]) == ("some.library", "it said ***", "warning")

    def test_writes_each_record_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        logs.configure("INFO")
        logging.getLogger("some.library").warning("once")
        assert capsys.readouterr().err.count("once") == 1
