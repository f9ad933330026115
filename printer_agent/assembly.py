"""Where the agent is put together: settings in, tools out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx2

from mesh_tools.errors import SandboxUnavailable
from mesh_tools.sandbox import Sandbox
from printer_agent.agent import Agent
from printer_agent.client import PrinterClient
from printer_agent.clock import Clock
from printer_agent.drivers.choice import open_driver
from printer_agent.following import never
from printer_agent.identity import Identity
from printer_agent.journal import Journal
from printer_agent.machine import load_machine
from printer_agent.remote_job import Patience
from printer_agent.settings import Settings
from printer_agent.tools import Tools, Watcher
from printer_agent.turn import turn


@contextmanager
def open_agent(
    settings: Settings,
    watcher: Watcher | None = None,
    *,
    identity: Identity | None = None,
    clock: Clock | None = None,
    transport: httpx2.BaseTransport | None = None,
    sandbox: Sandbox | None = None,
    stop: Callable[[], bool] = never,
) -> Iterator[Agent]:
    """Open the agent of an enrolled home, alone in it until the context ends.

    `identity` is the one to act as where keys rotate, the current one where it is None; an agent sees to the
    prints of its own identity.

    Prints that a crash cut off are judged first, without waiting for what still runs. A `sandbox` given is
    shared and left open; `stop` tells when a running print is to be left to the next start. Raises
    IdentityError or JournalError where the home is unsafe, damaged or not enrolled, SettingsError where the
    driver cannot be built.
    """
    clock = clock or Clock()
    identity = identity or Identity.load(settings.home, settings.keys_pin)
    pins = identity.enrolled
    with ExitStack() as stack:
        stack.enter_context(turn(settings.home))
        if sandbox is None:
            sandbox = Sandbox()
            stack.callback(sandbox.close)
        driver = open_driver(settings)
        stack.callback(driver.close)
        client = PrinterClient(
            pins.url, identity.signing, pins.printer_id, settings, clock=clock, transport=transport
        )
        tools = Tools(
            identity=identity,
            machine=load_machine(settings.home),
            journal=stack.enter_context(Journal.open(settings.home, pins.printer_id)),
            client=stack.enter_context(client),
            driver=driver,
            sandbox=sandbox,
            clock=clock,
            file_bytes_max=settings.file_bytes_max,
            warm=stack.enter_context(_warming(sandbox)),
            stop=stop,
            poll_s=settings.host_poll_s,
            patience=Patience(silence_s_max=settings.host_silence_s_max),
        )
        agent = Agent(tools, watcher)
        agent.recover()
        yield agent


@contextmanager
def _warming(sandbox: Sandbox) -> Iterator[Callable[[], None]]:
    """Give a function that starts the sandbox beside the network's waits, once; joined at the end."""
    threads: list[threading.Thread] = []

    def start() -> None:
        with suppress(SandboxUnavailable):  # the gate refuses then, and says so
            sandbox.start()

    def warm() -> None:
        if not threads:
            threads.append(threading.Thread(target=start, name="sandbox", daemon=True))
            threads[0].start()

    try:
        yield warm
    finally:
        for thread in threads:
            thread.join()
