"""The ledger works where the chain has no P-256 precompile, for more gas and with the same answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from ledger import abi
from ledger.gas import operation_gas
from ledger.typed_data import printer_proof, printers_root


@pytest.fixture(scope="module")
def anvil(anvil_of: Any) -> Iterator[Any]:
    with anvil_of("--hardfork", "cancun") as chain:
        yield chain


class TestWithoutPrecompile:
    def test_prints_are_recorded(self, chain: Any, business: Any) -> None:
        printer, grant = business.printer(), business.grant()
        for operation in (business.publish, printer.enrol, grant):
            chain.run(operation)
        receipt = chain.run(printer.claim(grant.licence.struct_hash(), 1))
        assert int(receipt["gasUsed"], 16) > 100_000

    def test_a_wrong_signature_is_refused(self, chain: Any, business: Any) -> None:
        printer, grant = business.printer(), business.grant()
        for operation in (business.publish, printer.enrol, grant):
            chain.run(operation)
        claim = printer.claim(grant.licence.struct_hash(), 1)
        other = printer.claim(grant.licence.struct_hash(), 2)
        altered = dataclasses.replace(claim, signature=other.signature)
        assert chain.refusal(abi.encode_call(altered)).name == "InvalidPrinterSignature"

    def test_a_full_plate_of_listed_printers_is_an_item_of_a_batch(self, chain: Any, business: Any) -> None:
        printer = business.printer()
        listed = [bytes([number]) * 32 for number in range(255)] + [printer.id]
        grants = [business.grant(printers=printers_root(listed)) for _ in range(16)]
        for operation in (business.publish, printer.enrol, *grants):
            chain.run(operation)
        proof = printer_proof(listed, printer.id)
        prints = [(grant.licence.struct_hash(), 1) for grant in grants]
        plate = printer.plate(*prints, proofs=[proof] * 16)
        receipt = chain.send(abi.encode_batch([abi.encode_call(plate)]))
        assert [type(abi.decode_log(log)) for log in receipt["logs"]] == [
            *[abi.PrintRecorded] * 16,
            abi.PlateRecorded,
        ]
        calldata = len(abi.encode_call(plate))
        assert int(receipt["gasUsed"], 16) < operation_gas(
            "record_plate", calldata, precompile=False, reverts=0
        )
        assert int(receipt["gasUsed"], 16) < 900_000

    def test_an_item_of_a_batch_has_gas_enough(self, chain: Any, business: Any) -> None:
        printer, grant = business.printer(), business.grant()
        operations = [business.publish, printer.enrol, grant, printer.claim(grant.licence.struct_hash(), 1)]
        receipt = chain.send(abi.encode_batch([abi.encode_call(operation) for operation in operations]))
        assert len(receipt["logs"]) == 4
        assert abi.decode_log(receipt["logs"][3]).__class__ is abi.PrintRecorded
