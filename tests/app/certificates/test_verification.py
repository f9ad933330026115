"""What anybody may ask of a print: what the chain tells, no name of anybody, and what a certificate shown is
worth.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest

from app.certificates import checking
from tests.app.certificates.printed import Printed
from tests.app.parties import problem
from tests.app.service import Service

SERVICE_ID = re.compile(r"\b(?:org|key|dsn|rev|lic|prt|job|rel)_[0-9a-z]{26}\b")
UNKNOWN = ["0x" + "11" * 32, "0x11", "job_" + "0" * 26, "0x" + "zz" * 32]


def shown(service: Service, name: str, content: bytes) -> httpx2.Response:
    """Send a certificate as the page's form does."""
    return service.client.post(f"/verify/{name}", files={"certificate": ("c.json", content)})


def canaries(case: Printed) -> list[str]:
    """Words of the tenants that nobody else may read."""
    names = [party.expect(200, "GET", "/v1/me")["name"] for party in (case.owner, case.provider)]
    return [*names, "Leg cap", "part.stl", "Printer\n", "Workhorse", case.serial, "LOT 7", case.owner.address]


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


class TestLook:
    def test_tells_what_the_chain_tells(self, service: Service, case: Printed) -> None:
        seen = service.client.get(f"/v1/verification/{case.name}").json()
        row = case.owner.expect(200, "GET", f"/v1/prints/{case.release['print_id']}")
        assert (seen["chain_id"], seen["contract"]) == (service.domain.chain_id, service.domain.contract)
        assert (seen["licence"], seen["printer"]) == (row["licence_hash"], row["printer_hash"])
        assert (seen["sequence"], seen["allowed"]) == (1, 2)
        assert seen["recorded"]["transaction"] == row["receipt"]["transaction"]
        assert seen["outcome"]["result"] == "completed"
        assert seen["outcome"]["recorded"]["block_number"] == row["outcome_receipt"]["block_number"]
        assert (seen["licence_revoked"], seen["printer_retired"]) == (False, False)

    def test_names_nobody(self, service: Service, case: Printed) -> None:
        for path in (f"/v1/verification/{case.name}", f"/verify/{case.name}"):
            text = service.client.get(path).text
            assert SERVICE_ID.search(text) is None
            assert [word for word in canaries(case) if word in text] == []

    @pytest.mark.parametrize("name", UNKNOWN)
    def test_knows_no_other_print(self, service: Service, name: str) -> None:
        refused = problem(service.client.get(f"/v1/verification/{name}"), "not-found")
        assert refused["detail"] == "no such print on this ledger"
        page = service.client.get(f"/verify/{name}")
        assert (page.status_code, "No such print on this ledger" in page.text) == (404, True)
        assert problem(service.client.post(f"/v1/verification/{name}", json={}))["status"] == 404
        assert shown(service, name, b"{}").status_code == 404

    def test_tells_of_prints_without_outcome_revoked_and_retired(
        self, service: Service, under_way: Printed
    ) -> None:
        seen = service.client.get(f"/v1/verification/{under_way.name}").json()
        assert (seen["outcome"], seen["licence_revoked"], seen["printer_retired"]) == (None, True, True)
        text = Page(service.client.get(f"/verify/{under_way.name}")).text
        for word in ("not reported yet", "revoked since", "retired since"):
            assert word in text

    @pytest.mark.parametrize(("result", "said"), [("failed", "failed"), ("cancelled", "was cancelled")])
    def test_praises_no_print_that_went_wrong(
        self, service: Service, result: str, said: str, request: pytest.FixtureRequest
    ) -> None:
        wrong: Printed = request.getfixturevalue(result)
        assert f"This print {said}" in Page(service.client.get(f"/verify/{wrong.name}")).text
        text = Page(shown(service, wrong.name, json.dumps(wrong.certificate()).encode())).text
        assert f"Genuine, of a print that {said}" in text
        assert "No good part came of this print" in text


