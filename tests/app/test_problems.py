"""Every error has its problem document, and none tells what it must not."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.testclient import TestClient

import app
import ledger
import mesh_tools
import storage
from app import problems
from app.errors import AppError, Kind
from ledger.errors import LedgerError
from mesh_tools.errors import MeshError
from storage.errors import ObjectMissing, StorageError, StoreUnavailable

ROOTS = (AppError, StorageError, LedgerError, MeshError)


def _classes(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for inner in root.__subclasses__():
        yield from _classes(inner)


def _every_error() -> list[type[Exception]]:
    for package in (storage, ledger, mesh_tools):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.startswith(("app.cli", "app.migrations")):
            importlib.import_module(module.name)
    found = {error for root in ROOTS for error in _classes(root) if error is not AppError}
    return sorted(found, key=lambda error: f"{error.__module__}.{error.__name__}")


class TestProblemOf:
    @pytest.mark.parametrize("error", _every_error(), ids=lambda error: error.__name__)
    def test_knows_every_error_class(self, error: type[Exception]) -> None:
        instance = error.__new__(error)
        assert problems.problem_of(instance) is not None, f"map {error.__name__} in app/problems.py"

    def test_knows_every_kind(self) -> None:
        assert set(problems.APP_PROBLEMS) == set(Kind)

    def test_does_not_know_others(self) -> None:
        assert problems.problem_of(KeyError("x")) is None


class _Body(BaseModel):
    count: int


@pytest.fixture(scope="module")
def client() -> TestClient:
    faulty = FastAPI()
    problems.install(faulty)
    errors: dict[str, Exception] = {
        "unexpected": RuntimeError("the password is hunter2"),
        "down": StoreUnavailable("/secret/path is full"),
        "missing": ObjectMissing("abc"),
    }

    @faulty.get("/fail/{name}")
    def fail(name: str) -> None:
        raise errors[name]

    @faulty.post("/body")
    def body(body: _Body) -> int:
        return body.count

    return TestClient(faulty, raise_server_exceptions=False)


class TestInstall:
    def test_tells_nothing_of_an_unexpected_error(self, client: TestClient) -> None:
        answer = client.get("/fail/unexpected")
        assert answer.status_code == 500
        assert answer.json()["type"] == "urn:partvault:problem:internal"
        assert "hunter2" not in answer.text
        assert "RuntimeError" not in answer.text

    def test_tells_a_failing_neighbour_without_its_message(self, client: TestClient) -> None:
        answer = client.get("/fail/down")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "/secret/path" not in answer.text

    def test_writes_a_problem_document(self, client: TestClient) -> None:
        answer = client.get("/fail/missing")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json() == {
            "type": "urn:partvault:problem:stored-object-missing",
            "title": "A stored object is missing",
            "status": 409,
            "detail": answer.json()["detail"],
        }

    def test_names_the_field_and_the_remedy_and_never_the_value(self, client: TestClient) -> None:
        answer = client.post("/body", json={"count": "sesame"})
        assert answer.status_code == 422
        assert answer.json()["field"] == "body.count"
        assert "valid integer" in answer.json()["detail"]
        assert "sesame" not in answer.text

    def test_answers_unknown_paths_alike(self, client: TestClient) -> None:
        answer = client.get("/nowhere")
        assert answer.json()["type"] == "urn:partvault:problem:not-found"
        assert client.put("/body").json()["type"] == "urn:partvault:problem:method-not-allowed"
