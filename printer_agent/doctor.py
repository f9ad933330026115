"""What a person at the printer wants to know when something is wrong: a list of checks with remedies."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2

from printer_agent.client import open_http
from printer_agent.clock import Clock
from printer_agent.drivers.choice import open_driver
from printer_agent.errors import AgentError, GateRefused
from printer_agent.identity import Identity
from printer_agent.journal import Journal
from printer_agent.keys import prove, thumbprint
from printer_agent.machine import load_machine
from printer_agent.settings import Settings
from printer_agent.slicing.prusa import PrusaSlicer
from printer_agent.swap import clear_swaps

_SKEW_S = 30.0
_MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs")


@dataclass(frozen=True)
class Check:
    """One check: its name, whether it is well, what was found and what to do."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def examine(settings: Settings, transport: httpx2.BaseTransport | None = None) -> Iterator[Check]:
    """Run every check; none of them changes anything but an empty file in the watch folder."""
    yield _attempt("identity", lambda: _identity(settings))
    yield _attempt("keys", lambda: _keys(settings))
    yield _attempt("machine", lambda: _machine(settings))
    yield _attempt("journal", lambda: _journal(settings))
    yield _attempt("driver", lambda: _driver(settings))
    yield _host_folder(settings)
    if settings.driver in ("octoprint", "moonraker"):
        yield _attempt("slicer", lambda: _slicer(settings))
    yield _memory()
    yield _swap()
    yield _core_dumps()
    yield _service(settings, transport)


def _attempt(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except AgentError as error:
        return Check(name, False, error.message, error.remedy)


def _identity(settings: Settings) -> str:
    identity = Identity.load(settings.home)
    pins = identity.enrolled
    return f"{pins.printer_id} at {pins.url}, key {thumbprint(identity.signing)}, provider {pins.provider}"


def _keys(settings: Settings) -> str:
    return prove(Identity.load(settings.home, settings.keys_pin).keys)


def _machine(settings: Settings) -> str:
    machine = load_machine(settings.home)
    sides = " × ".join(f"{side:g}" for side in machine.build_volume_mm)
    materials = ", ".join(machine.materials) or "any material"
    return f"{machine.model}, {sides} mm, {', '.join(machine.processes)}, {materials}"


def _journal(settings: Settings) -> str:
    with Journal.open(settings.home) as journal:
        waiting, undecided = len(journal.waiting_outcomes()), len(journal.undecided())
        unwiped = len(journal.unwiped())
        return (
            f"{len(journal.jobs())} prints, {waiting} outcomes to send, {undecided} without an outcome, "
            f"{unwiped} to wipe"
        )


def _driver(settings: Settings) -> str:
    driver = open_driver(settings)
    try:
        return driver.check()
    finally:
        driver.close()


def _slicer(settings: Settings) -> str:
    if load_machine(settings.home).limits is None:
        raise GateRefused("no_limits", "machine.json has no `limits`: toolpaths are refused", "describe them")
    return PrusaSlicer().check()


def _host_folder(settings: Settings) -> Check:
    """Whether the folder that holds the plaintext while it prints is in memory, where that can be known."""
    folder = settings.watch if settings.driver == "folder" else settings.host_folder
    if folder is None:
        return Check("host folder", True, "not known; set PARTVAULT_PRINTER_HOST_FOLDER to have it checked")
    kind = _file_system(folder)
    if kind in _MEMORY_FILE_SYSTEMS:
        return Check("host folder", True, f"{folder} is in memory ({kind})")
    if settings.driver == "folder":
        return Check("host folder", True, f"{folder} is on {kind or 'a disk'}: what is delivered stays there")
    return Check("host folder", False, f"{folder} is on {kind or 'a disk'}", "mount a tmpfs there")


def _file_system(folder: Path) -> str | None:
    """The kind of file system `folder` lies on, by /proc/self/mountinfo (proc(5)); None where unknown."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    real = folder.resolve()
    best: tuple[str, str | None] = ("", None)
    for line in lines:
        mount, _, source = line.partition(" - ")
        point = mount.split()[4].replace("\\040", " ")
        if real.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, source.split()[0])
    return best[1]


def _memory() -> Check:
    if hasattr(os, "memfd_create"):
        return Check("memory", True, "decrypted parts stay in anonymous memory")
    return Check("memory", True, "no memfd_create here; decrypted parts stay on the heap")


def _swap() -> Check:
    clear = clear_swaps()
    if not clear:
        return Check("swap", True, "off, in memory, or encrypted")
    found = f"{', '.join(clear)} may hold pieces of parts in the clear"
    return Check("swap", False, found, "swapoff -a, or put it on zram or dm-crypt")


def _core_dumps() -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_CORE)
    return Check("core dumps", soft == 0, "off" if soft == 0 else f"limit is {soft}", "ulimit -c 0")


def _service(settings: Settings, transport: httpx2.BaseTransport | None) -> Check:
    try:
        url = Identity.load(settings.home).enrolled.url
        with open_http(url, settings, transport) as http:
            response = http.get(url + "/readyz")
    except AgentError as error:
        return Check("service", False, error.message, error.remedy)
    except httpx2.TransportError as error:
        return Check("service", False, f"no answer: {error}", "check the network; outcomes wait")
    if response.status_code != 200:
        return Check("service", False, f"{url} answers {response.status_code}", "wait, or ask its operator")
    skew = _skew(response)
    if skew is not None and abs(skew) > _SKEW_S:
        return Check("service", False, f"this clock is {skew:+.0f} s off the service's", "set it by NTP")
    return Check("service", True, f"{url} is ready")


def _skew(response: httpx2.Response) -> float | None:
    try:
        return Clock().now() - parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return None
