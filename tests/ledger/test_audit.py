"""The audit: an honest story has no findings, any single change anywhere is found and named."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from ledger import tables
from ledger.abi import OutcomeRecorded
from ledger.audit import AuditReport, History, StoredRow
from ledger.audit_chain import ChainReader, audit
from ledger.audit_claims import Claims
from ledger.audit_rows import blocks_named, stored_rows
from ledger.audit_rules import Ledger
from ledger.chain import Log
from ledger.commitment import revision_commitment
from ledger.evidence import SECTIONS, EvidenceError, Opening, build, parse
from ledger.facts import event_of
from ledger.identity import load
from ledger.operations import Publish
from ledger.typed_data import Publication, Result, digest, transferred
from ledger.web3_chain import Web3Chain
from tests.ledger.actors import Cast, secret
from tests.ledger.stage import FaultyChain, Stage, embedded_stage

MANIFEST = '{"design":"dsn_1","format":"partvault/manifest/v1"}'


SECOND_PROVIDER = "0x" + "22" * 20


@dataclass
class Story:
    """A finished history, as the chain tells it and as the evidence does."""

    stage: Stage
    reader: ChainReader
    history: History
    evidence: dict[str, Any]
    licence: bytes
    giver: bytes
    receiver: bytes

    def file(self, about: str) -> dict[str, Any]:
        """Give the evidence of everything, or of the licence that prints were taken from or given to."""
        if about == "everything":
            return self.evidence
        return evidence_of(self.stage, licences=[{"giver": self.giver, "receiver": self.receiver}[about]])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with embedded_stage(tmp_path_factory.mktemp("audit")) as stage:
        cast, salt = stage.cast, secret("salt of the manifest")
        publication = Publication(cast.owner.address, revision_commitment(salt, MANIFEST.encode()))
        publish = Publish(publication, cast.owner.sign(digest(cast.domain, publication)))
        licence = replace(cast.licence(prints=3, reprints=1), revision=publication.struct_hash())
        other = cast.licence("other", prints=3)
        away = cast.transfer(other, SECOND_PROVIDER, prints=2)
        operations = [
            publish,
            cast.publish("other"),
            cast.enrol(),
            cast.grant(licence),
            cast.grant(other),
            cast.record(licence, 1),
            cast.report(licence, 1, Result.FAILED),
            cast.record(other, 1),
            cast.record(licence, 2),
            cast.report(licence, 2),
            away,
            cast.revoke(other),
            cast.record(licence, 3),
            cast.retire(),
        ]
        for operation in operations:
            assert stage.settle(operation)[0].state == "confirmed"
        stage.settle(cast.record(licence, 4))
        opening = Opening(publication.commitment, salt, MANIFEST)
        reader = ChainReader(Web3Chain.http(str(stage.runtime.rpc_url)), cast.domain.contract)
        evidence = evidence_of(stage, openings=[opening])
        history = reader.read(range(100))
        subjects = (
            licence.struct_hash(),
            other.struct_hash(),
            transferred(other, away.transfer).struct_hash(),
        )
        yield Story(stage, reader, history, evidence, *subjects)


def evidence_of(stage: Stage, **options: Any) -> dict[str, Any]:
    """Build evidence and read it back, as a file would."""
    with stage.engine.connect() as connection:
        identity = load(connection)
        assert identity is not None
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return parse(json.dumps(build(connection, identity, generated_at=moment, **options)))


def judged(story: Story, evidence: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding.row, finding.field) for finding in Claims(story.history).evidence(evidence)]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path


def changes(value: Any) -> list[Any]:
    """Return values that differ from one, near and far."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1, -1, 1 << 70, str(value)]
    flipped = value[:-1] + ("0" if value[-1:] != "0" else "1")
    return [flipped, value.upper(), value.swapcase(), value[:-2], "", "0x", None, 7, value + " "]


def altered(evidence: dict[str, Any], path: tuple[Any, ...], new: Any) -> dict[str, Any]:
    changed = copy.deepcopy(evidence)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = new
    return changed


def named(path: tuple[Any, ...]) -> tuple[str, str]:
    """Return the row and field that a finding must give for a path."""
    if path[0] in (*SECTIONS, "openings"):
        row, rest = f"evidence {path[0]}[{path[1]}]", path[2:]
    else:
        row, rest = "evidence", path
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)
    return row, field.removeprefix(".")


