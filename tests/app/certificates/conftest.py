"""Prints that the tests of certificates look at and do not change."""

from __future__ import annotations

import pytest

from tests.app.certificates.printed import Printed, printed
from tests.app.service import Service


@pytest.fixture(scope="session")
def case(service: Service) -> Printed:
    """A completed print."""
    return printed(service)


@pytest.fixture(scope="session")
def failed(service: Service) -> Printed:
    """A print that failed."""
    return printed(service, 2)


@pytest.fixture(scope="session")
def cancelled(service: Service) -> Printed:
    """A print that was cancelled, whose report would like to be a tag."""
    return printed(service, 3, serials=["<script>alert(1)</script>"], detail='"><img src=x onerror=y>')


@pytest.fixture(scope="session")
def under_way(service: Service) -> Printed:
    """A print that is counted and not reported; its licence is revoked since, its printer retired."""
    return printed(service, None)
