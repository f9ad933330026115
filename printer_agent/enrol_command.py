"""What `partvault-printer enrol` does: keys, exchange, journal, machine and, last, pins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from printer_agent.enrolment import Expectations, enrol
from printer_agent.errors import IdentityError, JournalError
from printer_agent.identity import make_identity
from printer_agent.journal import Journal
from printer_agent.keys import thumbprint
from printer_agent.machine import Machine, save_machine
from printer_agent.private_files import make_private_folder, sync_folder
from printer_agent.settings import Settings

_DEFAULT = Machine(model="printer", build_volume_mm=(220.0, 220.0, 250.0), processes=("MEX",))


@dataclass(frozen=True)
class MachineWishes:
    """What the operator said about the machine; the provider's description gives the rest."""

    model: str | None = None
    build_volume: str | None = None
    processes: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()

    def over(self, described: Mapping[str, Any] | None) -> Machine:
        """Make the machine's description; IdentityError ("invalid_machine") where it makes no sense."""
        told = {key: value for key, value in (described or {}).items() if value and key in _DEFAULT.to_json()}
        base = {**_DEFAULT.to_json(), **told}
        if self.build_volume is not None:
            base["build_volume_mm"] = self.build_volume.lower().replace("×", "x").split("x")
        said = {"model": self.model, "processes": self.processes, "materials": self.materials}
        return Machine.from_json({**base, **{key: value for key, value in said.items() if value}})


def enrol_home(
    settings: Settings,
    url: str,
    code: str,
    *,
    suite: str | None,
    provider: str | None,
    machine: MachineWishes,
    keys: str | None = None,
    transport: httpx2.BaseTransport | None = None,
) -> dict[str, Any]:
    """Enrol the printer of `settings.home`, its keys made at the address `keys`; give what it pinned.

    Pins are written last: a home with pins has a journal and a machine. Cut off anywhere, the same call with
    the same code goes on, with the same keys, as long as the code lives. A second enrolment of a home is
    refused.
    """
    home: Path = settings.home
    make_private_folder(home)
    machine.over(None)
    identity = make_identity(home, keys, suite, settings.keys_pin)
    if identity.pins is not None:
        raise IdentityError(
            "already_enrolled",
            f"{home} is enrolled as {identity.pins.printer_id} at {identity.pins.url}",
            "use another --home for another enrolment",
        )
    expected = Expectations(provider=provider)
    enrolled, offer = enrol(identity, url, code, settings, expected=expected, transport=transport)
    described = machine.over(offer.machine)
    save_machine(home, described)
    _make_journal(home)
    enrolled.save(home)
    return {
        **enrolled.enrolled.to_json(),
        "keys": enrolled.keys.uri,
        "key_thumbprint": thumbprint(enrolled.signing),
        "sealing_suite": enrolled.sealing.suite,
        "machine": described.to_json(),
        "home": str(home),
    }


def _make_journal(home: Path) -> None:
    """Make the journal, whole or not at all; one that is there is kept, JournalError where it is damaged."""
    try:
        Journal.open(home).close()
    except JournalError as error:
        if error.kind != "missing":
            raise
        with TemporaryDirectory(prefix=".journal.", dir=home) as beside:
            Journal.create(Path(beside)).close()
            for file in Path(beside).iterdir():
                file.rename(home / file.name)
        sync_folder(home)