class TestAudit:
    def test_agrees_with_an_honest_story(self, story: Story) -> None:
        with story.stage.engine.connect() as connection:
            rows, blocks = list(stored_rows(connection)), blocks_named(connection)
        report = audit(story.reader, story.evidence, rows, blocks)
        assert report.counts["database_rows"] == len(rows)
        assert isinstance(report, AuditReport)
        assert report.ok, report.findings
        assert report.counts["prints"] == 4
        assert report.counts["outcomes"] == 2
        assert report.counts["transfers"] == 1
        assert report.counts["evidence_rows"] == 15
        assert json.loads(json.dumps(report.to_json()))["ok"]

    def test_agrees_with_evidence_of_one_licence(self, story: Story) -> None:
        evidence = evidence_of(story.stage, licences=[story.licence])
        assert len(evidence["licences"]) == len(evidence["publications"]) == 1
        assert len(evidence["prints"]) == 3
        assert judged(story, evidence) == []

    def test_names_a_contract_that_is_none(self, story: Story) -> None:
        reader = ChainReader(Web3Chain.http(str(story.stage.runtime.rpc_url)), "0x" + "11" * 20)
        report = audit(reader, story.evidence)
        assert ("chain", "contract") in {(f.row, f.field) for f in report.findings}
        assert ("evidence", "contract") in {(f.row, f.field) for f in report.findings}


FILES = pytest.mark.parametrize("about", ["everything", "giver", "receiver"])


class TestScope:
    """Which statements a file holds, and that the audit finds one too few or too many."""

    @staticmethod
    def _counts(evidence: dict[str, Any]) -> dict[str, int]:
        return {section: len(evidence[section]) for section in SECTIONS if evidence[section]}

    def test_of_who_gave_holds_the_transfer_with_both_signatures(self, story: Story) -> None:
        evidence = story.file("giver")
        assert self._counts(evidence) == {
            "publications": 1,
            "licences": 1,
            "transfers": 1,
            "revocations": 1,
            "printers": 1,
            "retirements": 1,
            "prints": 1,
        }
        assert evidence["subjects"] == ["0x" + story.giver.hex()]
        assert evidence["transfers"] == story.evidence["transfers"]
        assert {"signature", "owner_signature"} <= evidence["transfers"][0].keys()

    def test_of_who_received_holds_the_transfer_and_not_the_grant(self, story: Story) -> None:
        assert self._counts(story.file("receiver")) == {"publications": 1, "transfers": 1}

    @FILES
    def test_is_complete(self, story: Story, about: str) -> None:
        assert judged(story, story.file(about)) == []

    @FILES
    def test_a_dropped_row_is_found(self, story: Story, about: str) -> None:
        evidence = story.file(about)
        for section in SECTIONS:
            rows = evidence[section]
            for index in range(len(rows)):
                dropped = evidence | {section: rows[:index] + rows[index + 1 :]}
                assert (f"evidence {section}", "row") in judged(story, dropped)

    def test_a_row_about_something_else_is_found(self, story: Story) -> None:
        evidence, foreign = story.file("giver"), story.file("everything")
        added = evidence | {"outcomes": foreign["outcomes"][:1]}
        assert ("evidence outcomes[0]", "row") in judged(story, added)

    def test_a_row_later_than_the_head_is_found(self, story: Story) -> None:
        evidence = story.file("giver")
        place = evidence["revocations"][0]["receipt"]
        below = story.history.headers[place["block_number"] - 1]
        earlier = evidence | {"head": {"number": below.number, "hash": "0x" + below.hash.hex()}}
        assert ("evidence revocations[0]", "row") in judged(story, earlier)

    def test_every_change_of_its_subjects_is_found(self, story: Story) -> None:
        evidence = story.file("giver")
        mine, theirs = ("0x" + each.hex() for each in (story.giver, story.receiver))
        for subjects in ([], [theirs], [mine, mine], [mine, "0x" + "11" * 32], [mine, 7], [mine, None], [[]]):
            assert judged(story, evidence | {"subjects": subjects}) != [], subjects
        lacking = judged(story, evidence | {"subjects": ["0x" + story.licence.hex(), mine]})
        assert ("evidence licences", "row") in lacking
        with pytest.raises(EvidenceError, match=r"^subjects"):
            parse(json.dumps(evidence | {"subjects": None}))

    def test_a_licence_that_is_not_on_the_chain_is_no_subject(self, story: Story) -> None:
        evidence = evidence_of(story.stage, licences=[story.giver, bytes(32)])
        assert evidence["subjects"] == ["0x" + story.giver.hex()]

    def test_its_head_is_below_what_is_not_final(self, story: Story) -> None:
        place = story.evidence["retirements"][0]["receipt"]["block_number"]
        with story.stage.engine.connect() as connection:
            identity = load(connection)
            assert identity is not None
            late = text("UPDATE ledger_operations SET state = 'mined' WHERE block_number >= :place")
            connection.execute(late, {"place": place})
            evidence = build(connection, identity, generated_at=story.evidence["generated_at"])
            connection.rollback()
        assert (evidence["head"]["number"], evidence["retirements"]) == (place - 1, [])
        assert judged(story, evidence) == []


