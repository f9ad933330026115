"""The public pages: what the ledger says of a print, and what a certificate shown to it is worth."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from fastapi.responses import HTMLResponse

from app.certificates import html
from app.certificates.public_print import PublicPrint, Recorded
from ledger.audit import Finding
from ledger.certificate import Certified
from ledger.certificate_audit import Check, Verification
from ledger.typed_data import Domain

CERTIFICATE: Final = "certificate"
_FINDINGS_MAX: Final = 5
_CHECKS: Final = {
    Check.STATEMENTS: "It holds the licence, the printer's enrolment, the print and its outcome",
    Check.SIGNATURES: "Owner, provider and printer signed them",
    Check.PROOFS: "The ledger's events for them are proven",
    Check.LINKS: "They belong to one licence, one printer and one print",
    Check.REPORT: "The printer signed this report",
    Check.CHAIN: "The ledger has these blocks, and counts this print",
    Check.EXPECTED: "It is the certificate of the print on this page",
}
_RESULTS: Final = {
    "completed": "completed, by the printer's signed report",
    "failed": "failed, by the printer's signed report",
    "cancelled": "cancelled, by the printer's signed report",
}


def of_print(seen: PublicPrint, domain: Domain) -> HTMLResponse:
    """Give the page of a print on the ledger."""
    if seen.outcome is None:
        header = html.verdict("plain", "…", "This print is on the ledger", "Its outcome is not reported yet.")
    elif seen.outcome.result == "completed":
        header = html.verdict(
            "good", "✓", "This print is on the ledger", "It was licensed, counted and completed."
        )
    else:
        header = html.verdict(
            "bad", "!", f"This print {_ended(seen)}", "It is on the ledger; no good part came of it."
        )
    return html.page("Print on the ledger", header, _about(seen), _show_certificate(), _ledger(seen, domain))


def of_check(seen: PublicPrint, domain: Domain, verified: Verification) -> HTMLResponse:
    """Give the page that answers a certificate shown: each check, and what the certificate says."""
    rows = [
        (not found, _CHECKS[check], [_sentence(each) for each in found[:_FINDINGS_MAX]])
        for check, found in verified.found.items()
    ]
    if verified.ok and seen.outcome is not None and seen.outcome.result != "completed":
        title = f"Genuine, of a print that {_ended(seen)}"
        header = html.verdict("bad", "!", title, "No good part came of this print.")
    elif verified.ok:
        sentence = "Now compare its serial number with the part's."
        header = html.verdict("good", "✓", "The certificate is genuine", sentence)
    else:
        header = html.verdict(
            "bad",
            "✗",
            "Do not trust this certificate",
            "It is not what the ledger and the signatures say. What is wrong stands below.",
        )
    said = [_says(verified.says)] if verified.ok and verified.says is not None else []
    checks = html.section("What was checked", html.checklist(rows))
    return html.page(
        "Certificate checked", header, *said, checks, _about(seen), _show_certificate(), _ledger(seen, domain)
    )


def no_certificate(seen: PublicPrint, domain: Domain, problem: str) -> HTMLResponse:
    """Give the page that answers something that is no certificate."""
    header = html.verdict("bad", "✗", "That is no certificate", f"{problem[:300]}.")
    return html.page(
        "No certificate", header, _show_certificate(), _about(seen), _ledger(seen, domain), status=422
    )


def unknown() -> HTMLResponse:
    """Give the page for a name that this ledger does not know."""
    header = html.verdict(
        "bad",
        "✗",
        "No such print on this ledger",
        "Either the code was misread, or the paper it stands on is not genuine.",
    )
    return html.page("No such print", header, status=404)


def unavailable() -> HTMLResponse:
    """Give the page for a moment at which the ledger does not answer."""
    header = html.verdict(
        "plain",
        "…",
        "The ledger cannot be asked now",
        "Try again in a moment. This says nothing of the print.",
    )
    response = html.page("Try again", header, status=503)
    response.headers["Retry-After"] = "2"
    return response


def _about(seen: PublicPrint) -> str:
    outcome = "not reported yet" if seen.outcome is None else _RESULTS[seen.outcome.result]
    rows = [
        ("Print", f"number {seen.sequence} of {seen.allowed} that the licence allows"),
        ("Counted", _moment(seen.recorded)),
        ("Outcome", outcome),
    ]
    if seen.outcome is not None:
        rows.append(("Reported", _moment(seen.outcome.recorded)))
    revoked = "revoked since; prints already counted stand" if seen.licence_revoked else "not revoked"
    rows.append(("Licence", revoked))
    if seen.printer_retired:
        rows.append(("Printer", "retired since"))
    return html.section("What the ledger says", html.facts(rows))


def _show_certificate() -> str:
    return html.section(
        "Check the part in your hand",
        html.paragraph(
            "The ledger holds no names and no serial numbers. The certificate file (JSON) that comes with the"
            " part does. It is checked here against the ledger and not kept."
        ),
        html.upload(CERTIFICATE, "Certificate file", "Check it"),
    )


def _ledger(seen: PublicPrint, domain: Domain) -> str:
    rows = [
        ("Print", f"0x{seen.print.hex()}"),
        ("Licence", f"0x{seen.licence.hex()}"),
        ("Printer", f"0x{seen.printer.hex()}"),
        ("Transaction", f"0x{seen.recorded.transaction.hex()}"),
        ("Contract", domain.contract),
        ("Chain", str(domain.chain_id)),
    ]
    return html.folded(
        "For experts: names on the chain",
        html.paragraph(
            "You need not believe this page: partvault certificate verify checks a certificate with any node"
            " of the chain."
        ),
        html.facts(rows),
    )


def _says(says: Certified) -> str:
    """What a genuine certificate says of the part."""
    report, licence = says.report, says.licence
    machine = report.machine.model + (f", serial {report.machine.serial}" if report.machine.serial else "")
    material = ", ".join(
        word
        for word in (report.material.name, report.material.batch and f"batch {report.material.batch}")
        if word
    )
    rows = [
        ("Serial number", ", ".join(report.serials) or "none was given"),
        ("Part", f"{report.part.file}, revision {report.part.revision}"),
        ("Machine", machine),
        ("Material", material or "not named"),
        ("Printed", _span(report.started_at, report.ended_at)),
        *([("Mass", f"{report.mass_g} g")] if report.mass_g else []),
        ("Owner", licence.owner),
        ("Provider", licence.provider),
    ]
    measured = html.table(
        ["Measured", "Value", "Limits", "Verdict"],
        [
            [each.name, f"{each.value} {each.unit}", _limits(each.lower, each.upper), each.verdict or "–"]
            for each in report.measurements
        ],
    )
    return html.section(
        "What the certificate says",
        html.facts(rows),
        measured if report.measurements else "",
        html.paragraph("Nobody's name is on the ledger: ask the owner whether that account is theirs."),
    )


def _span(started_at: int | None, ended_at: int) -> str:
    ended = _time(ended_at)
    return f"never started, ended {ended}" if started_at is None else f"{_time(started_at)} to {ended}"


def _limits(lower: str | None, upper: str | None) -> str:
    return "–" if lower is None and upper is None else f"{lower or '…'} to {upper or '…'}"


def _moment(where: Recorded) -> str:
    return f"{_time(where.block_time)}, block {where.block_number}"


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _ended(seen: PublicPrint) -> str:
    return "was cancelled" if seen.outcome and seen.outcome.result == "cancelled" else "failed"


def _sentence(finding: Finding) -> str:
    return f"{finding.row}, {finding.field}: {finding.problem}"[:300]
