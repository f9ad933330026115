"""The release: never before the count, healed after every interruption, the same bytes for ever."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import submission
from app.sweeping import ORPHAN_AGE_S, Sweeper
from ledger.facts import fact_of
from ledger.operations import RecordPrint
from ledger.typed_data import Enrolment, Licence, PrintClaim
from storage.errors import SealInvalid
from storage.recipients import open_sealed
from tests.app.impatient import SETTLED, Impatient, impatient_service
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.service import Service


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Impatient]:
    folder: Path = tmp_path_factory.mktemp("impatient")
    with impatient_service(folder) as running:
        yield running


class TestConclude:
    def test_answers_the_retry_when_the_chain_has_spoken(self, market: Impatient) -> None:
        licence, printer = market.licence(), market.printer()
        token = market.provider.authorise(licence, printer)["token"]
        first = printer.redeem(token, "my-own-retry")
        assert first.status_code in SETTLED
        assert first.status_code == 200 or first.headers["retry-after"] == "1"
        market.recorded(licence)
        again = printer.redeem(token, "my-own-retry")
        assert again.status_code == 200, again.text
        assert printer.redeem(token, "my-own-retry").content == again.content
        problem(printer.redeem(token, "another-retry"), "token-spent")
        assert market.provider.recorded(licence) == 1

    def test_needs_no_retry(self, market: Impatient) -> None:
        """The printer never came back; the worker ends what the chain has counted."""
        licence, printer = market.licence(), market.printer()
        authorised = market.provider.authorise(licence, printer)
        assert printer.redeem(authorised["token"], "lost-retry-1").status_code in SETTLED
        market.recorded(licence)
        market.sweeper.sweep()
        market.sweeper.sweep()
        seen = market.provider.expect(200, "GET", f"/v1/prints/{authorised['id']}")
        assert (seen["state"], seen["release_id"][:4]) == ("redeemed", "rel_")
        assert printer.redeem(authorised["token"], "lost-retry-1").json()["release_id"] == seen["release_id"]

    @pytest.mark.parametrize("change", ["revoke", "retire", "quarantine", "rewrite"])
    def test_withholds_the_key_of_what_was_withdrawn_meanwhile(self, market: Impatient, change: str) -> None:
        licence, printer = market.licence(), market.printer()
        authorised = market.provider.authorise(licence, printer)
        first = printer.redeem(authorised["token"], "late-retry-1")
        assert first.status_code in SETTLED
        market.recorded(licence)
        if change == "revoke":
            market.owner.call("POST", f"/v1/licences/{licence['id']}/revoke", json={})
        elif change == "retire":
            market.provider.call("POST", f"/v1/printers/{printer.id}/retire", json={})
        elif change == "quarantine":
            place = f"/v1/printers/{printer.id}/quarantine"
            market.provider.expect(200, "POST", place, json={"reason": "its door was open"})
            market.sweeper.sweep()
        else:
            statement = "update revisions set manifest = replace(manifest, 'PETG', 'PVC') where id = ?"
            market.service.execute(statement, licence["revision_id"])
        released = market.released(authorised["id"])
        late = printer.redeem(authorised["token"], "late-retry-1")
        if released:  # the chain was faster than the withdrawal
            assert late.json()["release_id"] == released
            return
        assert late.status_code == 409
        seen = market.provider.expect(200, "GET", f"/v1/prints/{authorised['id']}")
        assert (seen["state"], seen["release_id"]) == ("refused", None)
        expected = {
            "revoke": "licence_revoked",
            "retire": "printer_retired",
            "quarantine": "printer_quarantined",
            "rewrite": "integrity",
        }[change]
        assert seen["reasons"][0]["code"] == expected
        held = "select holds_sequence from prints where id = ?"
        assert market.service.column(held, authorised["id"]) == 1

    def test_refuses_what_the_contract_rejects_and_frees_the_number(
        self, service: Service, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        """A claim whose deadline has passed reaches the chain: policy cannot foresee that."""
        licence = owner.license(revision, provider, prints=1)
        authorised = provider.authorise(licence, printer)
        issued = PrintClaim.from_json(printer.claim(authorised["token"]).json()["claim"])
        late = replace(issued, deadline=1)
        key_x, key_y = printer.coordinates()
        operation = RecordPrint(late, key_x, key_y, bytes.fromhex(printer.sign(late)[2:]), ())
        statement = "update prints set state = 'redeeming', redeem_key = 'doomed-retry', record_operation = ?"
        with service.services.database.write() as session:
            submission.append(session, operation)
        service.execute(f"{statement} where id = ?", operation.operation_id, authorised["id"])
        refused = printer.redeem_claim(authorised["token"], issued, "doomed-retry")
        assert refused.status_code == 409
        (reason,) = problem(refused)["reasons"]
        assert (reason["code"], reason["source"]) == ("claim_expired", "contract")
        assert provider.recorded(licence) == 0
        again = provider.authorise(licence, printer)
        assert again["sequence"] == 1
        assert printer.redeem(again["token"]).status_code == 200


class TestRewound:
    """An insider at the database takes a print back to before its release, to have it released again."""

    @pytest.fixture
    def released(self, market: Impatient) -> tuple[dict[str, Any], str]:
        """A licence, and the print that was released under it."""
        licence, printer = market.licence(), market.printer()
        authorised = market.provider.authorise(licence, printer)
        assert printer.redeem(authorised["token"]).status_code in SETTLED
        market.recorded(licence)
        market.sweeper.sweep()
        return licence, authorised["id"]

    def rewound(self, market: Impatient, print_id: str) -> tuple[str, str]:
        """The print's state and the reason after its release was deleted and the worker came round."""
        market.service.execute("delete from releases where print_id = ?", print_id)
        market.service.execute("update prints set state = 'redeeming' where id = ?", print_id)
        market.sweeper.sweep()
        told = "select reasons from prints where id = ?"
        state = market.service.column("select state from prints where id = ?", print_id)
        return state, market.service.column(told, print_id)

    def test_is_sealed_to_the_enrolled_printer(
        self, market: Impatient, released: tuple[dict[str, Any], str]
    ) -> None:
        assert self.rewound(market, released[1]) == ("redeemed", "[]")

    def test_is_not_sealed_to_a_printer_that_only_the_row_knows(
        self, market: Impatient, released: tuple[dict[str, Any], str]
    ) -> None:
        """Every key and signature of the forged row fits the others; the provider never approved it."""
        forged = Printer(market.service, "forged")
        key_x, key_y = forged.coordinates()
        address = market.provider.address
        market.service.execute(
            "update printers set key_x = ?, key_y = ?, printer_hash = ?, sealing_public = ?,"
            " sealing_signature = ? where id = (select printer_id from prints where id = ?)",
            key_x,
            key_y,
            Enrolment(address, key_x, key_y).struct_hash(),
            forged.sealing.public,
            bytes.fromhex(forged.signatures(address)["sealing_signature"][2:]),
            released[1],
        )
        state, told = self.rewound(market, released[1])
        assert state == "refused"
        assert "printer prt_" in told
        assert "not one that the chain knows" in told

    def test_is_not_sealed_under_a_licence_that_only_the_row_knows(
        self, market: Impatient, released: tuple[dict[str, Any], str]
    ) -> None:
        """The insider is a provider with an enrolled printer, and forges the licence that names it."""
        licence, print_id = released
        insider = Impatient(market.service, market.owner, new_party(market.service, "provider"))
        forged = replace(Licence.from_json(licence["licence"]), provider=insider.provider.address)
        market.service.execute(
            "update licences set statement = ?, licence_hash = ?, provider_id = ? where id = ?",
            json.dumps(forged.to_json()),
            forged.struct_hash(),
            insider.provider.id,
            licence["id"],
        )
        market.service.execute(
            "update prints set printer_id = ? where id = ?", insider.printer().id, print_id
        )
        state, told = self.rewound(market, print_id)
        assert state == "refused"
        assert f"licence {licence['id']} is not one that the chain knows" in told


