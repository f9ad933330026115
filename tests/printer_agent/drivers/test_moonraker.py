"""The Moonraker driver on a real Moonraker and Kalico with a simulated micro-controller."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from printer_agent.drivers.base import Driver, Phase
from printer_agent.drivers.host import Host
from printer_agent.drivers.moonraker import MoonrakerDriver
from printer_agent.errors import DriverError
from tests.conformance.printer_driver import FollowingDriverContract, Stand, await_phase, delivery, toolpath
from tests.printer_agent.hosts.moonraker import RunningMoonraker


def driver_of(host: RunningMoonraker) -> MoonrakerDriver:
    return MoonrakerDriver(Host(host.url, None, timeout_s=30))


class TestMoonraker(FollowingDriverContract):
    @pytest.fixture
    def stand(self, moonraker_host: RunningMoonraker) -> Stand:
        return Stand(lambda: driver_of(moonraker_host), moonraker_host.files)

    def test_leaves_nothing_of_content_that_breaks_off(
        self, driver: Driver, stand: Stand, moonraker_host: RunningMoonraker
    ) -> None:
        """Moonraker keeps what came in its TMPDIR, which is to be a tmpfs, and nowhere else."""
        content = toolpath(4000)
        job = delivery(content)

        def breaking() -> Iterator[bytes]:
            yield content[:-1000]
            raise RuntimeError("the source broke")

        with pytest.raises(RuntimeError, match="the source broke"):
            driver.start(job, breaking())
        assert driver.look(job).phase is Phase.ABSENT
        assert {path.parent for path in stand.holds(content)} <= {moonraker_host.folder / "tmp"}

    def test_sees_a_print_fail(self, moonraker_host: RunningMoonraker, stand: Stand) -> None:
        driver, content = driver_of(moonraker_host), toolpath(60_000)
        job = delivery(content)
        driver.start(job, [content])
        await_phase(driver, job, Phase.PRINTING)
        moonraker_host.break_down()
        seen = await_phase(driver, job, Phase.FAILED, Phase.CANCELLED, Phase.COMPLETED)
        assert seen.phase is Phase.FAILED
        with pytest.raises(DriverError, match="shutdown"):
            driver.check()
        driver.wipe(job)
        stand.await_gone(content)
        moonraker_host.repair()
        driver.close()
