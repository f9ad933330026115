"""What `partvault-printer status` shows: identity, prints and outcomes, from this machine's own records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table

from printer_agent.identity import Identities, Identity
from printer_agent.journal import Journal
from printer_agent.keys import thumbprint
from printer_agent.settings import Settings

_COLOURS = {"reported": "green", "refused": "red", "failed": "red", "awaiting": "yellow", "started": "yellow"}


def describe(settings: Settings) -> dict[str, Any]:
    """Give identity, prints (newest first) and the number of outcomes still to send, without the network."""
    found = Identities.load(settings.home)
    identity = found.enrolling
    with Journal.open(settings.home) as journal:
        prints = [
            {
                "print_id": job.print_id,
                "release_id": job.release_id,
                "state": job.state,
                "detail": job.detail,
                "updated_at": datetime.fromtimestamp(job.updated_at, UTC).isoformat().replace("+00:00", "Z"),
                "outcome_problem": _problem(journal, job.print_id),
            }
            for job in journal.jobs()
        ]
        waiting = len(journal.waiting_outcomes())
    return {
        **identity.enrolled.to_json(),
        "keys": identity.keys.uri,
        "key_thumbprint": thumbprint(identity.signing),
        "rotation": _rotation(found),
        "watch": str(settings.watch),
        "prints": prints,
        "outcomes_waiting": waiting,
    }


def _rotation(found: Identities) -> dict[str, Any]:
    """Say how far a rotation of keys came: the successor's id once it is enrolled for, those before."""
    successor = found.successor
    enrolled = successor.pins if isinstance(successor, Identity) else None
    return {
        "successor": None if enrolled is None else enrolled.printer_id,
        "keys_made": isinstance(successor, Identity),
        "predecessors": [each.enrolled.printer_id for each in found.predecessors],
    }


def _problem(journal: Journal, print_id: str) -> str | None:
    outcome = journal.outcome(print_id)
    return None if outcome is None else outcome.problem


def table(found: dict[str, Any]) -> Table:
    """Draw what `describe` gave."""
    title = f"{found['printer_id']} at {found['url']} · key {found['key_thumbprint']} · {found['keys']}"
    drawn = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        caption_justify="left",
        caption=" · ".join([f"{found['outcomes_waiting']} outcomes to send", *_words(found["rotation"])]),
    )
    for column in ("print", "state", "when", "what"):
        drawn.add_column(column, overflow="fold")
    for job in found["prints"]:
        colour = _COLOURS.get(job["state"], "white")
        detail = job["outcome_problem"] or job["detail"]
        drawn.add_row(job["print_id"], f"[{colour}]{job['state']}[/]", job["updated_at"], detail)
    return drawn


def _words(rotation: dict[str, Any]) -> list[str]:
    words = [f"{name} finishes what it began" for name in rotation["predecessors"]]
    if rotation["successor"] is not None:
        words.append(f"{rotation['successor']} waits for the provider's approval")
    return words