class TestEvidence:
    @FILES
    def test_every_changed_field_is_found_and_named(self, story: Story, about: str) -> None:
        """Every leaf of the file, changed in every way; the digest made to fit as a forger would."""
        missed = []
        evidence = story.file(about)
        for path in leaves(evidence):
            value = evidence
            for step in path:
                value = value[step]
            for new in changes(value):
                if new == value and type(new) is type(value):
                    continue
                changed = altered(evidence, path, new)
                if path == ("format",):
                    with pytest.raises(EvidenceError, match=r"^format"):
                        parse(json.dumps(changed))
                    continue
                row, field = named(path)
                found = judged(story, changed)
                if not any(r == row and field in f.split(", ") for r, f in found):
                    missed.append((path, value, new, found))
        assert missed == []

    @FILES
    def test_every_missing_field_is_found_and_named(self, story: Story, about: str) -> None:
        evidence = story.file(about)
        for path in leaves(evidence):
            changed = copy.deepcopy(evidence)
            place = changed
            for step in path[:-1]:
                place = place[step]
            del place[path[-1]]
            if path[0] == "subjects":
                assert judged(story, changed) != []
                continue
            if len(path) == 1:
                with pytest.raises(EvidenceError, match=rf"^{path[0]}"):
                    parse(json.dumps(changed))
                continue
            row, field = named(path)
            found = judged(story, changed)
            assert any(r == row and f.split(".")[-1] in (field.split(".")[-1], field) for r, f in found), path

    @pytest.mark.parametrize("section", SECTIONS)
    def test_dropped_repeated_and_swapped_rows_are_found(self, story: Story, section: str) -> None:
        rows = story.evidence[section]
        for index in range(len(rows)):
            repeated = judged(story, story.evidence | {section: [*rows, rows[index]]})
            assert (f"evidence {section}[{len(rows)}]", "row") in repeated
            if section == "publications" or index < len(rows):
                dropped = judged(story, story.evidence | {section: rows[:index] + rows[index + 1 :]})
                assert dropped, (section, index)
        if len(rows) > 1:
            swapped = judged(story, story.evidence | {section: [rows[1], rows[0], *rows[2:]]})
            assert (f"evidence {section}[1]", "row") in swapped

    def test_an_invented_print_is_found(self, story: Story) -> None:
        invented = copy.deepcopy(story.evidence["prints"][0])
        invented["claim"]["sequence"] = 7
        invented["receipt"]["log_index"] = 9
        found = judged(story, story.evidence | {"prints": [*story.evidence["prints"], invented]})
        assert found == [("evidence prints[4]", "row")]

    def test_a_stranger_to_the_format_is_refused(self, story: Story) -> None:
        with pytest.raises(EvidenceError, match=r"^extra"):
            parse(json.dumps(story.evidence | {"extra": 1}))

    @pytest.mark.parametrize("text", ["{", "[" * 200_000, "[]"])
    def test_what_is_no_json_object_is_refused(self, text: str) -> None:
        with pytest.raises(EvidenceError, match=r"^file"):
            parse(text)


