"""Judges a certificate: by itself, and against a chain where there is a node to ask.

By itself it shows that these parties signed these statements about this print, that the printer signed this
report of it, and that the chain's events for them are in blocks with these hashes. Whether those blocks are
the chain's, a node says; whether the owner is the one the reader means, the reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ledger.abi import decode_query, encode_query
from ledger.audit import Finding
from ledger.certificate import Certified, certified
from ledger.chain import Chain
from ledger.commitment import canonical_json
from ledger.errors import TypedDataError
from ledger.print_audit import Judgement, judge
from ledger.print_report import PrintReport


class Check(StrEnum):
    """What a certificate is held against, in this order."""

    STATEMENTS = "statements"
    SIGNATURES = "signatures"
    PROOFS = "proofs"
    LINKS = "links"
    REPORT = "report"
    CHAIN = "chain"
    EXPECTED = "expected"


@dataclass(frozen=True)
class Expected:
    """What the reader knows already: the print ledger's address, the owner's account, the print's name."""

    contract: str | None = None
    owner: str | None = None
    print: str | None = None


@dataclass(frozen=True)
class Standing:
    """What the chain says now of what the certificate rests on; a print that is recorded stays so."""

    licence_revoked: bool
    printer_retired: bool


@dataclass(frozen=True)
class Verification:
    """What each check found; a check that was not made is not there. `says` only where the file can be read.

    standing: of the chain now, where it was asked and agrees
    """

    found: Mapping[Check, Sequence[Finding]]
    says: Certified | None
    standing: Standing | None

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the certificate."""
        return not any(self.found.values())

    @property
    def findings(self) -> list[Finding]:
        """Everything found, in the order of the checks."""
        return [finding for findings in self.found.values() for finding in findings]


NOTHING_EXPECTED: Final = Expected()


def verify(
    certificate: Mapping[str, Any], chain: Chain | None = None, expected: Expected = NOTHING_EXPECTED
) -> Verification:
    """Judge a certificate that `ledger.certificate.parse` let through.

    1. Statements, proofs, signatures and links hold, as for evidence of a print (`ledger.print_audit.judge`).
    2. The report opens what the printer's outcome commits to, keeps to its format, and agrees with the
       statements: print, printer, revision, result, times.
    3. With a chain: contract, blocks and counters are there.
    4. Where the reader expects a contract, an owner or a print: it is that one.

    Raises ChainError if the chain cannot be read.
    """
    judged = judge(_evidence(certificate), chain)  # (1)
    report, unread = _report(certificate["report"])
    says = None if report is None else certified(judged.steps, report)
    found = {
        check: [_named(each) for each in judged.found[check.value]]
        for check in (Check.STATEMENTS, Check.SIGNATURES, Check.PROOFS, Check.LINKS)
    }
    found[Check.REPORT] = [*unread, *_opened(judged), *_agreeing(certificate, says)]  # (2)
    if "chain" in judged.found:
        found[Check.CHAIN] = [_named(each) for each in judged.found["chain"]]  # (3)
    if expected != NOTHING_EXPECTED:
        found[Check.EXPECTED] = [*_expected(certificate, says, expected)]  # (4)
    standing = None
    if chain is not None and says is not None and not any(found.values()):
        standing = _standing(chain, certificate["contract"], says)
    return Verification(found, says, standing)


def _evidence(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """Return the certificate as what `judge` takes."""
    try:
        content: object = canonical_json(certificate["report"]).decode()
    except TypedDataError:
        content = None
    return {
        **{name: certificate[name] for name in ("chain_id", "contract", "operations")},
        "openings": [{"of": "report", "salt": certificate["report_salt"], "content": content}],
    }


def _report(value: object) -> tuple[PrintReport | None, list[Finding]]:
    try:
        return PrintReport.from_json(value), []
    except TypedDataError as error:
        return None, [Finding("certificate", error.field, error.problem)]


def _opened(judged: Judgement) -> Iterator[Finding]:
    if judged.found["openings"]:
        problem = "are not what the printer's signed outcome commits to"
        yield Finding("certificate", "report, report_salt", problem)


def _agreeing(certificate: Mapping[str, Any], says: Certified | None) -> Iterator[Finding]:
    """Yield where print and report say other than the statements."""
    if says is None:
        yield Finding("certificate", "operations", "licence, enrolment, print and outcome are not all there")
        return
    if certificate["print"] != "0x" + says.print.hex():
        yield Finding("certificate", "print", "is not the print that was claimed")
    report = says.report
    told = {
        "print": (report.print, says.print),
        "printer": (report.printer, says.printer),
        "revision": (report.revision, says.licence.revision),
        "result": (report.result, says.result),
    }
    for name, (said, signed) in told.items():
        if said != signed:
            yield Finding("certificate", f"report.{name}", "is another than the statements name")
    problem = report.implausible(says.counted.time, says.reported.time)
    if problem is not None:
        yield Finding("certificate", f"report.{problem[0]}", problem[1])


def _expected(
    certificate: Mapping[str, Any], says: Certified | None, expected: Expected
) -> Iterator[Finding]:
    owner = None if says is None else says.licence.owner
    for name, wanted, found in (
        ("contract", expected.contract, certificate["contract"]),
        ("owner", expected.owner, owner),
        ("print", expected.print, certificate["print"]),
    ):
        if wanted is not None and wanted != found:
            yield Finding("certificate", name, f"is {found}, expected was {wanted}")


def _standing(chain: Chain, contract: str, says: Certified) -> Standing:
    questions = [encode_query("licenceState", says.licence_hash), encode_query("printerState", says.printer)]
    answers = chain.query(contract, questions)
    *_, revoked, _ = decode_query("licenceState", answers[0])[0]
    _, retired = decode_query("printerState", answers[1])
    return Standing(licence_revoked=bool(revoked), printer_retired=bool(retired))


def _named(finding: Finding) -> Finding:
    """Return a finding about a bundle's row as one about the certificate's."""
    return Finding(finding.row.replace("bundle", "certificate", 1), finding.field, finding.problem)
