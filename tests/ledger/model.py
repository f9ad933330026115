"""What the ledger is to do, in dictionaries and sets: the contract's rules without its bytes.

Each method says whether the statement is taken and, if so, takes it. Subjects are named by whatever the
caller likes.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

WINDOW = 128
FAILED = 2


@dataclass
class Licence:
    owner: Hashable
    provider: Hashable
    prints: int
    reprints: int
    starts_at: int
    expires_at: int
    revoked: bool = False
    credited: int = 0
    consumed: set[int] = field(default_factory=set)
    reported: set[int] = field(default_factory=set)

    @property
    def allowed(self) -> int:
        return self.prints + self.credited

    @property
    def without_gap(self) -> int:
        """How many numbers are consumed from one on."""
        number = 0
        while number + 1 in self.consumed:
            number += 1
        return number

    def in_force(self, time: int) -> bool:
        return not self.revoked and time < self.expires_at

    def takes(self, sequence: int) -> bool:
        fits = 0 < sequence <= min(self.allowed, self.without_gap + WINDOW)
        return fits and sequence not in self.consumed


@dataclass
class Model:
    revisions: dict[Hashable, Hashable] = field(default_factory=dict)
    licences: dict[Hashable, Licence] = field(default_factory=dict)
    printers: dict[Hashable, bool] = field(default_factory=dict)
    """Provider and device; whether it was retired."""

    def publish(self, owner: Hashable, revision: Hashable) -> bool:
        if revision in self.revisions:
            return False
        self.revisions[revision] = owner
        return True

    def grant(self, name: Hashable, revision: Hashable, licence: Licence) -> bool:
        if name in self.licences or self.revisions.get(revision) != licence.owner or licence.prints == 0:
            return False
        self.licences[name] = licence
        return True

    def revoke(self, name: Hashable) -> bool:
        licence = self.licences.get(name)
        if licence is None or licence.revoked:
            return False
        licence.revoked = True
        return True

    def enrol(self, provider: Hashable, device: Hashable) -> bool:
        if (provider, device) in self.printers:
            return False
        self.printers[provider, device] = False
        return True

    def retire(self, provider: Hashable, device: Hashable) -> bool:
        if self.printers.get((provider, device), True):
            return False
        self.printers[provider, device] = True
        return True

    def print(self, name: Hashable, device: Hashable, sequence: int, deadline: int, time: int) -> bool:
        licence = self.licences.get(name)
        if licence is None or not licence.in_force(time) or not licence.starts_at <= time <= deadline:
            return False
        active = not self.printers.get((licence.provider, device), True)
        if not active or not licence.takes(sequence):
            return False
        licence.consumed.add(sequence)
        return True

    def outcome(self, name: Hashable, device: Hashable, sequence: int, result: int) -> bool:
        licence = self.licences.get(name)
        if licence is None or sequence not in licence.consumed - licence.reported:
            return False
        if (licence.provider, device) not in self.printers:
            return False
        licence.reported.add(sequence)
        licence.credited += result == FAILED and licence.credited < licence.reprints
        return True

    def transfer(self, name: Hashable, to: Hashable, provider: Hashable, prints: int, time: int) -> bool:
        origin = self.licences.get(name)
        if origin is None or not origin.in_force(time) or to in self.licences:
            return False
        if not 0 < prints <= origin.allowed - max(origin.consumed, default=0):
            return False
        origin.prints -= prints
        window = (origin.starts_at, origin.expires_at)
        self.licences[to] = Licence(origin.owner, provider, prints, 0, *window)
        return True
