"""A running service for the command's tests, and the command in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess


@dataclass
class Result:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Command:
    """The command as one party types it, without a word of the environment."""

    capsys: pytest.CaptureFixture[str]
    url: str
    api_key: str

    def __call__(self, *words: object, account: Path | None = None) -> Result:
        known = ["--url", self.url, "--api-key", self.api_key]
        return self.bare(*words, *known, *(["--account-file", account] if account else []))

    def bare(self, *words: object) -> Result:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = self.capsys.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    def ok(self, *words: object, account: Path | None = None) -> Any:
        result = self(*words, "--json", account=account)
        assert result.code == 0, result.out + result.err
        return result.json

    def refused(self, *words: object, code: int = 1, account: Path | None = None) -> dict[str, Any]:
        result = self(*words, "--json", account=account)
        assert result.code == code, result.out + result.err
        return dict(result.json["error"])

    def as_(self, api_key: str) -> Command:
        return Command(self.capsys, self.url, api_key)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("URL", "API_KEY", "ACCOUNT_FILE", "DATA_DIR"):
        monkeypatch.delenv(f"PARTVAULT_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def operator(capsys: pytest.CaptureFixture[str], service: ServiceProcess) -> Command:
    return Command(capsys, service.url, service.operator_key)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    (tmp_path / "cap.stl").write_bytes(box())
    return tmp_path / "cap.stl"


@pytest.fixture
def open_part(tmp_path: Path) -> Path:
    (tmp_path / "open.stl").write_bytes(box(closed=False))
    return tmp_path / "open.stl"
