"""The certificate of a print: an honest one stands, any altered part of it is found, and it opens no more
than the report.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import rfc3339
from ledger.block_header import decode_header
from ledger.certificate import BYTES_MAX, assemble, parse
from ledger.certificate_audit import Check, Expected, Verification, verify
from ledger.commitment import canonical_json, report_commitment, revision_commitment
from ledger.evidence import EvidenceError
from ledger.operations import Operation, Publish, RecordOutcome
from ledger.print_evidence import prove_operations
from ledger.typed_data import Enrolment, PrintOutcome, Publication, digest, print_id
from ledger.web3_chain import Web3Chain
from tests.ledger.actors import secret
from tests.ledger.stage import Stage, embedded_stage
from tests.ledger.test_audit import altered, changes, leaves
from tests.ledger.test_print_report import REPORT

SALT = secret("report salt")
MANIFEST = '{"bounds_mm":[61.25,2,3],"files":[{"sha256":"ab12cd34ef"}]}'
CHECKS = [Check.STATEMENTS, Check.SIGNATURES, Check.PROOFS, Check.LINKS, Check.REPORT]


@dataclass
class Case:
    """A printed part with its certificate, and the node that has it."""

    stage: Stage
    node: Web3Chain
    ids: list[str]
    report: dict[str, Any]
    certificate: dict[str, Any]

    def build(self, *left_out: str) -> dict[str, Any]:
        kept = [each for each in self.ids if not each.startswith(left_out or ("none",))]
        with self.stage.engine.connect() as connection:
            rows = prove_operations(connection, self.node, kept)
        made = assemble(self.stage.cast.domain, rows, self.report, SALT)
        return parse(canonical_json(made))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with embedded_stage(tmp_path_factory.mktemp("certified")) as stage:
        cast = stage.cast
        publication = Publication(cast.owner.address, revision_commitment(SALT, MANIFEST.encode()))
        licence = replace(cast.licence(prints=3, reprints=1), revision=publication.struct_hash())
        before: list[Operation] = [
            Publish(publication, cast.owner.sign(digest(cast.domain, publication))),
            cast.grant(licence),
            cast.enrol(),
            cast.record(licence, 2),
        ]
        counted = 0
        for operation in before:
            (status,) = stage.settle(operation)
            assert status.state == "confirmed", status
            counted = int((status.receipt() or {})["block_time"])
        enrolment = Enrolment(cast.provider.address, cast.device.x, cast.device.y)
        report = REPORT | {
            "print": "0x" + print_id(licence.struct_hash(), 2).hex(),
            "printer": "0x" + enrolment.struct_hash().hex(),
            "revision": "0x" + publication.struct_hash().hex(),
            "started_at": rfc3339(counted),
            "ended_at": rfc3339(counted),
        }
        committed = report_commitment(SALT, canonical_json(report))
        outcome = PrintOutcome(print_id(licence.struct_hash(), 2), 1, committed)
        signed = cast.device.sign(digest(cast.domain, outcome))
        ended = RecordOutcome(licence.struct_hash(), 2, outcome, cast.device.x, cast.device.y, signed)
        stage.settle(ended)
        node = Web3Chain.http(str(stage.runtime.rpc_url))
        ids = [operation.operation_id for operation in (*before, ended)]
        made = Case(stage, node, ids, report, {})
        made.certificate = made.build()
        yield made


def broken(certificate: dict[str, Any], chain: Any = None) -> set[Check]:
    """The checks that fail."""
    found = verify(certificate, chain).found
    return {check for check, findings in found.items() if findings}


def named(verification: Verification) -> set[str]:
    return {part for finding in verification.findings for part in finding.field.split(", ")}


class TestVerify:
    def test_agrees_with_an_honest_certificate(self, case: Case) -> None:
        alone, beside = verify(case.certificate), verify(case.certificate, case.node)
        assert (alone.ok, alone.findings, list(alone.found)) == (True, [], CHECKS)
        assert (beside.ok, beside.findings, list(beside.found)) == (True, [], [*CHECKS, Check.CHAIN])
        assert alone.standing is None
        assert beside.standing is not None

    def test_says_what_was_signed(self, case: Case) -> None:
        says = verify(case.certificate).says
        assert says is not None
        assert (says.sequence, says.licence.prints, says.result) == (2, 3, 1)
        assert says.licence.owner == case.stage.cast.owner.address
        assert says.report.serials == ("SN-1", "SN-2")
        assert says.counted.number < says.reported.number

    def test_finds_every_changed_member(self, case: Case) -> None:
        """Every leaf, without a chain: there is no digest to make fit."""
        assert self.missed(case, ways=1) == []

    @pytest.mark.slow
    def test_finds_every_member_changed_in_every_way(self, case: Case) -> None:
        assert self.missed(case, ways=None) == []

    def missed(self, case: Case, ways: int | None) -> list[tuple[Any, Any]]:
        """Leaves that can be changed unseen."""
        missed = []
        for path in leaves(case.certificate):
            value: Any = case.certificate
            for step in path:
                value = value[step]
            for new in islice(changes(value), ways):
                if (new == value and type(new) is type(value)) or path == ("format",):
                    continue
                if not broken(altered(case.certificate, path, new)):
                    missed.append((path, new))
        return missed

    def test_finds_every_missing_or_added_member(self, case: Case) -> None:
        for path in leaves(case.certificate):
            if len(path) == 1 or isinstance(path[-1], int):
                continue
            changed = copy.deepcopy(case.certificate)
            place: Any = changed
            for step in path[:-1]:
                place = place[step]
            del place[path[-1]]
            assert broken(changed), path
            assert broken(altered(case.certificate, (*path[:-1], "extra"), 1)), path

    @pytest.mark.parametrize("left_out", ["publish", "grant", "enrol", "record_print"])
    def test_finds_a_statement_left_out(self, case: Case, left_out: str) -> None:
        assert Check.LINKS in broken(case.build(left_out))

    def test_finds_rows_in_another_order(self, case: Case) -> None:
        rows = case.certificate["operations"]
        assert broken(case.certificate | {"operations": [*rows[1:], rows[0]]})
        assert broken(case.certificate | {"operations": [*rows, rows[0]]})

    def test_finds_a_report_the_printer_did_not_sign(self, case: Case) -> None:
        forged = altered(case.certificate, ("report", "serials"), ["SN-9"])
        assert broken(forged) == {Check.REPORT}
        assert {"report", "report_salt"} <= named(verify(forged))

    def test_finds_what_the_report_says_against_the_outcome(self, case: Case) -> None:
        """A printer may sign a report that contradicts what it signs beside it."""
        changed = altered(case.certificate, ("report", "result"), "failed")
        assert "report.result" in named(verify(changed))

    def test_a_made_up_block_is_what_only_a_node_can_tell(self, case: Case) -> None:
        forged = copy.deepcopy(case.certificate)
        receipt = forged["operations"][0]["receipt"]
        header = bytearray(bytes.fromhex(receipt["header"][2:]))
        header[100] ^= 1
        block = decode_header(bytes(header))
        assert block is not None
        receipt |= {"header": "0x" + header.hex(), "hash": "0x" + block.hash.hex()}
        assert broken(forged) == set()
        assert broken(forged, case.node) == {Check.CHAIN}

    def test_a_ledger_of_ones_own_is_what_the_reader_can_tell(self, case: Case) -> None:
        cast = case.stage.cast
        for expected, field in (
            (Expected(contract=cast.owner.address), "contract"),
            (Expected(owner=cast.provider.address), "owner"),
            (Expected(print="0x" + "11" * 32), "print"),
        ):
            seen = verify(case.certificate, expected=expected)
            assert [finding.field for finding in seen.found[Check.EXPECTED]] == [field]
        right = Expected(cast.domain.contract, cast.owner.address, case.certificate["print"])
        assert verify(case.certificate, expected=right).ok

    @settings(max_examples=30, deadline=None)
    @given(data=st.data())
    def test_answers_anything_in_the_outline(self, case: Case, data: st.DataObject) -> None:
        """No shape of a member makes it fail otherwise than by a finding."""
        plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
        strange = (
            plain | st.lists(plain, max_size=3) | st.dictionaries(st.text(max_size=6), plain, max_size=3)
        )
        paths = [path[:length] for path in leaves(case.certificate) for length in range(1, len(path) + 1)]
        path = data.draw(st.sampled_from(paths))
        try:
            forged = parse(json.dumps(altered(case.certificate, path, data.draw(strange))))
        except EvidenceError:
            return
        if forged != case.certificate:
            assert not verify(forged).ok

    def test_tells_of_a_revoked_licence_without_taking_the_print_back(self, case: Case) -> None:
        row = case.certificate["operations"][1]["operation"]["licence"]
        cast = case.stage.cast
        licence = replace(cast.licence(prints=3, reprints=1), revision=bytes.fromhex(row["revision"][2:]))
        before = verify(case.certificate, case.node)
        case.stage.settle(cast.revoke(licence))
        after = verify(case.certificate, case.node)
        assert (before.ok, after.ok) == (True, True)
        told = [seen.standing and seen.standing.licence_revoked for seen in (before, after)]
        assert told == [False, True]
        assert after.standing is not None
        assert after.standing.printer_retired is False


class TestAssemble:
    def test_gives_the_same_bytes_each_time(self, case: Case) -> None:
        assert canonical_json(case.build()) == canonical_json(case.certificate)

    def test_discloses_no_more_than_the_report(self, case: Case) -> None:
        text = json.dumps(case.certificate)
        for hidden in ("bounds_mm", "61.25", "ab12cd34ef", "manifest"):
            assert hidden not in text


class TestParse:
    @pytest.mark.parametrize(
        ("text", "field"),
        [
            ("{", "file"),
            ("[]", "file"),
            ("[" * 9000, "file"),
            (" " * (BYTES_MAX + 1), "file"),
            ('{"format":"partvault/evidence/v1"}', "format"),
            ('{"format":"partvault/certificate/v1"}', "chain_id"),
        ],
    )
    def test_names_what_is_no_certificate(self, text: str, field: str) -> None:
        with pytest.raises(EvidenceError, match=f"^{field}"):
            parse(text)

    @pytest.mark.parametrize(
        ("member", "value", "field"),
        [
            ("operations", [1], "operations"),
            ("operations", [{}] * 65, "operations"),
            ("report", [], "report"),
            ("extra", 1, "extra"),
            ("report", {"a": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}, "file"),
        ],
    )
    def test_names_a_member_that_is_not_in_it(self, case: Case, member: str, value: Any, field: str) -> None:
        with pytest.raises(EvidenceError, match=f"^{field}"):
            parse(json.dumps(case.certificate | {member: value}))
