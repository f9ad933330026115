"""The printer's identity: its keys, and what it pinned when it was enrolled; and the file that keeps it.

One file, `identity.json`, mode 0600 in a folder of mode 0700; anything looser is refused. It holds the keys
themselves, or says where a device holds them. While keys rotate it holds three kinds of identity at once:

    current ──rotate──▶ current + successor ──switch──▶ current + predecessors ──retired──▶ current

A change of the file is one replacement of it, under a lock, so whatever cuts the agent off finds either the
state before or the one after. Keys in a device are planned in the file before they are made.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from printer_agent.errors import IdentityError
from printer_agent.keys import FileKeys, Pin, PrinterKeys, Signer, is_planned, make_keys, plan_keys, read_keys
from printer_agent.keys.pin import pin_of_home
from printer_agent.pins import Pins
from printer_agent.private_files import make_private_folder, read_private, require_private, write_private
from storage.errors import RecipientInvalid
from storage.recipients import OpeningKey

_NAME, _LOCK = "identity.json", "identity.lock"
_FORMAT, _FIRST_FORMAT = "partvault/printer-identity/v2", "partvault/printer-identity/v1"
_NAME_BYTES = 4


@dataclass(frozen=True)
class Identity:
    """A printer's keys and, once it is enrolled, its pins."""

    keys: PrinterKeys
    pins: Pins | None = None

    @classmethod
    def generate(cls, suite: str | None = None) -> Self:
        """Make both keys in this process, for a file; `suite` is one of `storage.recipients`."""
        return cls(FileKeys.generate(suite))

    @property
    def signing(self) -> Signer:
        """The signing key."""
        return self.keys.signing

    @property
    def sealing(self) -> OpeningKey:
        """The sealing key."""
        return self.keys.sealing

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
        """Write it as the current identity beside whatever else the file holds; durable when this returns."""
        make_private_folder(home)
        with _changing(home):
            kept = Identities.load(home) if (home / _NAME).exists() else Identities(self)
            replace(kept, current=self).write(home)

    @classmethod
    def load(cls, home: Path, pin: Pin | None = None) -> Identity:
        """Read the current identity; see `Identities.load`."""
        return Identities.load(home, pin).enrolling


@dataclass(frozen=True)
class Plan:
    """Keys that are to be made, as `printer_agent.keys.plan_keys` gave them."""

    record: Mapping[str, Any]


@dataclass(frozen=True)
class Identities:
    """What the file holds; see the module.

    current: the identity that takes new tokens, or the plan of a first one
    successor: the one that will, once the service says that it is enrolled
    predecessors: those before, until the service says that they are retired
    """

    current: Identity | Plan
    successor: Identity | Plan | None = None
    predecessors: tuple[Identity, ...] = ()

    @property
    def enrolling(self) -> Identity:
        """The current identity; IdentityError ("not_enrolled") where its keys are not made yet."""
        if isinstance(self.current, Plan):
            raise IdentityError(
                "not_enrolled",
                "an enrolment was cut off before its keys were made",
                "run `partvault-printer enrol --url … --code …` again",
            )
        return self.current

    @property
    def rotating(self) -> bool:
        """Whether the service is to be asked how far a rotation of keys came."""
        return self.successor is not None or bool(self.predecessors)

    @property
    def alive(self) -> tuple[Identity, ...]:
        """Every enrolled identity that may have prints here: predecessors first, then the current one."""
        return (*self.predecessors, self.enrolling)

    @classmethod
    def load(cls, home: Path, pin: Pin | None = None) -> Self:
        """Read the file; no device is touched.

        `pin` opens the device where the keys' address names no file and there is no HOME/keys.pin. Raises
        IdentityError where the file is missing, damaged or open to others.
        """
        path = home / _NAME
        if not path.exists():
            raise IdentityError(
                "not_enrolled", f"no identity at {path}", "run `partvault-printer enrol --url … --code …`"
            )
        require_private(home)
        content = read_private(path)
        pin = pin or pin_of_home(home)
        try:
            return cls._parse(_as_newest(json.loads(content)), pin)
        except (KeyError, TypeError, ValueError, AttributeError, RecipientInvalid) as error:
            raise IdentityError(
                "damaged",
                f"{path} is damaged ({type(error).__name__})",
                "restore it from a backup, or enrol anew with another --home",
            ) from None

    def write(self, home: Path) -> None:
        """Replace the file; the caller holds the lock. Durable when this returns."""
        document = {
            "format": _FORMAT,
            "current": _entry(self.current),
            "successor": None if self.successor is None else _entry(self.successor),
            "predecessors": [_entry(each) for each in self.predecessors],
        }
        write_private(home / _NAME, json.dumps(document, indent=2).encode() + b"\n")

    @classmethod
    def _parse(cls, value: Mapping[str, Any], pin: Pin | None) -> Self:
        if value["format"] != _FORMAT:
            raise ValueError("unknown format")
        successor = value["successor"]
        return cls(
            _read_entry(value["current"], pin),
            None if successor is None else _read_entry(successor, pin),
            tuple(_read_identity(each, pin) for each in value["predecessors"]),
        )


