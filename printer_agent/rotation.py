"""Rotation of the printer's keys, from the code to the day the old ones are gone.

1. `rotate`: new keys beside the old, kept; the enrolment of the new, which the old key says succeeds it. What
   the new printer will be called is kept before the service hears of it, so no answer is needed to go on.
2. The provider approves. The service then calls the new printer enrolled and authorises prints on it alone.
3. `settle`, whenever the agent looks: the successor becomes the current identity. What the old one claimed
   is finished and reported by the old one, as the journal knows whose each print is.
4. `settle` again: where the old printer is retired and has nothing left to do here, its keys are destroyed.

Each step is one replacement of the identity file, and finds by itself how far an earlier try came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from printer_agent import identity as identities
from printer_agent.client import PrinterClient
from printer_agent.clock import Clock
from printer_agent.enrolment import Expectations, enrol
from printer_agent.errors import ServiceProblem, Unreachable
from printer_agent.identity import Identities, Identity
from printer_agent.journal import Journal
from printer_agent.keys import thumbprint
from printer_agent.print_token import PrintToken
from printer_agent.settings import Settings

_SERVING = ("enrolled", "quarantined", "superseded")
_OVER = "retired"
_UNPROVEN = 401


def rotate(
    settings: Settings,
    code: str,
    *,
    keys: str | None = None,
    suite: str | None = None,
    transport: httpx2.BaseTransport | None = None,
) -> dict[str, Any]:
    """Make new keys at the address `keys` (the old ones' own where it is None) and enrol them by the code.

    A repeat uses the same keys, and once the service has taken them it only says where the rotation stands.
    Raises what making keys and enrolling raise; the old identity goes on either way.
    """
    pin = settings.keys_pin
    before = Identities.load(settings.home, pin)
    settled = settle(settings, transport=transport)
    current, began = before.enrolling, before.successor
    if isinstance(began, Identity) and began.pins == settled.enrolling.enrolled:
        return _told(began, current, settled)
    successor = identities.make_successor(settings.home, keys, suite, pin)
    if not _known(successor, settings, transport):
        successor, _ = enrol(
            replace(successor, pins=None),
            current.enrolled.url,
            code,
            settings,
            expected=Expectations.after(current),
            keep=partial(identities.keep_successor, settings.home, pin=pin),
            transport=transport,
        )
    return _told(successor, current, settle(settings, transport=transport))


def settle(
    settings: Settings, *, clock: Clock | None = None, transport: httpx2.BaseTransport | None = None
) -> Identities:
    """Bring the identity file in line with the service; without a word from it everything stays.

    1. The successor that is enrolled becomes the current identity; one that was withdrawn is forgotten.
    2. A predecessor that is retired and has nothing left to do here is forgotten, and its keys destroyed.

    Raises KeysUnavailable where a device does not work.
    """
    home, pin = settings.home, settings.keys_pin
    found = Identities.load(home, pin)
    # (1) the successor
    successor = found.successor
    if isinstance(successor, Identity) and successor.pins is not None:
        state = _standing(successor, settings, clock, transport).get("state")
        if state in _SERVING:
            with Journal.open(home) as journal:
                journal.adopt(found.enrolling.enrolled.printer_id)
            found = identities.switch(home, successor.enrolled.printer_id, pin)
        elif state == _OVER:
            found = identities.withdraw(home, successor.enrolled.printer_id, pin)
    # (2) the predecessors
    for each in found.predecessors:
        if _standing(each, settings, clock, transport).get("state") == _OVER and _idle(home, each):
            found = identities.forget(home, each.enrolled.printer_id, pin)
    return found


def identity_for(
    settings: Settings,
    found: Identities,
    token: PrintToken,
    *,
    clock: Clock | None = None,
    transport: httpx2.BaseTransport | None = None,
) -> Identity:
    """Give the identity a token is for; while keys rotate the service says whose live tokens are which.

    Nobody tries a token with a key it was not issued to: that is an alarm. Raises Unreachable where the
    service has to be asked and does not answer.
    """
    if not found.predecessors:
        return found.enrolling
    with Journal.open(settings.home) as journal:
        claimed = journal.find_claim(token.claimed())
    for each in found.predecessors:
        if claimed is not None and claimed.printer is not None:
            mine = claimed.printer == each.enrolled.printer_id
        else:
            answer = _asked(each, settings, clock, transport)
            mine = token.claimed().hex() in (answer.get("tokens") or ())
        if mine:
            return each
    return found.enrolling


def acting_for(settings: Settings, token: PrintToken) -> Identity:
    """Give the identity a token is for, after a look at how far a rotation came."""
    found = Identities.load(settings.home, settings.keys_pin)
    if found.rotating:
        found = settle(settings)
    return identity_for(settings, found, token)


def identity_of(settings: Settings, print_id: str) -> Identity:
    """Give the identity that claimed a print; JournalError where none here did."""
    found = Identities.load(settings.home, settings.keys_pin)
    with Journal.open(settings.home) as journal:
        printer = journal.job(print_id).printer
    return next((each for each in found.alive if each.enrolled.printer_id == printer), found.enrolling)


def _told(successor: Identity, current: Identity, settled: Identities) -> dict[str, Any]:
    return {
        **successor.enrolled.to_json(),
        "keys": successor.keys.uri,
        "key_thumbprint": thumbprint(successor.signing),
        "sealing_suite": successor.sealing.suite,
        "predecessor_id": current.enrolled.printer_id,
        "switched": settled.enrolling.enrolled.printer_id == successor.enrolled.printer_id,
    }


def _known(identity: Identity, settings: Settings, transport: httpx2.BaseTransport | None) -> bool:
    """Whether the service has taken the identity's keys, which it may have without the answer's coming."""
    if identity.pins is None:
        return False
    try:
        return bool(_asked(identity, settings, None, transport))
    except ServiceProblem as error:
        if error.status != _UNPROVEN:
            raise
        return False


def _idle(home: Path, identity: Identity) -> bool:
    with Journal.open(home, identity.enrolled.printer_id) as journal:
        return not (journal.undecided() or journal.waiting_outcomes() or journal.unwiped())


def _standing(
    identity: Identity, settings: Settings, clock: Clock | None, transport: httpx2.BaseTransport | None
) -> Mapping[str, Any]:
    """Ask where a printer stands; an empty answer where the service says nothing of it now."""
    try:
        return _asked(identity, settings, clock, transport)
    except (Unreachable, ServiceProblem):
        return {}


def _asked(
    identity: Identity, settings: Settings, clock: Clock | None, transport: httpx2.BaseTransport | None
) -> Mapping[str, Any]:
    pins = identity.enrolled
    client = PrinterClient(
        pins.url, identity.signing, pins.printer_id, settings, clock=clock, transport=transport
    )
    with client:
        return client.standing()
