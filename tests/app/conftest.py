"""One running service a session, with an owner and a provider; tests add rows of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.app.parties import Party, Printer, new_party
from tests.app.service import Service, running_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def owner(service: Service) -> Party:
    return new_party(service, "owner")


@pytest.fixture(scope="session")
def provider(service: Service) -> Party:
    return new_party(service, "provider")


@pytest.fixture(scope="session")
def printer(provider: Party) -> Printer:
    """An enrolled printer that no test retires."""
    return provider.printer()


@pytest.fixture(scope="session")
def revision(owner: Party) -> dict[str, object]:
    """A published revision that no test damages."""
    return owner.published()
