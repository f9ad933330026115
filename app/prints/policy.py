"""May this print happen? A pure decision with reasons: the same for the dry run, the authorisation and the
redemption.

Codes are stable; where the contract has an error for the same thing the code is that error's name in snake
case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.auth.standing import PRINTER_QUARANTINED
from app.clock import rfc3339
from app.errors import Reason
from app.licences.states import LicenceState
from app.printers.states import PrinterState
from app.prints.conditions import judge_terms
from mesh_tools.errors import PolicyInvalid
from mesh_tools.orientation import Sides, standing_box

SEQUENCE_WINDOW = 128
_FIT_SLACK_MM = 1e-6
DESIGN_SHREDDED = Reason(
    "design_shredded",
    "the design was shredded: its keys are destroyed, so nothing can be printed from it again",
)
LICENCE_REVOKED = Reason("licence_revoked", "the licence was revoked by its owner")
PRINTER_RETIRED = Reason("printer_retired", "the printer is retired")


@dataclass(frozen=True)
class Permission:
    """The licence: as the row says and as the chain counts. `consumed` are the numbers above `base` that are
    used.
    """

    state: str
    starts_at: int
    expires_at: int
    listed: tuple[str, ...]
    terms: Mapping[str, Any]
    on_chain: bool
    revoked_on_chain: bool
    prints: int
    credited: int
    used: int
    base: int
    consumed: frozenset[int]

    @property
    def allowed(self) -> int:
        """How many numbers there are."""
        return self.prints + self.credited


@dataclass(frozen=True)
class Device:
    """The printer: as the row says, as the chain says, and what the machine can do.

    `predecessor` and `successor` are the same machine's printers before and after a rotation of its keys.
    """

    id: str
    state: str
    retired_on_chain: bool
    machine: Mapping[str, Any]
    quarantined: bool = False
    predecessor: str | None = None
    successor: str | None = None


@dataclass(frozen=True)
class Part:
    """What is to be printed; `shredded` where its keys are destroyed, `turns` unless it is a toolpath.

    `size_mm` is its box as its file has it.
    """

    recipe: Mapping[str, Any]
    size_mm: Sides
    turns: bool = True
    shredded: bool = False

    @property
    def standing_mm(self) -> Sides | None:
        """Its room as its recipe stands it, None where the orientation is no direction.

        Of a part that is turned this is the box around its turned box, which is never less than it takes.
        """
        if not self.turns:
            return self.size_mm
        try:
            return standing_box(self.size_mm, self.recipe.get("orientation"))
        except PolicyInvalid:
            return None


@dataclass(frozen=True)
class Question:
    """Everything the decision depends on; `now` is the later of the service's and the chain's clock."""

    now: int
    licence: Permission
    printer: Device
    part: Part


def judge(question: Question) -> tuple[Reason, ...]:
    """Give every reason against the print, none if it is permitted; `judge_count` judges the count."""
    licence, printer, part = question.licence, question.printer, question.part
    return (
        *([DESIGN_SHREDDED] if part.shredded else []),
        *_licence_reasons(licence, question.now),
        *_printer_reasons(licence, printer),
        *_process_reasons(part.recipe, printer.machine),
        *_material_reasons(part.recipe, printer.machine),
        *_volume_reasons(part, printer.machine),
        *judge_terms(licence.terms, part.recipe, printer.machine, question.now),
    )


def judge_count(licence: Permission, held: frozenset[int]) -> tuple[int | None, tuple[Reason, ...]]:
    """Give the next print's number, or the reason why there is none; `held` are live prints' numbers."""
    last = min(licence.allowed, licence.base + SEQUENCE_WINDOW)
    taken = held | licence.consumed
    number = next((n for n in range(licence.base + 1, last + 1) if n not in taken), None)
    if number is not None:
        return number, ()
    if licence.used >= licence.allowed:
        message = f"all {licence.allowed} prints of the licence are used, credited reprints included"
        return None, (Reason("count_exhausted", f"{message}; ask its owner for another licence"),)
    if last < licence.allowed:
        message = f"{SEQUENCE_WINDOW} numbers beyond the lowest unused one are given out"
        return None, (Reason("sequence_out_of_window", f"{message}; redeem them or let them expire"),)
    free = licence.allowed - licence.used
    message = f"{licence.used} of {licence.allowed} prints are used and {free} more have live tokens"
    return None, (Reason("count_reserved", f"{message}; redeem them or let them expire"),)


def _licence_reasons(licence: Permission, now: int) -> Sequence[Reason]:
    reasons = []
    if licence.state in {LicenceState.REVOKING, LicenceState.REVOKED} or licence.revoked_on_chain:
        reasons.append(LICENCE_REVOKED)
    elif licence.state != LicenceState.ACTIVE or not licence.on_chain:
        reasons.append(Reason("unknown_licence", f"the licence is {licence.state}, not active on the ledger"))
    if now < licence.starts_at:
        reasons.append(Reason("licence_not_started", f"the licence starts at {rfc3339(licence.starts_at)}"))
    if now >= licence.expires_at:
        reasons.append(Reason("licence_expired", f"the licence expired at {rfc3339(licence.expires_at)}"))
    return reasons


def _printer_reasons(licence: Permission, printer: Device) -> Sequence[Reason]:
    reasons = []
    if printer.state in {PrinterState.RETIRING, PrinterState.RETIRED} or printer.retired_on_chain:
        reasons.append(PRINTER_RETIRED)
    elif printer.state != PrinterState.ENROLLED:
        message = f"the printer is {printer.state}, not enrolled; finish its enrolment first"
        reasons.append(Reason("unknown_printer", message))
    if printer.quarantined:
        reasons.append(PRINTER_QUARANTINED)
    if printer.successor is not None:
        message = f"the printer's keys rotated; authorise the print on its successor {printer.successor}"
        reasons.append(Reason("printer_superseded", message))
    if licence.listed and printer.id not in licence.listed:
        reasons.append(Reason("printer_not_allowed", _not_listed(licence, printer)))
    return reasons


def _not_listed(licence: Permission, printer: Device) -> str:
    """A list names keys, so it covers no successor."""
    if printer.predecessor in licence.listed:
        return (
            f"the licence lists printer {printer.predecessor}, whose keys rotated to this one; a list names"
            " keys and covers no successor: ask the design's owner for a licence that lists this printer"
        )
    return f"the licence lists {len(licence.listed)} printers and this is none of them"


def _process_reasons(recipe: Mapping[str, Any], machine: Mapping[str, Any]) -> Sequence[Reason]:
    process, able = recipe["process"], machine["processes"]
    if process not in able:
        return [Reason("process", f"the recipe needs {process}; the machine does {', '.join(able)}")]
    return []


def _material_reasons(recipe: Mapping[str, Any], machine: Mapping[str, Any]) -> Sequence[Reason]:
    """A machine that lists no materials takes any."""
    material, able = recipe.get("material"), machine["materials"]
    if material is not None and able and material not in able:
        return [Reason("material", f"the recipe needs {material}; the machine has {', '.join(able)}")]
    return []


def _volume_reasons(part: Part, machine: Mapping[str, Any]) -> Sequence[Reason]:
    """A part must fit as its recipe stands it, or turned a quarter about the vertical; nobody turns a
    toolpath, nor a part whose recipe says `rotations: none`.
    """
    if part.standing_mm is None:
        message = "the recipe's orientation is no direction [x, y, z]; have the owner publish one that is"
        return [Reason("orientation", message)]
    x, y, z = part.standing_mm
    wide, deep, high = machine["build_volume_mm"]
    stays = not part.turns or part.recipe.get("rotations") == "none"
    fits = any(
        a <= wide + _FIT_SLACK_MM and b <= deep + _FIT_SLACK_MM and z <= high + _FIT_SLACK_MM
        for a, b in (((x, y),) if stays else ((x, y), (y, x)))
    )
    if fits:
        return []
    sides = f"{x:.2f} × {y:.2f} × {z:.2f} mm"
    message = f"{_room_taken(part)} {sides}; the machine builds {wide:g} × {deep:g} × {high:g} mm"
    return [Reason("build_volume", message)]


def _room_taken(part: Part) -> str:
    if not part.turns:
        return "the toolpath moves over"
    return "the part is" if part.standing_mm == part.size_mm else "as its recipe stands it the part may take"
