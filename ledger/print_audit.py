"""Judges the evidence of one print: by itself, and against a chain where there is a node to ask.

By itself it shows that these parties signed these statements, that they belong together, and that their
events are in blocks with these hashes. Whether those blocks are the chain's, a node says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from ledger import wallets
from ledger.abi import decode_query, encode_query, is_print_ledger
from ledger.address import checksum_address
from ledger.audit import AuditReport, Finding
from ledger.audit_rules import signed_by, vouchers_of
from ledger.chain import Chain
from ledger.commitment import report_commitment, revision_commitment, terms_commitment
from ledger.errors import LedgerError
from ledger.events import decode_log
from ledger.evidence import EvidenceError, digest_of
from ledger.facts import fact_in, fact_of
from ledger.operations import Enrol, Grant, Publish, RecordOutcome, RecordPrint, Transfer
from ledger.print_evidence import ProvenOperation, read_row
from ledger.print_links import Step, licence_of, links, order
from ledger.typed_data import Domain, digest, verify_printer_signature

_COMMIT: Final = {"manifest": revision_commitment, "terms": terms_commitment, "report": report_commitment}
_STATEMENTS: Final = {
    "publish": "publication",
    "grant": "licence",
    "transfer": "transfer",
    "enrol": "enrolment",
    "record_print": "claim",
    "record_outcome": "outcome",
}


@dataclass(frozen=True)
class Judgement:
    """What was looked at, and what each step of `judge` found."""

    steps: Sequence[Step]
    found: Mapping[str, Sequence[Finding]]

    @property
    def findings(self) -> list[Finding]:
        """Everything found, in the order of the steps."""
        return [finding for findings in self.found.values() for finding in findings]


def audit_print(evidence: Mapping[str, Any], chain: Chain | None = None) -> AuditReport:
    """Judge evidence that `ledger.print_evidence.parse` let through; with a chain, also against it.

    `judge` does it; the digest counts where nothing else tells of a change. Raises ChainError if the chain
    cannot be read.
    """
    judged = judge(evidence, chain)
    found, steps = judged.findings, judged.steps
    counts = {
        "operations": len(evidence["operations"]),
        "receipt_proofs": len(steps),
        "openings": len(evidence["openings"]),
    }
    if "chain" in judged.found:
        counts["blocks_on_chain"] = len({step.shown.block.hash for step in steps})
    if not _later(evidence["generated_at"], max((step.shown.block.time for step in steps), default=0)):
        problem = "is no RFC 3339 time in UTC at or after the newest block's"
        found.append(Finding("bundle", "generated_at", problem))
    if not found and evidence["digest"] != digest_of(evidence):
        problem = "the file was changed after it was written, where neither chain nor signature fixes it"
        found.append(Finding("bundle", "generated_at, openings, digest", problem))
    head = max((step.shown.block.number for step in steps), default=-1)
    return AuditReport(evidence["chain_id"], evidence["contract"], head, counts, tuple(found))


def judge(evidence: Mapping[str, Any], chain: Chain | None = None) -> Judgement:
    """Judge a print by its `chain_id`, `contract`, `operations` and `openings`, step by step.

    1. `statements`: every row is an operation in this format's one spelling, for a contract on a chain.
    2. `proofs`: each has a receipt proof that holds, of the contract's event that states what it asks for.
    3. `signatures`: every signature is the signer's over the statement.
    4. `links`: the statements belong together, in this order (`ledger.print_links`).
    5. `openings`: every opening opens its commitment.
    6. `chain`, where there is one to ask: contract, blocks and counters are there as the rows say.

    Raises ChainError if the chain cannot be read.
    """
    rows, unread = _rows(evidence)  # (1)
    steps, unproven = _steps(rows)  # (2)
    domain = _domain(evidence)
    found = {
        "statements": [*unread, *_outline(evidence, domain)],
        "proofs": [*unproven, *(each for step in steps for each in _event(step, evidence["contract"]))],
        "signatures": [] if domain is None else [*_signatures(domain, steps, chain)],  # (3)
        "links": [*(() if unread or unproven else order(steps)), *links(steps)],  # (4)
        "openings": [*_openings(evidence, steps)],  # (5)
    }
    if chain is not None and domain is not None:
        found["chain"] = [*_against(chain, domain, steps)]  # (6)
    return Judgement(steps, found)


def _rows(evidence: Mapping[str, Any]) -> tuple[list[tuple[str, ProvenOperation]], list[Finding]]:
    """Return the rows that can be read, by their names, and what is wrong with the others."""
    rows, found = [], []
    for index, row in enumerate(evidence["operations"]):
        name = f"bundle operations[{index}]"
        try:
            rows.append((name, read_row(row)))
        except EvidenceError as problem:
            found.append(Finding(name, problem.field, str(problem)))
    return rows, found


def _steps(rows: Sequence[tuple[str, ProvenOperation]]) -> tuple[list[Step], list[Finding]]:
    """Return the rows whose proof holds, each with its event, and what is wrong with the others."""
    steps, found = [], []
    for name, read in rows:
        try:
            shown = read.proof.verify()
        except EvidenceError as problem:
            fields_ = f"receipt.{problem.field}, receipt.transaction_index, receipt.header"
            found.append(Finding(name, fields_, str(problem)))
            continue
        try:
            event = decode_log({"topics": shown.topics, "data": shown.data})
        except LedgerError:
            event = None
        steps.append(Step(name, read.operation, read.proof, shown, event))
    return steps, found


def _domain(evidence: Mapping[str, Any]) -> Domain | None:
    try:
        return Domain(evidence["chain_id"], evidence["contract"])
    except LedgerError:
        return None


def _outline(evidence: Mapping[str, Any], domain: Domain | None) -> Iterator[Finding]:
    for name in ("chain_id", "contract"):
        spelled = None if domain is None else getattr(domain, name)
        if spelled != evidence[name] or type(spelled) is not type(evidence[name]):
            yield Finding("bundle", "chain_id, contract", "name no contract as this format spells it")
            break


def _event(step: Step, contract: object) -> Iterator[Finding]:
    if step.shown.address != contract:
        yield Finding("bundle", "contract", f"the event of {step.name} is another contract's")
    if step.event is None:
        yield Finding(step.name, "receipt.log", "proves a log that is no event of the print ledger")
        return
    name, statement = _STATEMENTS[step.operation.kind], step.operation.statement
    told = {field.name: getattr(step.event, field.name) for field in fields(step.event)}
    if "origin" in told:  # a transfer's statement names the licence it takes from, its event also the new one
        told["licence"] = told["origin"]
    unlike = [
        f"operation.{name}.{camel}"
        for member, camel, _ in statement.members()
        if member in told and told[member] != getattr(statement, member)
    ]
    if not unlike and fact_in(step.event) != fact_of(step.operation):
        unlike = [f"operation.{name}"]
    if unlike:
        problem = "differs from the event that is proven"
        yield Finding(step.name, ", ".join([*unlike, "operation", "receipt"]), problem)


def _signatures(domain: Domain, steps: list[Step], chain: Chain | None) -> Iterator[Finding]:
    wrong = [[*_device(domain, step), *_accounts(domain, step, chain)] for step in steps]
    if steps and all(wrong):
        problem = "are not those that the statements were signed for"
        yield Finding("bundle", "chain_id, contract", problem)
    for findings in wrong:
        yield from findings


def _device(domain: Domain, step: Step) -> Iterator[Finding]:
    match step.operation:
        case Enrol(enrolment, _, signature):
            name, x, y = "printer_signature", enrolment.key_x, enrolment.key_y
        case RecordPrint() | RecordOutcome() as made:
            name, x, y, signature = "signature", made.key_x, made.key_y, made.signature
        case _:
            return
    if not verify_printer_signature(digest(domain, step.operation.signed), x, y, signature):
        statement = _STATEMENTS[step.operation.kind]
        names = f"operation.{name}, operation.{statement}, operation.key_x, operation.key_y"
        if isinstance(step.operation, RecordPrint) and step.operation.plate:
            names += ", operation.plate"
        yield Finding(step.name, names, "is not by the printer's key over this statement")


def _accounts(domain: Domain, step: Step, chain: Chain | None) -> Iterator[Finding]:
    """Judge signatures of accounts: by the account's key, or taken by its contract (ERC-1271) in the block
    that the step is proven to be in.
    """
    statement = _STATEMENTS[step.operation.kind]
    for voucher in vouchers_of(step.operation, {}):
        message = digest(domain, voucher.statement)
        if signed_by(voucher.account, message, voucher.signature):
            continue
        if chain is None:
            problem = f"is not by {voucher.account}'s key; if that is a wallet contract, a node can say more"
        elif wallets.accepted(
            chain, voucher.account, message, voucher.signature, block=step.shown.block.number
        ):
            continue
        else:
            problem = f"is not {voucher.account}'s"
        yield Finding(step.name, f"operation.{voucher.field}, operation.{statement}", problem)


def _openings(evidence: Mapping[str, Any], steps: list[Step]) -> Iterator[Finding]:
    commitments: dict[str, bytes] = {}
    for step in steps:
        match step.operation:
            case Publish(publication):
                commitments["manifest"] = publication.commitment
            case Grant(licence):
                commitments["terms"] = licence.terms
            case RecordOutcome() as reported:
                commitments["report"] = reported.outcome.report
            case _:
                pass
    for index, opening in enumerate(evidence["openings"]):
        name, of = f"bundle openings[{index}]", opening.get("of")
        for member in sorted({"of", "salt", "content"} ^ {*opening}):
            yield Finding(name, member, "is missing or does not belong here")
        commitment = commitments.pop(of, None) if isinstance(of, str) else None
        if commitment is None:
            yield Finding(name, "of", "is nothing that this print committed to, or is there twice")
        elif not _opens(str(of), opening, commitment):
            yield Finding(name, "of, salt, content", "does not open the commitment")


def _opens(of: str, opening: Mapping[str, Any], commitment: bytes) -> bool:
    salt, content = opening.get("salt"), opening.get("content")
    if not isinstance(salt, str) or not isinstance(content, str):
        return False
    try:
        raw = bytes.fromhex(salt.removeprefix("0x"))
        made = _COMMIT[of](raw, content.encode())
    except (ValueError, LedgerError):
        return False
    return salt == "0x" + raw.hex() and made == commitment


def _against(chain: Chain, domain: Domain, steps: list[Step]) -> Iterator[Finding]:
    """Yield where a chain disagrees: which chain and contract, the blocks, the contract's own counters."""
    if chain.chain_id() != domain.chain_id:
        yield Finding("bundle", "chain_id", f"the node serves chain {chain.chain_id()}")
        return
    if not is_print_ledger(chain.code(domain.contract)):
        yield Finding("bundle", "contract", "is no print ledger on this chain")
        return
    headers = chain.headers([step.shown.block.number for step in steps])
    for step, header in zip(steps, headers, strict=True):
        if header is None or header.hash != step.shown.block.hash:
            yield Finding(step.name, "receipt.hash, receipt.header", "is not a block of this chain")
    reported = any(isinstance(step.operation, RecordOutcome) for step in steps)
    for step in steps:
        if isinstance(step.operation, RecordPrint):
            claim = step.operation.claim
            place = (claim.licence, claim.sequence)
            if not _asked(chain, domain.contract, "isRecorded", *place):
                yield Finding(step.name, "operation.claim.sequence", "the contract has not counted it")
            if _asked(chain, domain.contract, "isReported", *place) != reported:
                problem = "the contract has an outcome and the file has none, or the reverse"
                yield Finding("bundle", "operations", problem)
            yield from _counters(chain, domain.contract, steps, claim.sequence)


