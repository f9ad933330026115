"""Alarms on impossible use of a printer's credentials.

They say that somebody should look; they refuse nothing by themselves. Each kind of each printer has one row
an hour, with a count that stops at `COUNT_MAX`, and rows older than `KEPT_HOURS` go when the printer gets a
new one: so who causes alarms can neither fill the disk nor keep the database writing.

`two_places` is sound under this reading: a machine prints one part at a time, so tokens of two different
prints are not used within `TWO_PLACES_S` from two addresses of one family unless the key is in two places.
IPv6 addresses of one /64 are one place, and IPv4 is not compared with IPv6, as one machine may have both. It
sees what the service sees: behind a proxy that hides its clients' addresses it never sounds, and a machine
that changes networks between two prints within the time sounds it without fault.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import bindparam, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, delete, select

from app.identifiers import ALARM, Entropy, new_id
from app.models import Alarm, Sighting
from ledger.prepared import Prepared

TWO_PLACES_S = 60
COUNT_MAX = 1000
KEPT_HOURS = 90 * 24
ADDRESS_CHARS_MAX = 64

_SEEN = ("print_id", "address", "seen_at")
_SIGHTINGS = SQLModel.metadata.tables[str(Sighting.__tablename__)]
_LAST = Prepared(
    select(_SIGHTINGS.c.printer_id, *(_SIGHTINGS.c[name] for name in _SEEN))
    .where(_SIGHTINGS.c.printer_id.in_(bindparam("printers", expanding=True)))
    .order_by(_SIGHTINGS.c.printer_id)
    .with_for_update(),
    "printers",
)
_MOVE = Prepared(
    update(_SIGHTINGS)
    .where(_SIGHTINGS.c.printer_id == bindparam("of"))
    .values({name: bindparam(name) for name in _SEEN})
)


class AlarmKind(StrEnum):
    """What must not happen while a key is in one machine only."""

    PROOF_REPLAYED = "proof_replayed"
    """A proof the key did sign came a second time: somebody recorded it, or a proxy repeats requests."""
    WRONG_KEY = "wrong_key"
    """The token of a print came with a proof that the enrolled key did not sign: it is in other hands."""
    TWO_PLACES = "two_places"
    """Tokens of two prints were used from two addresses within a minute: the key is in two places."""


@dataclass(frozen=True)
class ImpossibleUse:
    """One occurrence; `detail` holds no token, proof or key."""

    kind: AlarmKind
    printer_id: str
    organisation_id: str
    detail: str
    at: int


def count(session: Session, use: ImpossibleUse, entropy: Entropy) -> None:
    """Count an occurrence in the row of its hour, made where there is none."""
    hour = use.at // 3600
    same = (
        (col(Alarm.printer_id) == use.printer_id) & (col(Alarm.kind) == use.kind) & (col(Alarm.hour) == hour)
    )
    if session.exec(select(Alarm.id).where(same)).first() is None:
        old = delete(Alarm).where(col(Alarm.printer_id) == use.printer_id)
        session.exec(old.where(col(Alarm.hour) < hour - KEPT_HOURS))
        row = Alarm(
            id=new_id(ALARM, entropy),
            printer_id=use.printer_id,
            organisation_id=use.organisation_id,
            kind=use.kind,
            hour=hour,
            count=0,
            detail=use.detail,
            first_at=use.at,
            last_at=use.at,
        )
        _insert(session, row)
    more = update(Alarm).where(same).where(col(Alarm.count) < COUNT_MAX)
    session.exec(more.values(count=col(Alarm.count) + 1, detail=use.detail, last_at=use.at))


@dataclass(frozen=True)
class _Seen:
    """Where a printer last used a token, of which print, and when."""

    print_id: str
    address: str
    seen_at: int


@dataclass(frozen=True)
class TokenUse:
    """A printer, its key proved, used the token of a print."""

    printer_id: str
    organisation_id: str
    print_id: str
    address: str
    at: int


def see(session: Session, uses: Sequence[TokenUse]) -> list[ImpossibleUse | None]:
    """Remember where printers used tokens; gives for each use the alarm where that cannot be."""
    if not uses:
        return []
    connection, printers = session.connection(), {use.printer_id for use in uses}
    rows = _LAST.rows(connection, printers=sorted(printers))
    before = {printer_id: _Seen(*seen) for printer_id, *seen in rows}
    last, found = dict(before), []
    for use in uses:
        here = last.get(use.printer_id)
        found.append(_impossible(here, use))
        if here is None or (use.print_id, use.address) != (here.print_id, here.address):
            last[use.printer_id] = _Seen(use.print_id, use.address, use.at)
    for printer_id in printers - before.keys():
        _insert(session, Sighting(printer_id=printer_id, **asdict(last[printer_id])))
    moved = [printer_id for printer_id in sorted(printers) if before.get(printer_id) != last[printer_id]]
    _MOVE.run(connection, [{"of": printer_id, **asdict(last[printer_id])} for printer_id in moved])
    return found


def _impossible(last: _Seen | None, use: TokenUse) -> ImpossibleUse | None:
    if last is None:
        return None
    after_s = abs(use.at - last.seen_at)
    if use.print_id == last.print_id or after_s > TWO_PLACES_S or not _elsewhere(use.address, last.address):
        return None
    detail = f"tokens of two prints were used {after_s} s apart, from {last.address} and from {use.address}"
    return ImpossibleUse(AlarmKind.TWO_PLACES, use.printer_id, use.organisation_id, detail, use.at)


def _insert(session: Session, row: SQLModel) -> None:
    """Insert a row, unless another transaction did meanwhile: then that one stands."""
    made = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.connection().execute(made(type(row)).values(row.model_dump()).on_conflict_do_nothing())


def _elsewhere(one: str, other: str) -> bool:
    """Tell whether two addresses are of one family and not of one place."""
    family, place = _place(one)
    other_family, other_place = _place(other)
    return family == other_family and place != other_place


def _place(address: str) -> tuple[int, str]:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return 0, address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return 6, str(ipaddress.ip_network((int(parsed), 64), strict=False))
        parsed = parsed.ipv4_mapped
    return 4, str(parsed)
