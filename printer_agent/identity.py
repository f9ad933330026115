"""The printer's identity: its keys, made on the device, and what it pinned when it was enrolled.

One file, `identity.json`, mode 0600 in a folder of mode 0700; anything looser is refused. The keys never
leave it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from printer_agent.errors import IdentityError
from printer_agent.keys import SigningKey
from printer_agent.pins import Pins
from printer_agent.private_files import make_private_folder, read_private, require_private, write_private
from storage.errors import RecipientInvalid
from storage.recipients import DEFAULT_SUITE, SealingKey

_NAME = "identity.json"
_FORMAT = "partvault/printer-identity/v1"


@dataclass(frozen=True)
class Identity:
    """A printer's keys and, once it is enrolled, its pins."""

    signing: SigningKey
    sealing: SealingKey
    pins: Pins | None = None

    @classmethod
    def generate(cls, suite: str = DEFAULT_SUITE) -> Self:
        """Make both keys on this device; `suite` is one of `storage.recipients`."""
        return cls(SigningKey.generate(), SealingKey.generate(suite))

    @property
    def enrolled(self) -> Pins:
        """The pins; IdentityError ("not_enrolled") before enrolment."""
        if self.pins is None:
            raise IdentityError(
                "not_enrolled",
                "this printer is not enrolled",
                "run `partvault-printer enrol --url … --code …`",
            )
        return self.pins

    def with_pins(self, pins: Pins) -> Self:
        """Give the same keys with pins; an enrolled identity never changes its pins."""
        if self.pins is not None and self.pins != pins:
            raise IdentityError(
                "already_enrolled",
                f"this printer is enrolled as {self.pins.printer_id} at {self.pins.url}",
                "use another --home for another enrolment",
            )
        return replace(self, pins=pins)

    def save(self, home: Path) -> None:
        """Write the identity; durable when this returns."""
        make_private_folder(home)
        document = {
            "format": _FORMAT,
            "signing_key": base64.b64encode(self.signing.reveal()).decode(),
            "sealing_key": {
                "suite": self.sealing.suite,
                "private": base64.b64encode(self.sealing.to_bytes()).decode(),
            },
            "pins": None if self.pins is None else self.pins.to_json(),
        }
        write_private(home / _NAME, json.dumps(document, indent=2).encode() + b"\n")

    @classmethod
    def load(cls, home: Path) -> Self:
        """Read the identity; IdentityError where it is missing, damaged or open to others."""
        path = home / _NAME
        if not path.exists():
            raise IdentityError(
                "not_enrolled", f"no identity at {path}", "run `partvault-printer enrol --url … --code …`"
            )
        require_private(home)
        content = read_private(path)
        try:
            return cls._parse(json.loads(content))
        except (KeyError, TypeError, ValueError, RecipientInvalid) as error:
            raise IdentityError(
                "damaged",
                f"{path} is damaged ({type(error).__name__})",
                "restore it from a backup, or enrol anew with another --home",
            ) from None

    @classmethod
    def _parse(cls, value: dict[str, Any]) -> Self:
        if value["format"] != _FORMAT:
            raise ValueError("unknown format")
        sealing = value["sealing_key"]
        return cls(
            signing=SigningKey.from_bytes(base64.b64decode(value["signing_key"], validate=True)),
            sealing=SealingKey.from_bytes(
                sealing["suite"], base64.b64decode(sealing["private"], validate=True)
            ),
            pins=None if value["pins"] is None else Pins.from_json(value["pins"]),
        )


def load_or_generate(home: Path, suite: str = DEFAULT_SUITE) -> Identity:
    """Read the identity of `home`, or make one and keep it; a retried enrolment uses the same keys."""
    if (home / _NAME).exists():
        return Identity.load(home)
    identity = Identity.generate(suite)
    identity.save(home)
    return identity
