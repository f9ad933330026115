"""The decision table: `decisions.tsv`, one question a row, as changes to a print that is permitted.

A change is `place=JSON`: `now` and the licence's window in seconds from NOW, `machine.calibrated_ago` in
seconds before it, `held` the numbers of live prints, `held_up_to` all of them from 1.
"""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.prints.policy import Device, Part, Permission, Question, judge, judge_count

NOW = 1_800_000_000
TABLE = Path(__file__).with_name("decisions.tsv")
BASE: Mapping[str, Any] = {
    "now": 0,
    "held": [],
    "licence": {
        "state": "active",
        "starts_at": -10,
        "expires_at": 10,
        "listed": [],
        "on_chain": True,
        "revoked_on_chain": False,
        "prints": 3,
        "credited": 0,
        "used": 0,
        "base": 0,
        "consumed": [],
    },
    "terms": {},
    "printer": {"id": "prt_1", "state": "enrolled", "retired_on_chain": False},
    "machine": {"build_volume_mm": [100, 80, 60], "processes": ["MEX"], "materials": ["PETG", "PLA"]},
    "recipe": {"process": "MEX", "material": "PETG", "parameters": {}},
    "part": {"size_mm": [20, 30, 10]},
}


@dataclass(frozen=True)
class Decision:
    """A row of the table."""

    family: str
    case: str
    changes: Mapping[str, Any]
    reasons: frozenset[str]


def decisions() -> list[Decision]:
    """Read the table."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Decision(row["family"], row["case"], _changes(row["changes"]), frozenset(row["reasons"].split()))
            for row in rows
        ]


def reasons_of(changes: Mapping[str, Any]) -> list[str]:
    """Ask the judge, as a check does: the print, then its number."""
    asked = copy.deepcopy(dict(BASE))
    for place, value in changes.items():
        _put(asked, place.split("."), value)
    licence, machine = asked["licence"], asked["machine"]
    if "calibrated_ago" in machine:
        machine["calibrated_at"] = NOW - machine.pop("calibrated_ago")
    permission = Permission(
        terms=asked["terms"],
        starts_at=NOW + licence.pop("starts_at"),
        expires_at=NOW + licence.pop("expires_at"),
        listed=tuple(licence.pop("listed")),
        consumed=frozenset(licence.pop("consumed")),
        **licence,
    )
    held = frozenset(asked["held"]) | frozenset(range(1, asked.get("held_up_to", 0) + 1))
    size = asked["part"].pop("size_mm")
    part = Part(recipe=asked["recipe"], size_mm=(size[0], size[1], size[2]), **asked["part"])
    question = Question(NOW + asked["now"], permission, Device(machine=machine, **asked["printer"]), part)
    return [reason.code for reason in (*judge(question), *judge_count(permission, held)[1])]


def _changes(text: str) -> dict[str, Any]:
    words = [word.partition("=") for word in text.split("; ")] if text else []
    return {place: json.loads(value) for place, _, value in words}


def _put(asked: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        asked = asked.setdefault(name, {})
    asked[path[-1]] = value
