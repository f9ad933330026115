"""The outcomes that the contract keeps, read from its storage, beside what `isReported` says."""

from __future__ import annotations

from pathlib import Path

from ledger.abi import decode_query, encode_query
from ledger.reports import reported
from ledger.web3_chain import Web3Chain
from tests.ledger.stage import embedded_stage

PRINTS = 260
REPORTED = (1, 2, 9, 255, 256, 257, 260)
"""On both sides of where one word ends and the next begins."""


class TestReported:
    def test_is_what_the_contract_answers(self, tmp_path: Path) -> None:
        with embedded_stage(tmp_path) as stage:
            licence = stage.open_licence(prints=PRINTS, reprints=0)
            other = stage.cast.licence("part", prints=2, reprints=1)
            settled = stage.settle(*(stage.cast.record(licence, number) for number in range(1, PRINTS + 1)))
            settled += stage.settle(*(stage.cast.report(licence, number) for number in REPORTED))
            assert {status.state for status in settled} == {"confirmed"}
            chain, contract = Web3Chain.http(str(stage.runtime.rpc_url)), stage.cast.domain.contract
            asked = [encode_query("isReported", licence.struct_hash(), n) for n in range(1, PRINTS + 1)]
            answers = [decode_query("isReported", each)[0] for each in chain.query(contract, asked)]
            printed = {licence.struct_hash(): range(1, PRINTS + 1), other.struct_hash(): (1,)}
            found = reported(chain, contract, printed)
        assert found[licence.struct_hash()] == set(REPORTED)
        assert {n for n, said in enumerate(answers, start=1) if said} == set(REPORTED)

    def test_asks_nothing_without_prints(self, tmp_path: Path) -> None:
        nowhere = Web3Chain.http("http://127.0.0.1:1")
        assert reported(nowhere, "0x" + "11" * 20, {}) == {}
