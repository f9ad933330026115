"""Fixtures of the agent's tests: a fake service, a home, a printer enrolled there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from printer_agent.clock import Clock
from printer_agent.enrol_command import MachineWishes, enrol_home
from printer_agent.settings import Settings
from tests.printer_agent.fake_service import URL, FakeService


@dataclass
class Hands:
    """A clock moved by pauses alone."""

    at: float = 1_700_000_000.0
    pauses: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.at += seconds

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.at, monotonic=lambda: self.at, pause=self.pause)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.read({}, home=tmp_path / "home", watch=tmp_path / "watch")


@pytest.fixture
def printer(service: FakeService, enrol_at: Callable[[FakeService], Settings]) -> Settings:
    """A home enrolled at the fake service."""
    return enrol_at(service)


@pytest.fixture
def enrol_at(settings: Settings) -> Callable[[FakeService], Settings]:
    """Enrol the home at another fake service."""

    def enrol(service: FakeService) -> Settings:
        machine = MachineWishes(build_volume="250x210x220")
        transport = service.transport
        enrol_home(
            settings, URL, service.code, suite="X25519", provider=None, machine=machine, transport=transport
        )
        return settings

    return enrol
