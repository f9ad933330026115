"""The OPC UA driver on a machine that takes files by temporary transfers alone, and counts layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from printer_agent.drivers.base import Phase, UncertainStart
from printer_agent.drivers.opcua.driver import OpcUaDriver
from printer_agent.errors import DriverError
from tests.conformance.printer_driver import (
    FollowingDriverContract,
    Stand,
    await_phase,
    delivery,
    toolpath,
)
from tests.printer_agent.hosts.opcua import RunningMachine, running_machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMachine]:
    folder = tmp_path_factory.mktemp("opcua-transfer")
    with running_machine(folder, bytes_per_s=10_000, transfer="none", layers=True) as machine:
        yield machine


@pytest.fixture
def stand(machine: RunningMachine) -> Stand:
    return Stand(machine.open, machine.files)


@pytest.fixture
def driver(machine: RunningMachine) -> Iterator[OpcUaDriver]:
    driver = machine.open()
    yield driver
    driver.close()
    machine.behave()


class TestContract(FollowingDriverContract):
    """The promises of every driver that follows its prints."""


class TestCheck:
    def test_says_how_files_go_there(self, driver: OpcUaDriver) -> None:
        assert "temporary transfers" in driver.check()


class TestStart:
    def test_gives_the_machine_the_name_where_it_asks_for_one(self, tmp_path: Path) -> None:
        with running_machine(tmp_path, transfer="name") as machine:
            driver = machine.open()
            content = toolpath(20)
            job = delivery(content)
            driver.start(job, [content])
            await_phase(driver, job, Phase.COMPLETED)
            driver.wipe(job)
            driver.close()
            assert Stand(machine.open, machine.files).holds(content) == []

    def test_sends_nothing_to_a_machine_that_wants_options_of_its_own(self, tmp_path: Path) -> None:
        with running_machine(tmp_path, transfer="own") as machine:
            driver = machine.open()
            with pytest.raises(DriverError) as caught:
                driver.start(delivery(b"G28\n"), [b"G28\n"])
            driver.close()
            assert caught.value.kind == "transfer_options"
            assert list((machine.folder / "files").iterdir()) == []

    def test_orders_only_when_the_machine_has_applied_the_file(
        self, driver: OpcUaDriver, machine: RunningMachine
    ) -> None:
        machine.behave(applies_after_s=0.5)
        content = toolpath(20)
        job = delivery(content)
        driver.start(job, [content])
        await_phase(driver, job, Phase.COMPLETED)
        driver.wipe(job)

    def test_orders_nothing_where_the_machine_could_not_apply_the_file(
        self, driver: OpcUaDriver, stand: Stand, machine: RunningMachine
    ) -> None:
        machine.behave(applies_after_s=0.1, spoils=True)
        content = toolpath(20)
        job = delivery(content)
        with pytest.raises(DriverError) as caught:
            driver.start(job, [content])
        assert caught.value.kind == "not_applied"
        assert driver.look(job).phase is Phase.ABSENT
        assert stand.holds(content) == []

    def test_orders_nothing_where_applying_takes_too_long(self, machine: RunningMachine) -> None:
        machine.behave(applies_after_s=3600.0)
        content = toolpath(20)
        job = delivery(content)
        hasty = machine.open(apply_timeout_s=0.5)
        with pytest.raises(DriverError) as caught:
            hasty.start(job, [content])
        assert not isinstance(caught.value, UncertainStart)
        assert hasty.look(job).phase is Phase.ABSENT
        hasty.close()
        machine.behave()
        machine.restart()

    def test_orders_nothing_that_the_machine_refuses(
        self, driver: OpcUaDriver, stand: Stand, machine: RunningMachine
    ) -> None:
        machine.behave(refuses=True)
        content = toolpath(20)
        job = delivery(content)
        with pytest.raises(DriverError, match="not accepted"):
            driver.start(job, [content])
        assert driver.look(job).phase is Phase.ABSENT
        assert stand.holds(content) == []

    def test_leaves_nothing_where_the_server_goes_in_the_middle(
        self, driver: OpcUaDriver, stand: Stand, machine: RunningMachine
    ) -> None:
        content = toolpath(4000)
        job = delivery(content)

        def cut() -> Iterator[bytes]:
            yield content[:-1000]
            machine.restart()
            yield content[-1000:]

        with pytest.raises(DriverError) as caught:
            driver.start(job, cut())
        assert not isinstance(caught.value, UncertainStart)
        assert driver.look(job).phase is Phase.ABSENT
        assert stand.holds(content) == []


class TestLook:
    def test_tells_how_far_it_is_by_the_layers(self, driver: OpcUaDriver, machine: RunningMachine) -> None:
        content = toolpath(2000)
        job = delivery(content)
        driver.start(job, [content])
        seen: list[float] = []

        def moved() -> bool:
            percent = driver.look(job).percent
            seen.extend(() if percent is None else (percent,))
            return len(seen) > 1 and seen[-1] > seen[0]

        machine.wait_until(moved)
        assert seen == sorted(seen)
        driver.cancel(job)
        await_phase(driver, job, Phase.CANCELLED)
        driver.wipe(job)
