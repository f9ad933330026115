"""The OPC UA driver on a real server with job control and a job store."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.client.client import Client

from printer_agent.drivers.base import Delivery, Driver, Phase, UncertainStart
from printer_agent.drivers.opcua.certificate import load_or_make
from printer_agent.drivers.opcua.channel import Access, Channel, Login
from printer_agent.drivers.opcua.driver import OpcUaDriver
from printer_agent.drivers.opcua.job_control import JobOrder, WorkMaster, parameter
from printer_agent.drivers.opcua.layout import find_layout
from printer_agent.errors import DriverError, SettingsError
from tests.conformance.printer_driver import (
    FollowingDriverContract,
    Stand,
    await_phase,
    delivery,
    toolpath,
)
from tests.printer_agent.hosts.octoprint import free_port
from tests.printer_agent.hosts.opcua import RunningMachine, running_machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMachine]:
    with running_machine(tmp_path_factory.mktemp("opcua"), bytes_per_s=10_000) as machine:
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


def refusal(driver: Driver) -> DriverError:
    """What the driver says when it cannot work."""
    with pytest.raises(DriverError) as caught:
        driver.check()
    driver.close()
    return caught.value


def order_foreign(machine: RunningMachine, job: Delivery) -> None:
    """Give the machine an order of this job's id for another file, as another client would."""
    channel = Channel(machine.access())
    file = parameter("LocalPath", "somebody.3mf", ua.VariantType.String)
    order = JobOrder(
        id=ua.String(f"partvault-{job.release_id}"),
        work_masters=[WorkMaster(id=ua.String("x"), parameters=[file])],
    )

    async def give(client: Client) -> None:
        layout = await find_layout(client, "")
        await layout.jobs.store_and_start(client, order)

    channel.run(give)
    channel.close()


class TestContract(FollowingDriverContract):
    """The promises of every driver that follows its prints."""


class TestStart:
    def test_leaves_nothing_of_a_refused_order(
        self, driver: OpcUaDriver, stand: Stand, machine: RunningMachine
    ) -> None:
        machine.behave(refuses=True)
        content = toolpath(20)
        job = delivery(content)
        with pytest.raises(DriverError, match="not accepted") as caught:
            driver.start(job, [content])
        assert not isinstance(caught.value, UncertainStart)
        assert driver.look(job).phase is Phase.ABSENT
        assert stand.holds(content) == []

    def test_never_starts_again_after_a_late_answer(
        self, driver: OpcUaDriver, machine: RunningMachine
    ) -> None:
        machine.behave(answer_after_s=3600.0)
        content = toolpath(20)
        job = delivery(content)
        hasty = machine.open(call_timeout_s=6.0)
        with pytest.raises(UncertainStart):
            hasty.start(job, [content])
        hasty.close()
        await_phase(driver, job, Phase.COMPLETED)
        with pytest.raises(DriverError) as caught:
            driver.start(job, [content])
        assert caught.value.kind == "exists"
        driver.wipe(job)

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
    def test_follows_a_job_over_a_restart_of_the_server(
        self, driver: OpcUaDriver, machine: RunningMachine
    ) -> None:
        content = toolpath(60_000)
        job = delivery(content)
        driver.start(job, [content])
        await_phase(driver, job, Phase.PRINTING)
        machine.stop()
        with pytest.raises(DriverError):
            driver.look(job)
        machine.start()
        assert driver.look(job).phase is Phase.PRINTING
        driver.cancel(job)
        await_phase(driver, job, Phase.CANCELLED)
        driver.wipe(job)

    def test_sees_a_build_fail_with_its_reason(self, driver: OpcUaDriver, machine: RunningMachine) -> None:
        content = toolpath(60_000)
        job = delivery(content)
        driver.start(job, [content])
        await_phase(driver, job, Phase.PRINTING)
        machine.break_down()
        seen = await_phase(driver, job, Phase.FAILED, Phase.CANCELLED, Phase.COMPLETED)
        assert (seen.phase, "the laser went out" in seen.detail) == (Phase.FAILED, True)
        driver.wipe(job)

    def test_takes_an_end_without_success_for_a_failure(
        self, driver: OpcUaDriver, machine: RunningMachine
    ) -> None:
        machine.behave(unsuccessful=True)
        content = toolpath(20)
        job = delivery(content)
        driver.start(job, [content])
        assert await_phase(driver, job, Phase.FAILED, Phase.COMPLETED).phase is Phase.FAILED
        driver.wipe(job)

    def test_knows_over_a_restart_who_aborted(self, driver: OpcUaDriver, machine: RunningMachine) -> None:
        """The agent asks to cancel again after its own restart, as its journal says."""
        content = toolpath(60_000)
        job = delivery(content)
        driver.start(job, [content])
        await_phase(driver, job, Phase.PRINTING)
        driver.cancel(job)
        await_phase(driver, job, Phase.CANCELLED)
        again = machine.open()
        again.cancel(job)
        assert again.look(job).phase is Phase.CANCELLED
        again.wipe(job)
        again.close()


