"""The evidence of one print: honest evidence stands, any altered part of it is named."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ledger.audit import AuditReport
from ledger.block_header import decode_header
from ledger.commitment import report_commitment, revision_commitment, terms_commitment
from ledger.errors import TypedDataError
from ledger.evidence import EvidenceError, digest_of
from ledger.operations import Operation, Publish, RecordOutcome
from ledger.print_audit import audit_print
from ledger.print_evidence import Disclosure, assemble, parse, prove_operations
from ledger.typed_data import (
    Domain,
    Enrolment,
    PrintOutcome,
    Publication,
    digest,
    print_id,
    printer_proof,
    printers_root,
    transferred,
)
from ledger.web3_chain import Web3Chain
from tests.ledger.actors import Cast, Device, secret
from tests.ledger.stage import Stage, embedded_stage
from tests.ledger.test_audit import altered, changes, leaves

TIME = "2099-01-01T00:00:00Z"
SALT = secret("salt")
CONTENT = {"manifest": '{"bounds_mm":[1,2,3]}', "terms": '{"materials":["PLA"]}', "report": '{"mass_g":7}'}


@dataclass
class Case:
    """A recorded print with its evidence, and the node that has it."""

    stage: Stage
    node: Web3Chain
    ids: dict[str, str]
    evidence: dict[str, Any]

    def build(self, *kinds: str, **options: Any) -> dict[str, Any]:
        with self.stage.engine.connect() as connection:
            rows = prove_operations(connection, self.node, [self.ids[kind] for kind in kinds])
        return parse(json.dumps(assemble(self.stage.cast.domain, rows, generated_at=TIME, **options)))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with embedded_stage(tmp_path_factory.mktemp("bundle")) as stage:
        cast = stage.cast
        second = Enrolment(cast.provider.address, Device("two").x, Device("two").y).struct_hash()
        listed = [cast.printer, second]
        publication = Publication(cast.owner.address, revision_commitment(SALT, CONTENT["manifest"].encode()))
        licence = replace(
            cast.licence(prints=3, reprints=1),
            revision=publication.struct_hash(),
            printers=printers_root(listed),
            terms=terms_commitment(SALT, CONTENT["terms"].encode()),
        )
        report = report_commitment(SALT, CONTENT["report"].encode())
        outcome = PrintOutcome(print_id(licence.struct_hash(), 2), 1, report)
        listing = tuple(printer_proof(listed, cast.printer))
        x, y = cast.device.x, cast.device.y
        told: dict[str, Operation] = {
            "publish": Publish(publication, cast.owner.sign(digest(cast.domain, publication))),
            "grant": cast.grant(licence),
            "enrol": cast.enrol(),
            "other": replace(cast.record(licence, 1), proof=listing),
            "print": replace(cast.record(licence, 2), proof=listing),
            "outcome": RecordOutcome(
                licence.struct_hash(), 2, outcome, x, y, cast.device.sign(digest(cast.domain, outcome))
            ),
        }
        for operation in told.values():
            (status,) = stage.settle(operation)
            assert status.state == "confirmed", status
        node = Web3Chain.http(str(stage.runtime.rpc_url))
        ids = {kind: operation.operation_id for kind, operation in told.items()}
        made = Case(stage, node, ids, {})
        openings = [Disclosure(of, SALT, content) for of, content in CONTENT.items()]  # type: ignore[arg-type]
        made.evidence = made.build("publish", "grant", "enrol", "print", "outcome", openings=openings)
        yield made


def found(evidence: dict[str, Any], chain: Any = None, *, fitted: bool = True) -> set[tuple[str, str]]:
    """Judge evidence whose digest a forger made fit; give each row and each field that is named."""
    if fitted:
        with contextlib.suppress(TypedDataError):  # a number that canonical JSON cannot hold has no digest
            evidence = evidence | {"digest": digest_of(evidence)}
    report: AuditReport = audit_print(evidence, chain)
    return {(f.row, field) for f in report.findings for field in f.field.split(", ")}


def named(path: tuple[Any, ...]) -> tuple[str, str]:
    if path[0] in ("operations", "openings"):
        row, rest = f"bundle {path[0]}[{path[1]}]", path[2:]
    else:
        row, rest = "bundle", path
    return row, ".".join(str(step) for step in rest if not isinstance(step, int))


def lists(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, list):
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from lists(inner, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


class TestAuditPrint:
    def test_agrees_with_an_honest_print(self, case: Case) -> None:
        for chain in (None, case.node):
            report = audit_print(case.evidence, chain)
            assert report.ok, report.findings
        assert report.counts == {
            "operations": 5,
            "receipt_proofs": 5,
            "openings": 3,
            "blocks_on_chain": 5,
        }

    def test_agrees_with_a_print_under_way_until_its_outcome_is_known(self, case: Case) -> None:
        evidence = case.build("publish", "grant", "enrol", "print")
        assert found(evidence) == set()
        assert found(evidence, case.node) == {("bundle", "operations")}

    def test_every_changed_field_is_named(self, case: Case) -> None:
        """Every leaf, changed in every way, offline; the digest made to fit as a forger would."""
        missed = []
        for path in leaves(case.evidence):
            value = at(case.evidence, path)
            if path[0] in ("format", "digest"):
                continue
            for new in changes(value):
                if new == value and type(new) is type(value):
                    continue
                row, field = named(path)
                names = found(altered(case.evidence, path, new))
                near = [other for place, other in names if place == row]
                if not any(field.startswith(other) or other.startswith(field) for other in near):
                    missed.append((path, new, names))
        assert missed == []

    def test_every_missing_or_added_field_is_named(self, case: Case) -> None:
        for path in leaves(case.evidence):
            if len(path) == 1 or isinstance(path[-1], int):
                continue
            changed = copy.deepcopy(case.evidence)
            del at(changed, path[:-1])[path[-1]]
            assert named(path)[0] in {row for row, _ in found(changed)}, path
            changed = altered(case.evidence, (*path[:-1], "extra"), 1)
            assert named(path)[0] in {row for row, _ in found(changed)}, path

    def test_every_list_changed_is_found(self, case: Case) -> None:
        """Items dropped, repeated and swapped; who withholds an opening alters only the digest."""
        for path in lists(case.evidence):
            items = at(case.evidence, path)
            for index in range(len(items)):
                rest = items[:index] + items[index + 1 :]
                orders = [rest, [*rest, items[index]], [items[index], *items]]
                for new in orders:
                    if new == items:
                        continue
                    changed = altered(case.evidence, path, new)
                    assert found(changed, fitted=False), (path, index)
                    if path != ("openings",):
                        assert found(changed) or path == (), (path, index, new)

    def test_a_digest_that_does_not_fit_is_found(self, case: Case) -> None:
        assert ("bundle", "digest") in found(case.evidence | {"digest": "0x"}, fitted=False)

    def test_what_belongs_to_another_print_is_found(self, case: Case) -> None:
        other = case.build("publish", "grant", "enrol", "other", "outcome")
        assert ("bundle operations[4]", "operation.sequence") in found(other)

    def test_another_event_of_the_same_contract_does_not_stand_in(self, case: Case) -> None:
        other = case.build("publish", "grant", "enrol", "other")
        rows = copy.deepcopy(case.evidence["operations"])
        rows[3]["receipt"] = other["operations"][3]["receipt"]
        names = found(case.evidence | {"operations": rows})
        assert ("bundle operations[3]", "operation.claim.sequence") in names

    def test_a_made_up_block_is_what_only_a_node_can_tell(self, case: Case) -> None:
        """A whole chain of one's own making, with its own hashes, agrees with itself."""
        evidence = copy.deepcopy(case.evidence)
        receipt = evidence["operations"][0]["receipt"]
        header = bytearray(bytes.fromhex(receipt["header"][2:]))
        header[100] ^= 1
        block = decode_header(bytes(header))
        assert block is not None
        receipt |= {"header": "0x" + header.hex(), "hash": "0x" + block.hash.hex()}
        assert found(evidence) == set()
        assert found(evidence, case.node) == {
            ("bundle operations[0]", "receipt.hash"),
            ("bundle operations[0]", "receipt.header"),
        }

    def test_another_chain_or_contract_is_named(self, case: Case) -> None:
        class Elsewhere(Web3Chain):
            def chain_id(self) -> int:
                return 1

        elsewhere = Elsewhere.http(str(case.stage.runtime.rpc_url))
        assert found(case.evidence, elsewhere) == {("bundle", "chain_id")}
        names = found(case.evidence | {"contract": "0x" + "11" * 20}, case.node)
        assert ("bundle", "contract") in names

    def test_agrees_with_a_print_of_transferred_prints(self, case: Case) -> None:
        stage = case.stage
        cast = stage.cast
        second = Cast(cast.domain, provider=cast.owner, device=Device("three"))
        licence = cast.licence("moved", prints=4)
        transfer = cast.transfer(licence, second.provider.address, prints=2)
        moved = transferred(licence, transfer.transfer)
        told = {
            "moved publish": cast.publish("moved"),
            "moved grant": cast.grant(licence),
            "moved transfer": transfer,
            "second enrol": second.enrol(),
            "moved print": second.record(moved, 1),
        }
        for status in stage.settle(*told.values()):
            assert status.state == "confirmed"
        case.ids |= {kind: operation.operation_id for kind, operation in told.items()}
        evidence = case.build(*told)
        assert found(evidence, case.node) == set()
        without = case.build(*[kind for kind in told if kind != "moved transfer"])
        assert ("bundle operations[3]", "operation.claim.licence") in found(without)


