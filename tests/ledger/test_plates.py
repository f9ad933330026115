"""A plate from the outbox to the evidence: all of its prints or none, and each one provable by itself."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ledger import tables
from ledger.abi import PlateRecorded
from ledger.audit_chain import ChainReader, audit
from ledger.audit_claims import Claims
from ledger.audit_rows import blocks_named, misplaced_operations, stored_rows
from ledger.audit_rules import Ledger
from ledger.operations import RecordPlate
from ledger.print_audit import audit_print
from ledger.print_evidence import PlatePrint, assemble, parse, prove_operations
from ledger.typed_data import Licence, Result
from ledger.web3_chain import Web3Chain
from tests.ledger.stage import Stage, embedded_stage
from tests.ledger.test_audit import altered, changes, evidence_of, leaves
from tests.ledger.test_print_audit import TIME, at, found


@dataclass
class Plates:
    """A ledger with one recorded plate of three prints, and one that was refused."""

    stage: Stage
    reader: ChainReader
    node: Web3Chain
    one: Licence
    two: Licence
    plate: RecordPlate
    refused: RecordPlate
    reason: dict[str, Any]

    def bundle(self, part: int) -> dict[str, Any]:
        """Give the evidence of one print of the plate."""
        cast, licence = self.stage.cast, self.one if part != 1 else self.two
        wanted = [cast.publish(), cast.grant(licence), cast.enrol()]
        ids = [operation.operation_id for operation in wanted]
        with self.stage.engine.connect() as connection:
            parts = [*ids, PlatePrint(self.plate.operation_id, part)]
            rows = prove_operations(connection, self.node, parts)
        return parse(json.dumps(assemble(cast.domain, rows, generated_at=TIME)))


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plates]:
    with embedded_stage(tmp_path_factory.mktemp("plates")) as stage:
        cast = stage.cast
        one, two = cast.licence(prints=5, number=1), cast.licence(prints=5, number=2)
        plate = cast.plate((one, 1), (two, 2), (one, 2))
        for operation in (cast.publish(), cast.enrol(), cast.grant(one), cast.grant(two), plate):
            (status,) = stage.settle(operation)
            assert status.state == "confirmed", status
        refused = cast.plate((one, 3), (two, 2), deadline=1 << 39)
        (status,) = stage.settle(refused)
        assert status.state == "rejected"
        stage.settle(cast.report(two, 2, Result.FAILED))
        node = Web3Chain.http(str(stage.runtime.rpc_url))
        reader = ChainReader(node, cast.domain.contract)
        yield Plates(stage, reader, node, one, two, plate, refused, status.reason or {})


class TestOutbox:
    def test_a_refused_plate_names_its_claim_and_counts_nothing(self, plates: Plates) -> None:
        assert plates.reason["name"] == "SequenceUsed"
        assert plates.refused.part_at_fault(plates.reason["args"]) == 1
        state = plates.stage.runtime.licence_state(plates.one.struct_hash())
        assert state is not None
        assert state.used == 2

    def test_the_index_tells_of_each_print_and_of_the_plate(self, plates: Plates) -> None:
        with plates.stage.engine.connect() as connection:
            rows = connection.execute(tables.events.select()).mappings().all()
        (recorded,) = [row for row in rows if row["name"] == PlateRecorded.__name__]
        assert recorded["fact"] == plates.plate.operation_id
        place = (recorded["block_number"], recorded["log_index"])
        before = [(row["block_number"], row["log_index"]) for row in rows if row["name"] == "PrintRecorded"]
        assert before == [(place[0], plates.plate.log_index_of(part, place[1])) for part in range(3)]


class TestAudit:
    def test_agrees(self, plates: Plates) -> None:
        with plates.stage.engine.connect() as connection:
            rows, blocks = list(stored_rows(connection)), blocks_named(connection)
            assert list(misplaced_operations(connection)) == []
        report = audit(plates.reader, evidence_of(plates.stage), rows, blocks)
        assert report.ok, report.findings
        assert (report.counts["prints"], report.counts["plates"]) == (3, 1)

    def test_evidence_holds_the_plates_prints_of_its_licences_alone(self, plates: Plates) -> None:
        evidence = evidence_of(plates.stage, licences=[plates.one.struct_hash()])
        assert [row["claim"]["sequence"] for row in evidence["prints"]] == [1, 2]
        assert audit(plates.reader, evidence).ok

    def test_every_change_of_a_print_is_found(self, plates: Plates) -> None:
        history, evidence = plates.reader.read(range(50)), evidence_of(plates.stage)
        for path in leaves(evidence["prints"][1]):
            value = at(evidence["prints"][1], path)
            for new in changes(value):
                if new == value and type(new) is type(value):
                    continue
                changed = altered(evidence, ("prints", 1, *path), new)
                assert list(Claims(history).evidence(changed)), (path, new)
        for index in range(3):
            dropped = copy.deepcopy(evidence)
            del dropped["prints"][index]
            assert list(Claims(history).evidence(dropped)), index

    def test_an_event_of_a_plate_without_its_prints_is_found(self, plates: Plates) -> None:
        history = plates.reader.read(range(50))
        kept = [r for r in history.records if getattr(r.seen.event, "sequence", None) != 1]
        fields = {
            finding.field
            for finding in Ledger(type(history)(**{**vars(history), "records": kept})).findings()
        }
        assert "plate" in fields


class TestEvidenceOfOnePrint:
    @pytest.mark.parametrize("part", [0, 1, 2])
    def test_stands_alone_and_on_the_chain(self, plates: Plates, part: int) -> None:
        evidence = plates.bundle(part)
        assert evidence["operations"][3]["operation"]["claim"] == plates.plate.claims[part].to_json()
        assert found(evidence) == set()
        if part != 1:  # part 1 has an outcome on chain, which this file leaves out
            assert audit_print(evidence, plates.node).ok

    def test_tells_nothing_of_the_other_claims(self, plates: Plates) -> None:
        text = json.dumps(plates.bundle(1)["operations"][3]["operation"])
        other = plates.plate.claims[0]
        assert other.struct_hash().hex() in text
        assert other.licence.hex() not in text
        assert other.token.hex() not in text

    def test_every_change_of_the_print_is_named(self, plates: Plates) -> None:
        evidence = plates.bundle(1)
        for path in leaves(evidence["operations"][3]["operation"]):
            value = at(evidence["operations"][3]["operation"], path)
            for new in changes(value):
                if new == value and type(new) is type(value):
                    continue
                names = found(altered(evidence, ("operations", 3, "operation", *path), new))
                near = [field for row, field in names if row == "bundle operations[3]"]
                assert any(
                    f"operation.{path[0]}".startswith(field) or field.startswith(f"operation.{path[0]}")
                    for field in near
                ), (path, new, names)

    def test_another_print_of_the_plate_does_not_stand_in(self, plates: Plates) -> None:
        evidence, other = plates.bundle(0), plates.bundle(2)
        evidence["operations"][3]["receipt"] = other["operations"][3]["receipt"]
        assert ("bundle operations[3]", "operation.claim.sequence") in found(evidence)