class TestRows:
    @pytest.mark.parametrize("table", ["ledger_blocks", "ledger_events", "ledger_operations"])
    def test_every_changed_column_is_found(self, story: Story, table: str) -> None:
        """Each column of each row that says something about the chain, edited in a copy of the database."""
        free = {"position", "appended_at", "settled", "reverts", "nonce", "item", "reason", "state"}
        with story.stage.engine.connect() as connection:
            columns = [column.name for column in tables.metadata.tables[table].columns]
            keys = [column.name for column in tables.metadata.tables[table].primary_key]
            rows = connection.execute(tables.metadata.tables[table].select()).mappings().all()
            for row in rows:
                if row.get("state", "confirmed") != "confirmed":
                    continue
                for column in columns:
                    if column in free:
                        continue
                    where = " AND ".join(f"{key} = :{key}" for key in keys)
                    edit = text(f"UPDATE {table} SET {column} = :new WHERE {where}")
                    old = row[column]
                    new = _other(old)
                    connection.execute(edit, {"new": new} | {f"{key}": row[key] for key in keys})
                    found = list(Claims(story.history).rows(stored_rows(connection)))
                    connection.rollback()
                    assert found, (table, column, row)
                    assert all(finding.row.startswith(table) for finding in found)

    def test_a_row_of_the_application_is_compared_by_name(self, story: Story) -> None:
        fact = f"record_print:0x{story.licence.hex()}:1:0x{secret('token  1').hex()}"
        right = StoredRow("prints", "job_1", {"sequence": 1, "block_number": 7}, fact=fact)
        wrong = replace(right, values={"sequence": 2})
        unknown = replace(right, fact=fact.replace(":1:", ":9:"))
        claims = Claims(story.history)
        assert [(f.row, f.field) for f in claims.rows([right, wrong, unknown])] == [
            ("prints job_1", "sequence"),
            ("prints job_1", "row"),
        ]


class TestLedger:
    """The rules on histories that no honest contract would show: what a lying node might tell."""

    def _found(self, history: History) -> set[tuple[str, str]]:
        return {(f.row.split()[0], f.field) for f in Ledger(history).findings()}

    def test_a_withheld_event_breaks_the_counters(self, story: Story) -> None:
        for index, record in enumerate(story.history.records):
            if record.seen.fact is None:
                continue
            rest = [*story.history.records[:index], *story.history.records[index + 1 :]]
            assert self._found(replace(story.history, records=rest)), record

    def test_an_outcome_that_the_contract_does_not_have_is_found(self, story: Story) -> None:
        fewer = {licence: frozenset(list(numbers)[1:]) for licence, numbers in story.history.reported.items()}
        assert self._found(replace(story.history, reported=fewer)) == {("chain", "outcomes")}

    def test_an_outcome_the_node_withholds_is_asked_for(self, story: Story) -> None:
        class Withholding(FaultyChain):
            def logs(self, contract: str, first: int, last: int) -> list[Log]:
                found = super().logs(contract, first, last)
                return [log for log in found if not isinstance(event_of(log), OutcomeRecorded)]

        url = str(story.stage.runtime.rpc_url)
        reader = ChainReader(Withholding(Web3Chain.http(url)), story.history.domain.contract)
        assert reader.read().reported == {story.licence: {1, 2}, story.giver: set()}
        assert ("chain", "outcomes") in self._found(reader.read())

    def test_a_repeated_event_is_found(self, story: Story) -> None:
        doubled = [*story.history.records, story.history.records[5]]
        assert ("chain", "sequence") in self._found(replace(story.history, records=doubled))

    @pytest.mark.parametrize(
        ("field", "shift"),
        [("block_time", lambda time: 1 << 41), ("deadline", lambda time: (1 << 40) + 1)],
    )
    def test_a_print_out_of_time_is_found(
        self, story: Story, field: str, shift: Callable[[int], int]
    ) -> None:
        records = [
            replace(record, seen=replace(record.seen, block_time=shift(record.seen.block_time)))
            for record in story.history.records
        ]
        assert ("chain", field) in self._found(replace(story.history, records=records))

    def test_a_forged_signature_is_found(self, story: Story) -> None:
        for index, record in enumerate(story.history.records):
            operation = record.operation
            for name in ("signature", "provider_signature", "owner_signature", "printer_signature"):
                old = getattr(operation, name, None)
                if operation is None or old is None:
                    continue
                forged = replace(operation, **{name: hashlib.sha256(old).digest() + old[32:]})  # type: ignore[arg-type]
                records = list(story.history.records)
                records[index] = replace(record, operation=forged)
                assert ("chain", name) in self._found(replace(story.history, records=records))

    def test_another_signers_statement_is_found(self, story: Story) -> None:
        impostor = Cast(story.history.domain, owner=story.stage.cast.provider)
        record = story.history.records[1]
        records = list(story.history.records)
        records[1] = replace(record, operation=impostor.publish("other"))
        assert ("chain", "owner") in self._found(replace(story.history, records=records))


def _other(value: Any) -> Any:
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, int):
        return value + 1000
    if value is None:
        return b"\1" * 32
    if value.startswith("{"):
        return value.replace("0x", "0xf", 1) if "0x" in value else "{}"
    return value + "0"
