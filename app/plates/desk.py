"""Where this process's requests redeem plates."""

from __future__ import annotations

from typing import TypeAlias

from app.lane import Lane
from app.plates import redemption
from app.plates.redemption import Begun, Redeemed, Redemption
from app.prints.desk import Desk, begun_by, finished_by
from app.together import Together
from app.wiring import Services

PlateDesk: TypeAlias = Desk[Redemption, Begun, Redeemed]


def desk_of_plates(services: Services, lane: Lane) -> PlateDesk:
    """Give the desk of plates: each by itself, as it does at once what its prints need."""
    database = services.database
    return Desk(
        Together(
            lane,
            lambda asks: begun_by(database, lambda: [redemption.begin(services, *ask) for ask in asks]),
            batch_max=1,
        ),
        services.ledger.watch,
        Together(
            lane,
            lambda begun: finished_by(database, lambda: [redemption.finish(services, b) for b in begun]),
            batch_max=1,
        ),
        services.settings.redeem_timeout_s,
    )