def _asked(chain: Chain, contract: str, view: str, licence: bytes, sequence: int) -> bool:
    answer = chain.call(contract, encode_query(view, licence, sequence))
    return bool(decode_query(view, answer)[0])


def _counters(chain: Chain, contract: str, steps: list[Step], sequence: int) -> Iterator[Finding]:
    signed = licence_of(steps)
    rows = [step for step in steps if isinstance(step.operation, Grant | Transfer)]
    if signed is None:
        return
    answer = chain.call(contract, encode_query("licenceState", signed.struct_hash()))
    state = decode_query("licenceState", answer)[0]
    provider, starts, expires, prints, _, credited, used, *_, printers = state
    told = (checksum_address("provider", provider), starts, expires, printers)
    said = (signed.provider, signed.starts_at, signed.expires_at, signed.printers)
    for name, one, other in zip(("provider", "startsAt", "expiresAt", "printers"), said, told, strict=True):
        if one != other:
            yield Finding(rows[-1].name, f"operation.licence.{name}", f"the contract says {other!r}")
    if prints > signed.prints or used < 1 or sequence > prints + credited:
        problem = f"the contract counts {used} of {prints} and {credited} credited"
        yield Finding(rows[-1].name, "operation.licence.prints", problem)


def _later(value: object, newest: int) -> bool:
    """Return whether a value is an RFC 3339 UTC time not before the newest block's."""
    if not isinstance(value, str) or not value.endswith("Z"):
        return False
    try:
        return datetime.fromisoformat(value).timestamp() >= newest
    except ValueError:
        return False