class TestProveOperations:
    def test_refuses_what_is_not_confirmed(self, case: Case) -> None:
        case.ids["nothing"] = "grant:0x00"
        with pytest.raises(EvidenceError, match="grant:0x00 is not confirmed"):
            case.build("nothing")


class TestParse:
    @pytest.mark.parametrize(
        ("text", "field"),
        [
            ("{", "file"),
            ("[]", "file"),
            ("[" * 5000, "file"),
            ('{"format":"partvault/evidence/v1"}', "format"),
            ('{"format":"partvault/print-evidence/v1"}', "chain_id"),
        ],
    )
    def test_names_what_is_no_such_file(self, text: str, field: str) -> None:
        with pytest.raises(EvidenceError, match=f"^{field}"):
            parse(text)

    def test_refuses_rows_that_are_none(self, case: Case) -> None:
        with pytest.raises(EvidenceError, match=r"^openings"):
            parse(json.dumps(case.evidence | {"openings": [1]}))


class TestDomain:
    def test_signatures_of_another_contract_do_not_count(self, case: Case) -> None:
        other = Domain(case.stage.cast.domain.chain_id + 1, case.stage.cast.domain.contract)
        names = found(case.evidence | {"chain_id": other.chain_id})
        assert {f"bundle operations[{index}]" for index in range(5)} <= {row for row, _ in names}
