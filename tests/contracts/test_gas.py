"""What the ledger's calls cost in whole transactions; a print costs the same however many came before."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ledger import abi
from tests.contracts.gas_table import (
    MANY,
    TOLERANCE,
    jump_to,
    markdown,
    measure,
    readme_table,
    snapshot,
    table,
)


@pytest.fixture(scope="module")
def measured(anvil: Any) -> dict[str, int]:
    found = measure(anvil)
    sys.stdout.write("\n" + table(found) + "\n")
    return found


class TestBars:
    """What the ledger promises to stay under, and what it must beat."""

    @pytest.mark.parametrize(
        ("name", "bar"),
        [
            ("print, the 1st of a licence", 45_000),
            ("print, the 100,000th of a licence", 45_000),
            ("print, the dearest of 128 in reverse order", 45_000),
            ("print in a batch of 100: 100 licences, 10 printers", 22_000),
            ("print in a batch of 100: 10 licences, 10 printers", 22_000),
            ("grant", 80_000),
        ],
    )
    def test_stays_within(self, measured: dict[str, int], name: str, bar: int) -> None:
        assert measured[name] <= bar

    def test_the_100_000th_print_costs_what_the_first_does(self, measured: dict[str, int]) -> None:
        first, last = (measured[f"print, the {which} of a licence"] for which in ("1st", "100,000th"))
        assert abs(last - first) <= 0.01 * first

    @pytest.mark.parametrize("peer", ["ERC-721 token per print", "array of prints"])
    def test_a_print_costs_less_than_a_plainer_ledgers(self, measured: dict[str, int], peer: str) -> None:
        assert measured["print, the 1st of a licence"] < measured[f"{peer}: every later one"]

    def test_only_every_256th_outcome_takes_new_storage(self, measured: dict[str, int]) -> None:
        assert measured["outcome, the first of every 256"] - measured["outcome"] > 17_000


class TestSnapshot:
    def test_is_what_is_measured(self, measured: dict[str, int]) -> None:
        kept = snapshot()
        assert kept.keys() == measured.keys()
        moved = {name: (kept[name], now) for name, now in measured.items() if _differ(kept[name], now)}
        assert not moved, "run `python -m tests.contracts.gas_table --write` if that is meant"

    def test_is_what_the_readme_shows(self) -> None:
        assert readme_table() == markdown(snapshot())


class TestJumpTo:
    def test_the_ledger_goes_on_from_there(self, chain: Any, business: Any) -> None:
        printer, grant = business.printer(), business.grant(prints=MANY)
        licence = grant.licence.struct_hash()
        for operation in (business.publish, printer.enrol, grant):
            chain.run(operation)
        jump_to(chain, licence, MANY, MANY - 1)
        assert chain.refusal(abi.encode_call(printer.claim(licence, MANY - 1))).name == "SequenceUsed"
        chain.run(printer.claim(licence, MANY))
        assert chain.refusal(abi.encode_call(printer.claim(licence, MANY + 1))).name == "CountExhausted"


def _differ(kept: int, now: int) -> bool:
    return abs(now - kept) > TOLERANCE * kept
