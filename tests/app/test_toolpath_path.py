"""The whole path of a toolpath: from its upload to the gate at the machine, which has the last word."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from mesh_tools.inspect import Inspection
from mesh_tools.toolpath.machine import MachineLimits
from printer_agent.machine import Machine
from printer_agent.release import PrintFile, read_manifest
from storage.envelope import ObjectContext
from storage.recipients import open_sealed
from storage.stream import decrypt
from tests.app.parties import MACHINE, Party, Printer
from tests.app.service import Service
from tests.app.toolpaths import MACHINE_LIMITS, MADE_FOR, square

LIMITS = MachineLimits.from_json(MACHINE_LIMITS)
ON_SITE = replace(Machine.from_json(MACHINE), limits=LIMITS)


def released(owner: Party, provider: Party, printer: Printer, content: bytes) -> tuple[PrintFile, bytes]:
    """Upload, publish, license, authorise and redeem; the manifest's file and what the printer decrypts."""
    revision = owner.published(content, "part.gcode", **MADE_FOR)
    licence = owner.license(revision, provider)
    release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
    blob = base64.b64decode(release["sealed_key"]["blob"])
    key = open_sealed(blob, printer.sealing, release["info"].encode())
    context = ObjectContext.from_json(release["object"]["context"])
    ciphertext = printer.download(release).content
    plain = b"".join(bytes(piece) for piece in decrypt(iter([ciphertext]), key, context))
    return read_manifest(revision["manifest"]), plain


@pytest.fixture(scope="module")
def received(owner: Party, provider: Party, printer: Printer) -> tuple[PrintFile, bytes]:
    return released(owner, provider, printer, square())


def judged(service: Service, received: tuple[PrintFile, bytes], machine: Machine) -> Inspection:
    """What the gate says where the machine stands."""
    (file, plain), sandbox = received, service.services.sandbox
    policy = machine.policy(file.recipe)
    return sandbox.inspect([plain], filename=file.filename, policy=policy, pictures=False)


class TestPath:
    def test_brings_the_owners_bytes_to_a_machine_that_passes_them(
        self, service: Service, received: tuple[PrintFile, bytes]
    ) -> None:
        file, plain = received
        assert (file.format, plain) == ("gcode", square())
        seen = judged(service, received, ON_SITE)
        assert (seen.verdict, seen.sha256) == ("pass", file.sha256)

    @pytest.mark.parametrize(
        ("limits", "code"),
        [
            (replace(LIMITS, temperature_c_max=200), "toolpath.temperature"),
            (replace(LIMITS, feed_mm_s_max=40), "toolpath.feed"),
            (replace(LIMITS, reach_mm=((0, 0, 0), (250, 25, 210))), "toolpath.outside"),
            (None, "toolpath.no_machine"),
        ],
        ids=["cooler", "slower", "narrower", "none"],
    )
    def test_ends_at_a_machine_whose_own_limits_are_lower_or_missing(
        self, service: Service, received: tuple[PrintFile, bytes], limits: MachineLimits | None, code: str
    ) -> None:
        seen = judged(service, received, replace(ON_SITE, limits=limits))
        assert [found.code for found in seen.reasons] == [code]


class TestAuthorisation:
    def test_turns_no_toolpath_to_make_it_fit(self, owner: Party, provider: Party) -> None:
        long = square(150)
        licence = owner.license(owner.published(long, "part.gcode", **MADE_FOR), provider)
        narrow: dict[str, Any] = {"build_volume_mm": [250, 140, 210]}
        assert provider.check(licence, provider.printer(**narrow)) == ["build_volume"]
        assert provider.check(licence, provider.printer()) == []