def make_identity(
    home: Path, uri: str | None = None, suite: str | None = None, pin: Pin | None = None
) -> Identity:
    """Give the home's identity, its keys made at `uri` where there are none yet.

    A retried enrolment uses the same keys. Raises IdentityError ("keys_chosen") where the home has keys
    elsewhere, and what planning and making them raises.
    """
    make_private_folder(home)
    pin = pin or pin_of_home(home)
    with _changing(home):
        found = Identities.load(home, pin).current if (home / _NAME).exists() else None
        if isinstance(found, Identity):
            if uri is not None and uri.rstrip(":") != found.keys.uri.rstrip(":"):
                raise IdentityError(
                    "keys_chosen",
                    f"{home} has keys at {found.keys.uri} already",
                    "leave --keys out, or use another --home",
                )
            return found
        plan = found if found is not None and uri in (None, found.record.get("uri")) else None
        if plan is None:
            plan = Plan(plan_keys(uri or "file:", name="", suite=suite, pin=pin))
            Identities(plan).write(home)
        made = Identity(make_keys(plan.record, pin))
        Identities(made).write(home)
        return made


def make_successor(
    home: Path, uri: str | None = None, suite: str | None = None, pin: Pin | None = None
) -> Identity:
    """Give the successor of the home's identity, its keys made beside the old where there are none yet.

    `uri` and `suite` are the current keys' own where they are None. A retried rotation uses the same keys.
    """
    pin = pin or pin_of_home(home)
    with _changing(home):
        found = Identities.load(home, pin)
        current, successor = found.enrolling, found.successor
        if isinstance(successor, Identity):
            return successor
        if successor is None:
            kept = uri is None or uri == current.keys.uri
            name = f".{secrets.token_hex(_NAME_BYTES)}"
            record = plan_keys(
                uri or current.keys.uri,
                name=name,
                suite=current.sealing.suite if kept and suite is None else suite,
                pin=pin,
            )
            successor = Plan(record)
            replace(found, successor=successor).write(home)
        made = Identity(make_keys(successor.record, pin))
        replace(found, successor=made).write(home)
        return made


def keep_successor(home: Path, successor: Identity, pin: Pin | None = None) -> None:
    """Keep the successor with the pins that the service's answer gave it."""
    with _changing(home):
        replace(Identities.load(home, pin), successor=successor).write(home)


def switch(home: Path, printer_id: str, pin: Pin | None = None) -> Identities:
    """Make the successor with this id the current identity; a repeat changes nothing."""
    with _changing(home):
        found = Identities.load(home, pin)
        successor = found.successor
        if not isinstance(successor, Identity) or successor.enrolled.printer_id != printer_id:
            return found
        switched = Identities(successor, None, (*found.predecessors, found.enrolling))
        switched.write(home)
        return switched


def withdraw(home: Path, printer_id: str, pin: Pin | None = None) -> Identities:
    """Destroy the keys of a successor that was retired before it served, and take it out of the file."""
    with _changing(home):
        found = Identities.load(home, pin)
        successor = found.successor
        if not isinstance(successor, Identity) or successor.enrolled.printer_id != printer_id:
            return found
        successor.keys.destroy()
        kept = replace(found, successor=None)
        kept.write(home)
        return kept


def forget(home: Path, printer_id: str, pin: Pin | None = None) -> Identities:
    """Destroy a predecessor's keys and take it out of the file; a repeat changes nothing."""
    with _changing(home):
        found = Identities.load(home, pin)
        gone = [each for each in found.predecessors if each.enrolled.printer_id == printer_id]
        for each in gone:
            each.keys.destroy()
        kept = replace(found, predecessors=tuple(each for each in found.predecessors if each not in gone))
        if gone:
            kept.write(home)
        return kept


def _entry(slot: Identity | Plan) -> dict[str, Any]:
    if isinstance(slot, Plan):
        return {"keys": dict(slot.record), "pins": None}
    return {"keys": slot.keys.record(), "pins": None if slot.pins is None else slot.pins.to_json()}


def _read_entry(value: Mapping[str, Any], pin: Pin | None) -> Identity | Plan:
    return Plan(value["keys"]) if is_planned(value["keys"]) else _read_identity(value, pin)


def _read_identity(value: Mapping[str, Any], pin: Pin | None) -> Identity:
    pins = value["pins"]
    return Identity(read_keys(value["keys"], pin), None if pins is None else Pins.from_json(pins))


def _as_newest(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Bring the first format, one identity with its keys in the file, into the newest."""
    if value["format"] != _FIRST_FORMAT:
        return value
    keys = {"scheme": "file", "signing": value["signing_key"], "sealing": value["sealing_key"]}
    current = {"keys": keys, "pins": value["pins"]}
    return {"format": _FORMAT, "current": current, "successor": None, "predecessors": []}


@contextmanager
def _changing(home: Path) -> Iterator[None]:
    """Hold the file's lock, which goes with the process that holds it."""
    descriptor = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
