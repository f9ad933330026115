"""Fixtures of the end-to-end tests: one running service a module, with an owner and a provider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.signer import AccountKey
from tests.e2e.parties import Owner, Party, Provider
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess


@dataclass
class Market:
    """A service and the parties that use it."""

    service: ServiceProcess
    operator: Party
    owner: Owner
    provider: Provider

    @classmethod
    def open(cls, service: ServiceProcess) -> Market:
        operator = Party(service.url, service.operator_key, AccountKey.generate())
        return cls(
            service,
            operator,
            Owner.of(operator.new_organisation("Acme Furniture", "owner")),
            Provider.of(operator.new_organisation("PrintCo", "provider")),
        )

    def published(self, content: bytes | None = None, **recipe: Any) -> dict[str, Any]:
        """A published revision of `content`, by default a small box."""
        revision = self.owner.upload(content or box(), **recipe)
        assert revision["state"] == "ready", revision["inspection"]
        return self.owner.publish(revision)

    def follow(self, service: ServiceProcess) -> None:
        """Take the address of a service that has been started again."""
        for party in (self.operator, self.owner, self.provider):
            party.url = service.url


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    folder: Path = tmp_path_factory.mktemp("market")
    with ServiceProcess(folder / "data") as service:
        yield Market.open(service)