class TestCheck:
    def test_finds_a_genuine_certificate_so(self, service: Service, case: Printed) -> None:
        answer = service.client.post(f"/v1/verification/{case.name}", json=case.certificate())
        found = answer.json()
        assert (answer.status_code, found["ok"]) == (200, True)
        assert [each["check"] for each in found["checks"]] == [
            *("statements", "signatures", "proofs", "links", "report", "chain", "expected"),
        ]
        assert all(each["ok"] for each in found["checks"])

    @pytest.mark.parametrize(
        ("path", "value", "check"),
        [
            (("report", "serials"), ["SN-forged"], "report"),
            (("report", "measurements", 1, "verdict"), "pass", "report"),
            (("report_salt",), "0x" + "00" * 32, "report"),
            (("operations", 1, "operation", "licence", "prints"), 9, "signatures"),
            (("operations", 2, "operation", "printer_signature"), "0x" + "11" * 64, "signatures"),
            (("operations", 3, "receipt", "log"), 7, "proofs"),
            (("contract",), "0x" + "11" * 20, "expected"),
            (("print",), "0x" + "11" * 32, "expected"),
        ],
    )
    def test_names_the_check_that_fails(
        self, service: Service, case: Printed, path: tuple[Any, ...], value: Any, check: str
    ) -> None:
        forged = copy.deepcopy(case.certificate())
        place: Any = forged
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        found = service.client.post(f"/v1/verification/{case.name}", json=forged).json()
        failed = [each["check"] for each in found["checks"] if not each["ok"]]
        assert (found["ok"], check in failed) == (False, True)
        page = Page(shown(service, case.name, json.dumps(forged).encode()))
        assert "Do not trust this certificate" in page.text
        assert "What the certificate says" not in page.text

    def test_takes_no_certificate_of_another_print(
        self, service: Service, case: Printed, failed: Printed
    ) -> None:
        found = service.client.post(f"/v1/verification/{failed.name}", json=case.certificate()).json()
        assert [each["check"] for each in found["checks"] if not each["ok"]] == ["expected"]

    @pytest.mark.parametrize("content", [b"", b"hello", b"[]", b"{}", b"\xff" * 100, b"[" * 90_000])
    def test_says_what_is_no_certificate(self, service: Service, case: Printed, content: bytes) -> None:
        page = shown(service, case.name, content)
        assert (page.status_code, "That is no certificate" in page.text) == (422, True)
        assert service.client.post(f"/verify/{case.name}", content=content).status_code == 422

    def test_says_which_member_is_wrong(self, service: Service, case: Printed) -> None:
        refused = service.client.post(f"/v1/verification/{case.name}", json=case.certificate() | {"x": 1})
        assert (refused.status_code, problem(refused, "invalid-request")["field"]) == (422, "x")

    def test_takes_no_more_than_a_certificates_length(self, service: Service, case: Printed) -> None:
        padded = json.dumps(case.certificate()).encode() + b" " * 600_000
        assert shown(service, case.name, padded).status_code == 422
        assert shown(service, case.name, b" " * 2_000_000).status_code == 413

    def test_keeps_nothing(self, service: Service, case: Printed) -> None:
        mark = "partvault-canary-never-to-be-kept"
        forged = json.dumps(case.certificate() | {"report": case.certificate()["report"] | {"agent": mark}})
        assert shown(service, case.name, forged.encode()).status_code == 200
        kept = [path for path in service.data_dir.rglob("*") if path.is_file()]
        assert [path.name for path in kept if mark.encode() in path.read_bytes()] == []

    def test_runs_few_at_one_time(self, service: Service, case: Printed) -> None:
        content = case.certificate()
        for _ in range(checking.AT_ONCE):
            assert checking._TURNS.acquire(blocking=False)
        try:
            refused = service.client.post(f"/v1/verification/{case.name}", json=content)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            page = shown(service, case.name, json.dumps(content).encode())
            assert (page.status_code, page.headers["retry-after"]) == (503, "2")
            assert "This says nothing of the print" in page.text
        finally:
            for _ in range(checking.AT_ONCE):
                checking._TURNS.release()


class TestPage:
    def test_needs_no_script_and_nothing_from_elsewhere(self, service: Service, case: Printed) -> None:
        pages = [service.client.get(f"/verify/{name}") for name in (case.name, UNKNOWN[0])]
        pages += [shown(service, case.name, content) for content in (b"", self._content(case))]
        for answer in pages:
            page = Page(answer)
            assert not {"script", "img", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
            links = [
                value for _, attrs in page.tags for name, value in attrs.items() if name in ("href", "src")
            ]
            assert links == ["data:,"]
            assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
            assert not any("style" in attrs for _, attrs in page.tags)
            assert ("html", {"lang": "en"}) in page.tags
            assert any(attrs.get("name") == "viewport" for _, attrs in page.tags)

    def test_says_so_to_the_browser(self, service: Service, case: Printed) -> None:
        for answer in (service.client.get(f"/verify/{case.name}"), shown(service, case.name, b"")):
            (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
            known = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
            policy = dict(
                part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
            )
            assert policy == {
                "default-src": "'none'",
                "style-src": f"'sha256-{known}'",
                "img-src": "data:",
                "form-action": "'self'",
                "base-uri": "'none'",
                "frame-ancestors": "'none'",
            }
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"

    def test_tells_each_check_and_what_a_genuine_certificate_says(
        self, service: Service, case: Printed
    ) -> None:
        page = Page(shown(service, case.name, self._content(case)))
        for word in (
            *("The certificate is genuine", "The printer signed this report", case.serial, "part.stl"),
            *("Workhorse", "PETG, batch LOT 7", "12.41 g", "bore", "22.04 mm", case.owner.address),
        ):
            assert word in page.text, word

    def test_draws_no_tag_that_a_report_holds(self, service: Service, cancelled: Printed) -> None:
        page = Page(shown(service, cancelled.name, self._content(cancelled)))
        assert "<script>alert(1)</script>" in page.text
        assert not {"script", "img"} & {tag for tag, _ in page.tags}

    def _content(self, case: Printed) -> bytes:
        return json.dumps(case.certificate()).encode()
