"""The check of a service's vault, as `partvault vault fsck` makes it."""

from __future__ import annotations

from typing import Any

from app.fsck.check import Fsck, Options
from app.fsck.report import Report
from tests.app.service import Service


def begun(service: Service, **options: Any) -> Fsck:
    """A check that has listed store and rows, and examined nothing yet."""
    services = service.services
    return Fsck(services.database, services.vault, services.clock, Options(**options))


def checked(service: Service, **options: Any) -> Report:
    return begun(service, **options).run()


def named(report: Report) -> set[tuple[str, str, str]]:
    """What was found, without its sentences."""
    return {(finding.problem.value, finding.row, finding.column) for finding in report.findings}
