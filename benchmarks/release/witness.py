"""Afterwards: what the clients were told is what database and chain hold, and the sealed keys open."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from sqlalchemy import func
from sqlmodel import select

from app.models import Print, Release
from app.prints.lifecycle import State
from app.wiring import Services
from benchmarks.release.market import Machine
from ledger import tables

_OPENED = 200


def agree(services: Services, redeemed: int, machines: Sequence[Machine]) -> None:
    """Compare with the rows of a service that has stopped; RuntimeError naming what differs."""
    with services.database.read() as session:
        recorded = (
            select(func.count()).select_from(tables.events).where(tables.events.c.name == "PrintRecorded")
        )
        found = {
            "prints redeemed": session.exec(
                select(func.count()).select_from(Print).where(Print.state == State.REDEEMED)
            ).one(),
            "releases": session.exec(select(func.count()).select_from(Release)).one(),
            "prints on chain": session.connection().execute(recorded).scalar_one(),
        }
        if set(found.values()) != {redeemed}:
            raise RuntimeError(f"the clients were given {redeemed} releases, but there are {found}")
        keys = {machine.id: machine.sealing for machine in machines}
        opened = set()
        for release in session.exec(select(Release).limit(_OPENED)).all():
            answer = json.loads(release.body or b"")
            blob = base64.b64decode(answer["sealed_key"]["blob"])
            with keys[release.printer_id].open(blob, answer["info"].encode()) as key:
                opened.add(key.reveal())
    if len(opened) != 1:
        raise RuntimeError(f"the sealed keys of one part opened to {len(opened)} different keys")
