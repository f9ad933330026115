"""What every printer driver promises: subclass, and give `stand` as a fixture."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from printer_agent.drivers.base import Delivery, Driver, Phase, Sighting
from printer_agent.errors import DriverError

LOOK_PAUSE_S = 0.1
WAIT_S_MAX = 60.0


@dataclass
class Stand:
    """A host for the tests: a driver as a newly started agent opens it, and every file the host holds."""

    open: Callable[[], Driver]
    files: Callable[[], list[Path]]

    def holds(self, content: bytes) -> list[Path]:
        """The files in which a part of `content` lies in the clear."""
        piece = content[len(content) // 2 :][:200]
        return [path for path in self.files() if path.exists() and piece in path.read_bytes()]

    def await_gone(self, content: bytes) -> None:
        """Wait until no file holds it: hosts clear their temporary files after they answered."""
        deadline = time.monotonic() + WAIT_S_MAX
        while found := self.holds(content):
            assert time.monotonic() < deadline, f"still in {found}"
            time.sleep(LOOK_PAUSE_S)


def toolpath(lines: int) -> bytes:
    """G-code of so many short moves, different in each call."""
    mark = secrets.token_hex(8)
    moves = [f"G1 X{100 + number % 7} Y{100 + number % 5} F6000 ; {mark}" for number in range(lines)]
    return "\n".join(["G28", "G90", "G1 Z5 F600", *moves, ""]).encode()


def delivery(content: bytes) -> Delivery:
    return Delivery.of(f"rel_{secrets.token_hex(6)}", "cap.gcode", "gcode", len(content))


def await_phase(driver: Driver, job: Delivery, *wanted: Phase) -> Sighting:
    """Look until the job is in a phase; real hosts take their time."""
    deadline = time.monotonic() + WAIT_S_MAX
    while (seen := driver.look(job)).phase not in wanted:
        assert time.monotonic() < deadline, f"still {seen}"
        time.sleep(LOOK_PAUSE_S)
    return seen


class PrinterDriverContract:
    """Promises of `printer_agent.drivers.base.Driver` for every driver."""

    @pytest.fixture
    def driver(self, stand: Stand) -> Iterator[Driver]:
        driver = stand.open()
        yield driver
        driver.close()

    def test_says_that_it_is_ready(self, driver: Driver) -> None:
        assert "\n" not in driver.check()

    def test_knows_nothing_before_the_start(self, driver: Driver) -> None:
        assert driver.look(delivery(b"G28\n")).phase is Phase.ABSENT

    def test_finds_a_job_again_after_a_restart(self, driver: Driver, stand: Stand) -> None:
        content = toolpath(20)
        job = delivery(content)
        driver.start(job, [content[:100], content[100:]])
        assert driver.look(job).phase is not Phase.ABSENT
        again = stand.open()
        assert again.look(job).phase is not Phase.ABSENT
        again.close()
        self.clear(driver, job)

    def test_never_overwrites(self, driver: Driver, stand: Stand) -> None:
        content = toolpath(20)
        job = delivery(content)
        driver.start(job, [content])
        self.ended(driver, job)
        other = toolpath(20)[: len(content)]
        with pytest.raises(DriverError):
            driver.start(job, [other])
        assert stand.holds(content)
        stand.await_gone(other)
        self.clear(driver, job)

    def test_leaves_nothing_of_content_that_breaks_off(self, driver: Driver, stand: Stand) -> None:
        content = toolpath(4000)
        job = delivery(content)

        def breaking() -> Iterator[bytes]:
            yield content[:-1000]
            raise RuntimeError("the source broke")

        with pytest.raises(RuntimeError, match="the source broke"):
            driver.start(job, breaking())
        assert driver.look(job).phase is Phase.ABSENT
        stand.await_gone(content)

    def test_wipes_all_of_it_and_twice(self, driver: Driver, stand: Stand) -> None:
        content = toolpath(20)
        job = delivery(content)
        driver.start(job, [content])
        self.ended(driver, job)
        driver.wipe(job)
        driver.wipe(job)
        assert driver.look(job).phase is Phase.ABSENT
        stand.await_gone(content)

    def test_cancels_nothing_that_is_not_there(self, driver: Driver) -> None:
        driver.cancel(delivery(b"G28\n"))

    def ended(self, driver: Driver, job: Delivery) -> None:
        """Wait for the end where there is one to wait for."""
        if driver.follows:
            await_phase(driver, job, Phase.COMPLETED)

    def clear(self, driver: Driver, job: Delivery) -> None:
        self.ended(driver, job)
        driver.wipe(job)


class FollowingDriverContract(PrinterDriverContract):
    """What drivers promise that follow a print to its end."""

    def test_sees_a_print_complete(self, driver: Driver, stand: Stand) -> None:
        content = toolpath(30)
        job = delivery(content)
        driver.start(job, [content])
        seen = await_phase(driver, job, Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED)
        assert seen.phase is Phase.COMPLETED
        again = stand.open()
        assert again.look(job).phase is Phase.COMPLETED
        again.close()
        driver.wipe(job)

    def test_sees_progress_and_keeps_what_it_prints(self, driver: Driver) -> None:
        content = toolpath(60_000)
        job = delivery(content)
        driver.start(job, [content])
        seen = await_phase(driver, job, Phase.PRINTING)
        assert seen.percent is None or 0 <= seen.percent < 100
        with pytest.raises(DriverError):
            driver.wipe(job)
        self.stop(driver, job)

    def test_cancels_this_job_alone(self, driver: Driver) -> None:
        content = toolpath(60_000)
        job, other = delivery(content), delivery(b"G28\n")
        driver.start(job, [content])
        await_phase(driver, job, Phase.PRINTING)
        driver.cancel(other)
        driver.wipe(other)
        assert driver.look(job).phase is Phase.PRINTING
        driver.cancel(job)
        assert await_phase(driver, job, Phase.CANCELLED, Phase.FAILED).phase is Phase.CANCELLED
        driver.cancel(job)
        driver.wipe(job)

    def test_refuses_a_second_job_and_leaves_nothing_of_it(self, driver: Driver, stand: Stand) -> None:
        first, second = toolpath(60_000), toolpath(20)
        job, late = delivery(first), delivery(second)
        driver.start(job, [first])
        await_phase(driver, job, Phase.PRINTING)
        with pytest.raises(DriverError):
            driver.check()
        with pytest.raises(DriverError):
            driver.start(late, [second])
        assert driver.look(late).phase is Phase.ABSENT
        stand.await_gone(second)
        assert driver.look(job).phase is Phase.PRINTING
        self.stop(driver, job)

    def stop(self, driver: Driver, job: Delivery) -> None:
        driver.cancel(job)
        await_phase(driver, job, Phase.CANCELLED)
        driver.wipe(job)
