"""Prints that have started, with what the journal knows of them alone: followed, judged, wiped.

Nothing here starts anything. Whatever cuts the agent off, its next start comes here again:

- a print that runs on its host is followed (`resume`);
- a delivered file of a driver that cannot follow gets the result intended, or waits for the operator's word;
  one that did not arrive is reported as failed (`recover`);
- what lies on the host of a print that has ended is wiped (`recover`), as often as it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ledger.typed_data import Result
from printer_agent.clock import Clock
from printer_agent.drivers.base import Delivery, Driver, Phase
from printer_agent.errors import DriverError
from printer_agent.following import Viewer, Wishes, follow
from printer_agent.journal import Journal, JournalJob
from printer_agent.offers import ClaimOffer
from printer_agent.outcomes import Outcomes
from printer_agent.release import PrintFile, read_manifest
from printer_agent.remote_job import Patience, RemoteJob, RemoteResult
from printer_agent.slicing.preparation import delivered_format

AWAITING = "awaiting"
"""State of a print that has ended, or was delivered, and whose outcome the operator will give."""


@dataclass(frozen=True)
class Started:
    """The started prints of one printer.

    stop: whether the agent is to leave a running print to its next start
    poll_s: pause between two looks at a running print
    """

    journal: Journal
    driver: Driver
    outcomes: Outcomes
    clock: Clock
    viewer: Viewer
    stop: Callable[[], bool]
    poll_s: float
    patience: Patience

    def recover(self) -> list[str]:
        """Judge what needs no waiting, wipe what is due; give the ids of the prints now reported."""
        judged = (
            []
            if self.driver.follows
            else [print_id for stored in self._cut_off() for print_id in self._judge(stored)]
        )
        for stored in self.journal.unwiped():
            self.wipe(stored)
        return judged

    def resume(self) -> None:
        """Follow what still runs on the host to its end; Detached where the agent is to stop meanwhile."""
        if self.driver.follows:
            for stored in self._cut_off():
                self.to_the_end(stored, RemoteJob(self.patience))

    def to_the_end(self, stored: JournalJob, job: RemoteJob) -> None:
        """Follow a print to its end; queue its outcome or leave it to the operator; wipe."""
        wishes = Wishes(partial(self._cancel_asked, self._together(stored)), self.stop)
        delivery = self._delivery(stored)
        follow(
            *(job, delivery, self.driver),
            wishes=wishes,
            viewer=self.viewer,
            clock=self.clock,
            poll_s=self.poll_s,
        )
        if job.result is RemoteResult.UNKNOWN or self.journal.intended(release_of(stored)) is None:
            ended = self._conclude(stored, None, job.detail)
        else:
            ended = self._conclude(stored, Result[job.result.name], job.detail)
        for each in ended:
            self.wipe(each)

    def wipe(self, stored: JournalJob) -> None:
        """Wipe an ended print from its host; where the host does not let it, it stays due.

        A file that was delivered for good, with the result reported on delivery, is the machine's own.
        """
        name = release_of(stored)
        if not self._ours(name) or (not self.driver.follows and stored.state == AWAITING):
            return
        try:
            if not _rides_along(stored) and (self.driver.follows or self.journal.intended(name) is None):
                self.driver.wipe(self._delivery(stored))
        except DriverError as error:
            self.viewer.printing(None, f"not wiped yet: {error.message}")
            return
        self.journal.wiped(name, self.clock.seconds())

    def _judge(self, stored: JournalJob) -> list[str]:
        intended = self.journal.intended(release_of(stored))
        if self.driver.look(self._delivery(stored)).phase is Phase.ABSENT:
            result, detail = Result.FAILED, "interrupted before the file was delivered"
        elif intended is None:
            self._conclude(stored, None, "delivered")
            return []
        else:
            result, detail = Result[intended], "delivered before an interruption"
        return [each.print_id for each in self._conclude(stored, result, detail)]

    def _conclude(self, stored: JournalJob, result: Result | None, detail: str) -> list[JournalJob]:
        """Report a print and all that are on its plate, or leave them to the operator; itself last.

        So whoever finds it undecided after a crash finds what is left of its plate.
        """
        ended = self._together(stored)
        for each in ended:
            if result is None:
                self.journal.note(each.print_id, AWAITING, detail, self.clock.seconds())
            else:
                self.outcomes.judge(each, self.driver.name, result, detail)
        return ended

    def _together(self, stored: JournalJob) -> list[JournalJob]:
        """The undecided prints of its plate, and the print itself last; it alone where there is no plate."""
        plate = plate_of(stored)
        others = [each for each in self.journal.undecided() if plate is not None and plate_of(each) == plate]
        waiting = [each for each in others if each.state != AWAITING and each.print_id != stored.print_id]
        return [*waiting, stored]

    def _delivery(self, stored: JournalJob) -> Delivery:
        delivery, size = delivery_of(stored, self.driver), self.journal.delivered_size(release_of(stored))
        return delivery if size is None else replace(delivery, size=size)

    def _cancel_asked(self, prints: Sequence[JournalJob]) -> bool:
        return any(self.journal.cancel_asked(each.print_id) for each in prints)

    def _cut_off(self) -> list[JournalJob]:
        """The prints this driver started whose end nobody has noted; of a plate, the one it goes by."""
        alone = [stored for stored in self.journal.undecided() if not _rides_along(stored)]
        return [stored for stored in alone if stored.state != AWAITING and self._ours(release_of(stored))]

    def _ours(self, release_id: str) -> bool:
        return self.journal.started_by(release_id) in (None, self.driver.name)


def release_of(stored: JournalJob) -> str:
    """Give the release of a job that started."""
    if stored.release_id is None:
        raise RuntimeError(f"print {stored.print_id} started without a release")
    return stored.release_id


def delivery_of(stored: JournalJob, driver: Driver) -> Delivery:
    """Make the delivery of a job that started, as it was then; of sliced files the size is the mesh's."""
    if plate_of(stored) is not None:
        return plate_delivery(release_of(stored), driver)
    file = read_manifest(ClaimOffer.from_json(stored.offer).terms.manifest)
    return delivery_for(release_of(stored), file, driver)


def delivery_for(release_id: str, file: PrintFile, driver: Driver) -> Delivery:
    """Make the delivery of a file to a driver, by the format of what the driver gets."""
    return Delivery.of(release_id, file.filename, delivered_format(file, driver), file.size)


def plate_delivery(release_id: str, driver: Driver) -> Delivery:
    """Make the delivery of a plate, which goes by its first print's release."""
    return Delivery.of(release_id, "plate", "stl" if driver.takes_meshes else "gcode", 0)


def plate_of(stored: JournalJob) -> str | None:
    """Give the plate that a print is on, None where it is printed by itself."""
    plate = stored.offer.get("plate")
    return None if plate is None else str(plate["id"])


def _rides_along(stored: JournalJob) -> bool:
    """Whether the print is on a plate that the machine knows by another print."""
    return bool((stored.offer.get("plate") or {}).get("part"))
