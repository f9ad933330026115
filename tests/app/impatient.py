"""A service that hardly waits for the chain and whose worker only the test runs: always caught half way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.designs.inspection import inspect_next
from app.sweeping import Sweeper
from tests.app.parties import Party, Printer, new_party
from tests.app.service import Service, running_service, until

SETTLED = {200, 202}


@dataclass
class Impatient:
    """The service and its parties; what it answers is 202 almost always, so tests take 200 too."""

    service: Service
    owner: Party
    provider: Party

    @property
    def sweeper(self) -> Sweeper:
        return Sweeper(self.service.services)

    def ready(self) -> dict[str, Any]:
        revision = self.owner.draft()
        assert self.owner.upload(revision).status_code == 202
        assert inspect_next(self.service.services, "test")
        return revision

    def published(self) -> dict[str, Any]:
        revision = self.ready()
        answer = self.owner.call("POST", f"/v1/revisions/{revision['id']}/publish", json={})
        assert answer.status_code in SETTLED
        return self.reached(self.owner, f"/v1/revisions/{revision['id']}", "published")

    def licence(self, **changes: Any) -> dict[str, Any]:
        licence = self.owner.license(self.published(), self.provider, **changes)
        return self.reached(self.owner, f"/v1/licences/{licence['id']}", "active")

    def printer(self) -> Printer:
        printer = self.provider.printer(approve=False)
        answer = self.provider.call("POST", f"/v1/printers/{printer.id}/approve", json={})
        assert answer.status_code in SETTLED
        self.reached(self.provider, f"/v1/printers/{printer.id}", "enrolled")
        return printer

    def reached(self, party: Party, path: str, state: str) -> dict[str, Any]:
        """Read until the row shows the state; nobody but the reading brings it there."""

        def shown() -> dict[str, Any] | None:
            seen = party.expect(200, "GET", path)
            return seen if seen["state"] == state else None

        return dict(until(shown))

    def recorded(self, licence: dict[str, Any]) -> None:
        """Wait until the chain has counted a print."""
        until(lambda: self.provider.recorded(licence) > 0)

    def released(self, print_id: str) -> str | None:
        """Give the release of a print, if there is one."""
        found: str | None = self.service.column("select max(id) from releases where print_id = ?", print_id)
        return found


@contextmanager
def impatient_service(folder: Path) -> Iterator[Impatient]:
    settings = {"worker": False, "ledger_timeout_s": 1e-6, "redeem_timeout_s": 1e-6}
    with running_service(folder, **settings) as running:
        yield Impatient(running, new_party(running, "owner"), new_party(running, "provider"))
