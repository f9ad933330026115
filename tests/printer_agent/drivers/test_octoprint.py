"""The OctoPrint driver on a real OctoPrint with its virtual printer."""

from __future__ import annotations

import pytest

from printer_agent.drivers.base import Phase
from printer_agent.drivers.host import Host, HostKey
from printer_agent.drivers.octoprint import OctoPrintDriver
from printer_agent.errors import DriverError
from tests.conformance.printer_driver import FollowingDriverContract, Stand, await_phase, delivery, toolpath
from tests.printer_agent.hosts.octoprint import RunningHost


def driver_of(host: RunningHost, key: HostKey | None = None) -> OctoPrintDriver:
    return OctoPrintDriver(Host(host.url, key or host.key, timeout_s=30))


class TestOctoPrint(FollowingDriverContract):
    @pytest.fixture
    def stand(self, octoprint_host: RunningHost) -> Stand:
        return Stand(lambda: driver_of(octoprint_host), octoprint_host.files)

    def test_sees_a_print_fail_with_its_reason(self, octoprint_host: RunningHost, stand: Stand) -> None:
        driver, content = driver_of(octoprint_host), toolpath(60_000)
        job = delivery(content)
        driver.start(job, [content])
        await_phase(driver, job, Phase.PRINTING)
        octoprint_host.break_down()
        seen = await_phase(driver, job, Phase.FAILED, Phase.CANCELLED, Phase.COMPLETED)
        assert (seen.phase, "Thermal Runaway" in seen.detail) == (Phase.FAILED, True)
        with pytest.raises(DriverError, match="Offline"):
            driver.check()
        driver.wipe(job)
        stand.await_gone(content)
        octoprint_host.repair()
        driver.close()

    def test_refuses_a_wrong_key_and_never_shows_it(self, octoprint_host: RunningHost) -> None:
        key = HostKey("0123456789ABCDEF0123456789ABCDEF")
        driver = driver_of(octoprint_host, key)
        with pytest.raises(DriverError) as caught:
            driver.check()
        driver.close()
        assert caught.value.kind == "host_key"
        assert key.reveal() not in f"{caught.value.message}{key!r}{key}"
