"""Certificates: for the parties of a print that has an outcome, the same bytes each time, and genuine."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import segno

from ledger.certificate import parse
from ledger.certificate_audit import Expected, verify
from ledger.commitment import canonical_json
from ledger.web3_chain import Web3Chain
from tests.app.certificates.printed import Printed, drawing, printed, squares, streams, text_of
from tests.app.parties import Party, new_party, problem
from tests.app.service import Service


def auditor_of(party: Party) -> Party:
    made = party.expect(201, "POST", "/v1/api-keys", json={"name": "audit", "roles": ["auditor"]})
    return Party(party.service, party.id, made["key"], party.address)


@pytest.fixture(scope="module")
def pdf(case: Printed) -> bytes:
    answer = case.provider.call("GET", f"{case.path}.pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    return answer.content


class TestCertificate:
    def test_is_verified_without_the_service(self, service: Service, case: Printed) -> None:
        content = case.owner.call("GET", case.path).content
        chain = Web3Chain.http(str(service.services.ledger.rpc_url))
        expected = Expected(contract=service.domain.contract, owner=case.owner.address)
        seen = verify(parse(content), chain, expected)
        assert (seen.ok, seen.findings) == (True, [])
        assert seen.says is not None
        assert seen.says.report.serials == (case.serial,)
        assert (seen.says.sequence, seen.says.licence.prints) == (1, 2)

    def test_is_canonical_and_the_same_for_each_party_and_time(self, case: Printed) -> None:
        first = case.owner.call("GET", case.path).content
        assert first == canonical_json(json.loads(first))
        for party in (case.provider, auditor_of(case.owner), case.owner):
            assert party.call("GET", case.path).content == first

    def test_discloses_the_report_and_no_more(self, service: Service, case: Printed) -> None:
        manifest = json.loads(case.release["manifest"])
        text = case.owner.call("GET", case.path).text
        hidden = [manifest["files"][0]["sha256"], "bounds_mm", "recipe", "Leg cap", case.release["print_id"]]
        hidden += [party.expect(200, "GET", "/v1/me")["name"] for party in (case.owner, case.provider)]
        assert [each for each in hidden if each in text] == []
        assert case.release["salt"] not in text

    def test_is_hidden_from_others(self, service: Service, case: Printed) -> None:
        for role in ("owner", "provider", "auditor"):
            stranger = new_party(service, role)
            for path in (case.path, f"{case.path}.pdf"):
                assert stranger.call("GET", path).status_code == 404

    def test_waits_for_the_outcome(self, under_way: Printed) -> None:
        for suffix in ("", ".pdf"):
            refused = under_way.owner.call("GET", f"{under_way.path}{suffix}")
            assert "no outcome to certify" in problem(refused, "conflict")["detail"]

    @pytest.mark.parametrize("word", ["Failed", "Cancelled"])
    def test_says_so_where_the_print_went_wrong(self, word: str, request: pytest.FixtureRequest) -> None:
        wrong: Printed = request.getfixturevalue(word.lower())
        assert wrong.certificate()["report"]["result"] == word.lower()
        assert f"{word}: no good part" in text_of(wrong.owner.call("GET", f"{wrong.path}.pdf").content)

    def test_is_not_given_out_where_rows_were_altered(self, service: Service, failed: Printed) -> None:
        name = failed.release["print_id"]
        honest = service.column("select report from prints where id = ?", name)
        forged = honest.replace("failed", "completed")
        service.execute("update prints set report = ? where id = ?", forged, name)
        try:
            refused = problem(failed.owner.call("GET", failed.path), "integrity")
        finally:
            service.execute("update prints set report = ? where id = ?", honest, name)
        assert refused["field"] == "report, report_salt"


class TestPage:
    def test_tells_what_there_is_to_compare(self, service: Service, case: Printed, pdf: bytes) -> None:
        text, certificate = text_of(pdf), case.certificate()
        for word in (
            *("Leg cap", "part.stl, revision 1", case.serial, "Completed", "Print 1 of 2 licensed"),
            *("Workhorse", "PETG", "LOT 7", "12.41 g", "bore", "22.04 mm", "22.0 to 22.1", "pin gauge 4"),
            *("14 µm", "at most 12", "fail", case.owner.address, case.provider.address),
            *(certificate["print"], case.licence["licence_hash"], service.domain.contract),
            *(case.provider.expect(200, "GET", "/v1/me")["name"], "Started", "Ended", "Counted", "Reported"),
        ):
            assert word in text, word
        counted = case.provider.expect(200, "GET", f"/v1/prints/{case.release['print_id']}")
        assert counted["receipt"]["transaction"] in text
        assert counted["outcome_receipt"]["transaction"] in text

    def test_is_one_page_and_the_same_each_time(self, case: Printed, pdf: bytes) -> None:
        assert pdf.count(b"/Type /Page\n") == 1
        assert case.provider.call("GET", f"{case.path}.pdf").content == pdf

    def test_has_the_certificate_attached(self, case: Printed, pdf: bytes) -> None:
        assert canonical_json(case.certificate()) in streams(pdf)
        assert b"certificate.json" in pdf

    def test_has_a_code_that_leads_to_the_public_page(self, case: Printed, pdf: bytes) -> None:
        """The squares drawn are the modules of the code of that address, and no others."""
        link = f"http://testserver/verify/{case.name}"
        assert link in text_of(pdf)
        rows = [list(row) for row in segno.make(link, error="m", micro=False, boost_error=False).matrix]
        found = squares(pdf)
        left, top = min(x for x, *_ in found), max(y for _, y, *_ in found)
        module = min(abs(height) for *_, height in found)
        drawn = {
            (round((top - y) / module), round((x - left) / module) + step)
            for x, y, width, _ in found
            for step in range(round(width / module))
        }
        dark = {(line, place) for line, row in enumerate(rows) for place, bit in enumerate(row) if bit}
        assert drawn == dark

    def test_has_a_picture_for_those_who_may_see_the_part(self, case: Printed, pdf: bytes) -> None:
        assert b"/Subtype /Image" in pdf
        shown = auditor_of(case.owner).call("GET", f"{case.path}.pdf").content
        assert b"/Subtype /Image" not in shown
        assert case.serial in text_of(shown)

    def test_holds_the_longest_words(self, service: Service) -> None:
        rows: list[dict[str, Any]] = [
            {
                "name": f"{number:02} " + "w" * 61,
                "value": "-999999999999999999.123456789012",
                "unit": "w" * 32,
                "lower": None,
                "upper": None,
                "verdict": None,
                "instrument": "w" * 64,
            }
            for number in range(64)
        ]
        serials = [f"{number:02}" + "W" * 62 for number in range(64)]
        case = printed(service, serials=serials, measurements=rows, detail="w" * 1000)
        pdf = case.owner.call("GET", f"{case.path}.pdf").content
        assert "and 56 more in the attached certificate.json" in text_of(pdf)
        assert pdf.count(b"/Type /Page\n") == 1
        lines = re.findall(r"[\d.]+ (-?[\d.]+) Td [^(]*\(([^)]{0,20})", drawing(pdf))
        heights = {text: float(y) for y, text in lines}
        link = next(y for text, y in heights.items() if text.startswith("http"))
        assert link > heights["Anybody can draw a p"] > 0