class TestForged:
    """An insider at the database writes that the chain has confirmed what it never saw."""

    def redeeming(self, market: Impatient, operation_id: str, print_id: str) -> None:
        statement = "update prints set state = 'redeeming', redeem_key = 'forged-retry', redeemed_at = ?"
        now = market.service.clock.now()
        market.service.execute(f"{statement}, record_operation = ? where id = ?", now, operation_id, print_id)

    def test_confirmation_releases_nothing(self, market: Impatient) -> None:
        licence, printer = market.licence(), market.printer()
        authorised = market.provider.authorise(licence, printer)
        claim = PrintClaim.from_json(printer.claim(authorised["token"]).json()["claim"])
        key_x, key_y = printer.coordinates()
        operation = RecordPrint(claim, key_x, key_y, bytes.fromhex(printer.sign(claim)[2:]), ())
        copied = (
            "insert into ledger_operations (operation_id, kind, body, fact, state, appended_at, tx_hash,"
            " block_number, block_hash, block_time, log_index, settled, reverts)"
            " select ?, ?, ?, ?, 'confirmed', appended_at, tx_hash, block_number, block_hash, block_time,"
            " log_index, 1, 0 from ledger_operations where state = 'confirmed' limit 1"
        )
        name = operation.operation_id
        body = json.dumps(operation.to_json())
        market.service.execute(copied, name, operation.kind, body, fact_of(operation))
        try:
            self.redeeming(market, name, authorised["id"])
            assert printer.redeem_claim(authorised["token"], claim, "forged-retry").status_code == 202
            market.sweeper.sweep()
            seen = market.provider.expect(200, "GET", f"/v1/prints/{authorised['id']}")
            assert (seen["state"], seen["release_id"]) == ("redeeming", None)
            assert market.provider.recorded(licence) == 0
        finally:
            market.service.execute("update prints set state = 'authorised' where id = ?", authorised["id"])
            market.service.execute("delete from ledger_operations where operation_id = ?", name)

    def test_pointer_to_anothers_confirmation_releases_nothing(self, market: Impatient) -> None:
        licence, printer = market.licence(), market.printer()
        real, forged = (market.provider.authorise(licence, printer) for _ in "12")
        assert printer.redeem(real["token"]).status_code in SETTLED
        market.recorded(licence)
        operation = market.service.column("select record_operation from prints where id = ?", real["id"])
        same_number = "update prints set sequence = ?, holds_sequence = 0 where id = ?"
        market.service.execute(same_number, real["sequence"], forged["id"])
        self.redeeming(market, operation, forged["id"])
        market.sweeper.sweep()
        seen = market.provider.expect(200, "GET", f"/v1/prints/{forged['id']}")
        assert (seen["state"], seen["release_id"]) == ("redeeming", None)


