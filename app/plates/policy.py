"""May these parts share a plate? Reasons a part, beside those that each print has for itself.

Pure. One build has one process, one material and one set of parameters, and every part of it is a mesh that
the machine beside it slices together with the others. Whether each fits the machine is asked for every print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import Reason
from mesh_tools.arrange import Spot, misplaced, pack
from mesh_tools.orientation import Sides

_SHARED = ("process", "material", "parameters")
"""What the recipes of a plate's parts must agree in."""


@dataclass(frozen=True)
class PlatePart:
    """A part of a plate: its recipe, its room as that stands it, whether it is a mesh, whose design it is,
    and what the licence's terms say of plates: `any` (and silence), `own` or `none`.
    """

    recipe: Mapping[str, Any]
    standing_mm: Sides
    mesh: bool
    owner_id: str
    plates: str | None = None


@dataclass(frozen=True)
class Judged:
    """What speaks against each part, by its place, and where all would stand."""

    reasons: tuple[tuple[Reason, ...], ...]
    layout: tuple[Spot, ...]


def judge_plate(parts: Sequence[PlatePart], room_mm: Sequence[float], spots: Sequence[Spot] | None) -> Judged:
    """Give every reason against each part; `spots` None has the parts packed in rows."""
    found: list[list[Reason]] = [[*_alike(parts, place)] for place in range(len(parts))]
    sizes = [part.standing_mm[:2] for part in parts]
    for place, part in enumerate(parts):
        if not part.mesh:
            message = "the part is a toolpath, and nobody merges toolpaths; print it by itself"
            found[place].append(Reason("plate_toolpath", message))
        found[place] += _company(parts, part)
    room = (room_mm[0], room_mm[1])
    layout = pack(sizes, room) if spots is None else tuple(spots)
    if layout is None:
        message = (
            f"the parts do not fit on {room[0]:g} × {room[1]:g} mm in rows; leave some out or place them"
        )
        found = [[*reasons, Reason("plate_room", message)] for reasons in found]
    elif spots is not None:
        for place, problem in misplaced(sizes, layout, room).items():
            found[place].append(Reason("plate_layout", f"the part {problem}; place it elsewhere"))
    return Judged(tuple(tuple(reasons) for reasons in found), layout or ())


def _alike(parts: Sequence[PlatePart], place: int) -> list[Reason]:
    """Hold a part's recipe against the first one's."""
    first, recipe, found = parts[0].recipe, parts[place].recipe, []
    for name in _SHARED:
        mine, theirs = recipe.get(name) or None, first.get(name) or None
        if mine != theirs:
            message = f"the recipe's {name} is {_word(mine)}, that of part 0 is {_word(theirs)}"
            found.append(Reason(f"plate_{name}", f"{message}; a plate has one"))
    return found


def _company(parts: Sequence[PlatePart], part: PlatePart) -> list[Reason]:
    """Hold the licence's terms against who else is on the plate."""
    if part.plates == "none" and len(parts) > 1:
        return [Reason("terms_plates", "the licence's terms permit no other part on the plate")]
    if part.plates == "own" and any(other.owner_id != part.owner_id for other in parts):
        return [Reason("terms_plates", "the licence's terms permit only the same owner's parts on the plate")]
    return []


def _word(value: Any) -> str:
    return "not stated" if value is None else f"{value}"[:80]
