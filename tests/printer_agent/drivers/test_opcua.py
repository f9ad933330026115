"""The OPC UA driver on a real server with job control and a job store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.printer_driver import FollowingDriverContract, Stand
from tests.printer_agent.hosts.opcua import RunningMachine, running_machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMachine]:
    with running_machine(tmp_path_factory.mktemp("opcua")) as machine:
        yield machine


class TestOpcUa(FollowingDriverContract):
    @pytest.fixture
    def stand(self, machine: RunningMachine) -> Stand:
        return Stand(machine.driver, machine.files)