class TestSealedKey:
    def test_opens_for_the_printer_and_its_release_only(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider)
        release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
        blob, info = base64.b64decode(release["sealed_key"]["blob"]), release["info"]
        assert len(open_sealed(blob, printer.sealing, info.encode()).reveal()) == 32
        with pytest.raises(SealInvalid):
            open_sealed(blob, provider.printer().sealing, info.encode())
        for name, value in json.loads(info).items():
            changed = json.dumps(json.loads(info) | {name: "x"}, separators=(",", ":"), sort_keys=True)
            assert value != "x"
            with pytest.raises(SealInvalid):
                open_sealed(blob, printer.sealing, changed.encode())

    def test_says_what_it_is_bound_to(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider)
        release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
        assert json.loads(release["info"]) == {
            "format": "partvault/release/v1",
            "release": release["release_id"],
            "printer": release["printer_hash"],
            "object": release["object"]["context"],
            "commitment": revision["commitment"],
        }

    def test_is_in_no_file_and_no_answer_unsealed(
        self, service: Service, owner: Party, provider: Party, printer: Printer
    ) -> None:
        revision = owner.published()
        licence = owner.license(revision, provider)
        release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
        blob = base64.b64decode(release["sealed_key"]["blob"])
        key = open_sealed(blob, printer.sealing, release["info"].encode()).reveal()
        forms = [key, key.hex().encode(), base64.b64encode(key)[:-2], base64.urlsafe_b64encode(key)[:-2]]
        files = [path.read_bytes() for path in service.data_dir.rglob("*") if path.is_file()]
        assert not [form for form in forms for content in files if form in content]
        assert not [form for form in forms if form in json.dumps(release).encode()]


class TestDownload:
    @pytest.fixture
    def release(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> dict[str, Any]:
        licence = owner.license(revision, provider)
        return dict(printer.redeem(provider.authorise(licence, printer)["token"]).json())

    def test_gives_ranges(self, printer: Printer, release: dict[str, Any]) -> None:
        whole = printer.download(release)
        total = release["object"]["bytes"]
        assert (whole.status_code, len(whole.content)) == (200, total)
        assert whole.headers["accept-ranges"] == "bytes"
        wanted = {"bytes=10-19": (10, 20), "bytes=700-": (700, total), "bytes=-5": (total - 5, total)}
        for header, (start, end) in wanted.items():
            part = printer.download(release, Range=header)
            assert part.status_code == 206
            assert part.content == whole.content[start:end]
            assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{total}"

    @pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=5-4", "bytes=-0"])
    def test_refuses_a_range_outside(self, printer: Printer, release: dict[str, Any], header: str) -> None:
        refused = printer.download(release, Range=header)
        assert refused.status_code == 416
        problem(refused, "range-invalid")

    @pytest.mark.parametrize("header", ["bytes=0-1,3-4", "lines=1-2", "bytes=x-y"])
    def test_gives_the_whole_for_what_it_does_not_know(
        self, printer: Printer, release: dict[str, Any], header: str
    ) -> None:
        assert printer.download(release, Range=header).status_code == 200

    def test_hides_it_from_other_printers(self, provider: Party, release: dict[str, Any]) -> None:
        refused = provider.printer().download(release)
        assert refused.status_code == 404
        problem(refused, "not-found")


class TestSweeper:
    def test_removes_orphans_after_days_and_nothing_else(self, market: Impatient) -> None:
        revision, services = market.published(), market.service.services
        sweeper = Sweeper(services)
        known = set(services.objects.list())
        services.objects.put("orphan", [b"left behind"])
        assert sweeper.sweep_objects() == 0
        assert set(services.objects.list()) == known | {"orphan"}
        market.service.clock.forward(ORPHAN_AGE_S + 60)
        try:
            assert sweeper.sweep_objects() == 1
        finally:
            market.service.clock.forward(-ORPHAN_AGE_S - 60)
        assert set(services.objects.list()) == known
        assert market.service.object_path(revision["id"]).exists()
