"""What the ledger's calls cost in whole transactions; a print costs the same however many came before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ledger import abi
from ledger.operations import Operation
from ledger.typed_data import Result


def gas(receipt: dict[str, Any]) -> int:
    return int(receipt["gasUsed"], 16)


def gas_each(chain: Any, operations: Sequence[Operation]) -> float:
    """Return what each item of a batch cost, all of which must succeed."""
    receipt = chain.send(abi.encode_batch([abi.encode_call(operation) for operation in operations]))
    assert receipt["status"] == "0x1"
    assert not any(isinstance(abi.decode_log(log), abi.OperationRejected) for log in receipt["logs"])
    return gas(receipt) / len(operations)


@pytest.fixture
def licence(chain: Any, business: Any) -> bytes:
    grant = business.grant(prints=10_000)
    chain.run(business.publish)
    chain.run(grant)
    return bytes(grant.licence.struct_hash())


@pytest.fixture
def printer(chain: Any, business: Any) -> Any:
    printer = business.printer()
    chain.run(printer.enrol)
    return printer


class TestGas:
    def test_a_print_stays_within_45k_from_the_first_on(
        self, chain: Any, printer: Any, licence: bytes
    ) -> None:
        costs = [gas(chain.run(printer.claim(licence, sequence))) for sequence in range(1, 40)]
        assert max(costs) <= 45_000
        assert max(costs) - min(costs) <= 0.01 * min(costs)

    def test_numbers_out_of_order_stay_within_45k(self, chain: Any, printer: Any, licence: bytes) -> None:
        order = [*range(128, 0, -1)]
        assert max(gas(chain.run(printer.claim(licence, sequence))) for sequence in order) <= 45_000

    def test_a_batch_of_100_mixed_prints_stays_within_22k_each(self, chain: Any, business: Any) -> None:
        printers = [business.printer() for _ in range(10)]
        grants = [business.grant() for _ in range(10)]
        chain.run(business.publish)
        gas_each(chain, [printer.enrol for printer in printers])
        gas_each(chain, grants)
        licences = [grant.licence.struct_hash() for grant in grants]
        claims = [printers[i % 10].claim(licences[i // 10], 10 - i % 10) for i in range(100)]
        assert gas_each(chain, claims) <= 22_000

    def test_a_grant_stays_within_82k(self, chain: Any, business: Any) -> None:
        chain.run(business.publish)
        assert gas(chain.run(business.grant())) <= 82_000

    def test_only_every_256th_outcome_takes_new_storage(
        self, chain: Any, printer: Any, licence: bytes
    ) -> None:
        for sequence in (1, 2, 3):
            chain.run(printer.claim(licence, sequence))
        first, second, third = (
            gas(chain.run(printer.outcome(licence, sequence, Result.COMPLETED))) for sequence in (1, 2, 3)
        )
        assert first - second > 17_000
        assert abs(second - third) < 100
        assert second <= 48_000
