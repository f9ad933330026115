"""How far a build is, where the machine counts layers by OPC 40540 (additive manufacturing), section 9.2."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from asyncua import ua

from printer_agent.drivers.opcua.job_control import JobState, Parameter, unpacked
from printer_agent.errors import DriverError

NAMESPACE: Final = "http://opcfoundation.org/UA/AdditiveManufacturing/"
RUN_INFO: Final = 5036
"""Number of RunInfoDataType's binary encoding in the namespace."""
_PERCENT_MAX: Final = 99.9
"""A build whose last layer is done may still cool, and has not ended."""


@dataclass(kw_only=True)
class RunInfo:
    """RunInfoDataType (10.1): a run of the job; its mask, which the library fills in, says what is set."""

    Encoding: ua.UInt32 = field(default=ua.UInt32(0), init=False, repr=False, compare=False)
    layer: ua.UInt32 | None = None
    identifier: ua.String
    state: JobState
    remaining: ua.Double | None = None


def percent_of(given: Iterable[Parameter], index: int) -> float | None:
    """Give the share of `LayersPlanned` that the last of `Runs` has done, in percent below 100.

    given: the order's parameters and what its answer says; index: of OPC 40540's namespace. None where the
    machine does not say both, or says them in a way that cannot be read: a print does not depend on it.
    """
    said: dict[str, object] = {each.id: each.value.Value for each in given}
    planned, runs = said.get("LayersPlanned"), said.get("Runs")
    if not isinstance(planned, int) or planned <= 0 or not isinstance(runs, list) or not runs:
        return None
    try:
        layer = unpacked(runs[-1], RunInfo, RUN_INFO, index).layer
    except DriverError:
        return None
    return None if layer is None else min(100.0 * layer / planned, _PERCENT_MAX)