class TestForeignOrder:
    def test_is_neither_believed_nor_touched(self, driver: OpcUaDriver, machine: RunningMachine) -> None:
        content = toolpath(20)
        job = delivery(content)
        order_foreign(machine, job)
        for action in (driver.look, driver.cancel, driver.wipe):
            with pytest.raises(DriverError) as caught:
                action(job)
            assert caught.value.kind == "foreign_job"
        with pytest.raises(DriverError) as caught:
            driver.start(job, [content])
        assert caught.value.kind == "exists"
        machine.wait_until(lambda: machine.outcomes("somebody.3mf") == ["RUNNING", "ENDED"])


class TestSilence:
    """No machine is needed to find that none answers."""

    @pytest.fixture
    def access(self, tmp_path: Path) -> Callable[[int], Access]:
        application = load_or_make(tmp_path)

        def at(port: int) -> Access:
            return Access(f"opc.tcp://127.0.0.1:{port}", "00" * 32, application, connect_timeout_s=0.5)

        return at

    def test_of_a_port_is_told(self, access: Callable[[int], Access]) -> None:
        assert refusal(OpcUaDriver(access(free_port()))).kind == "host_silent"

    def test_of_a_server_is_not_waited_for_long(self, access: Callable[[int], Access]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            assert refusal(OpcUaDriver(access(mute.getsockname()[1]))).kind == "host_silent"


class TestSecurity:
    def test_refuses_another_certificate_than_the_pinned(self, machine: RunningMachine) -> None:
        error = refusal(machine.open(pinned="00" * 32))
        assert (error.kind, machine.server.thumbprint in error.message) == ("host_certificate", True)

    def test_refuses_while_nothing_is_pinned(self, machine: RunningMachine) -> None:
        assert refusal(machine.open(pinned="")).kind == "host_certificate"

    def test_says_which_certificate_the_machine_has_to_trust(
        self, machine: RunningMachine, tmp_path: Path
    ) -> None:
        stranger = load_or_make(tmp_path)
        error = refusal(machine.open(application=stranger))
        assert (error.kind, stranger.thumbprint in error.remedy) == ("host_certificate", True)

    def test_refuses_a_wrong_password_and_never_shows_it(self, machine: RunningMachine) -> None:
        login = Login("operator", "wrong horse")
        error = refusal(machine.open(login=login))
        assert error.kind == "host_key"
        assert "wrong horse" not in f"{error.message}{error.remedy}{login!r}{machine.access(login=login)!r}"

    def test_signs_in_by_its_certificate_alone(self, machine: RunningMachine) -> None:
        driver = machine.open(login=None)
        assert "takes job orders" in driver.check()
        driver.close()

    def test_refuses_less_than_encryption(self, tmp_path: Path) -> None:
        with running_machine(tmp_path, policies=["none", "signed"], anonymous=True) as open_machine:
            assert refusal(open_machine.open()).kind == "host_insecure"
            allowed = open_machine.open(insecure=True, login=None)
            assert "takes job orders" in allowed.check()
            allowed.close()

    @pytest.mark.slow
    def test_refuses_who_shows_the_certificate_without_its_key(self, tmp_path: Path) -> None:
        with running_machine(tmp_path) as machine:
            machine.stop()
            (tmp_path / "other").mkdir()
            (machine.folder / "server.pem").write_bytes(load_or_make(tmp_path / "other").key_pem)
            machine.start()
            assert refusal(machine.open(connect_timeout_s=5.0)).kind in ("host_silent", "host_certificate")
            assert machine.printing() is None

    @pytest.mark.parametrize(
        ("url", "insecure"),
        [
            ("opc.tcp://printer.example:4840", True),
            ("opc.tcp://name:word@127.0.0.1:4840", False),
            ("http://127.0.0.1:4840", False),
            ("opc.tcp://", False),
        ],
    )
    def test_takes_no_address_that_would_show_parts(
        self, machine: RunningMachine, url: str, insecure: bool
    ) -> None:
        with pytest.raises(SettingsError) as caught:
            Access(url, machine.server.thumbprint, machine.agent, insecure=insecure)
        assert caught.value.kind == "invalid_host_url"
