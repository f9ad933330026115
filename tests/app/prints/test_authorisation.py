"""Authorisation: reasons, numbers, tokens, and integrity before anything is counted."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx2
import pytest

from app.clock import rfc3339
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.parts import box
from tests.app.service import Service


class TestReasons:
    def test_are_the_same_in_the_dry_run(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        printer = provider.printer(processes=["VPP"], build_volume_mm=[5, 5, 5])
        now = owner.service.clock.now()
        licence = owner.license(revision, provider, starts_at=rfc3339(now + 600))
        codes = provider.check(licence, printer)
        assert codes == ["licence_not_started", "process", "build_volume"]
        refused = provider.ask(licence, printer)
        assert refused.status_code == 409
        document = problem(refused, "print-not-permitted")
        assert [reason["code"] for reason in document["reasons"]] == codes
        assert all(reason["message"] in document["detail"] for reason in document["reasons"])

    def test_are_none_where_it_is_permitted(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        assert provider.check(owner.license(revision, provider), printer) == []

    def test_judge_a_part_as_its_recipe_stands_it(self, owner: Party, provider: Party) -> None:
        low, high = (provider.printer(build_volume_mm=volume) for volume in ([40, 40, 15], [15, 35, 40]))
        licences = [
            owner.license(owner.published(box((20, 30, 10)), **recipe), provider)
            for recipe in ({}, {"orientation": [1, 0, 0]})
        ]
        found = [[provider.check(licence, machine) for machine in (low, high)] for licence in licences]
        assert found == [[[], ["build_volume"]], [["build_volume"], []]]
        assert provider.ask(licences[1], high).status_code == 201

    def test_tell_of_a_revoked_licence(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider)
        owner.revoke(licence)
        assert provider.check(licence, printer) == ["licence_revoked"]

    def test_tell_of_a_retired_printer(self, owner: Party, provider: Party, revision: dict[str, Any]) -> None:
        licence, machine = owner.license(revision, provider), provider.printer()
        provider.expect(200, "POST", f"/v1/printers/{machine.id}/retire", json={})
        assert provider.check(licence, machine) == ["printer_retired"]

    def test_tell_of_a_printer_that_is_not_listed(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        listed = provider.printer()
        licence = owner.license(revision, provider, printers=[listed.id])
        assert provider.check(licence, printer) == ["printer_not_allowed"]
        assert provider.check(licence, listed) == []

    def test_tell_of_a_count_that_is_given_out(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider, prints=1)
        provider.authorise(licence, printer)
        assert provider.check(licence, printer) == ["count_reserved"]

    def test_are_the_same_of_print_and_count_together(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider, prints=1, terms={"processes": ["MEX"]})
        provider.authorise(licence, printer)
        other = owner.license(
            revision, provider, prints=1, terms={"processes": ["VPP"], "sites": ["Hamburg"]}
        )
        owner.revoke(licence)
        for asked, codes in (
            (licence, ["licence_revoked", "count_reserved"]),
            (other, ["terms_process", "site"]),
        ):
            assert provider.check(asked, printer) == codes
            refused = problem(provider.ask(asked, printer), "print-not-permitted")
            assert [reason["code"] for reason in refused["reasons"]] == codes


class TestNumber:
    def test_is_the_lowest_free_one(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider, prints=3)
        assert [provider.authorise(licence, printer)["sequence"] for _ in range(3)] == [1, 2, 3]

    def test_is_never_given_out_twice_at_one_time(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider, prints=5)
        answers: list[httpx2.Response] = []
        threads = [
            threading.Thread(target=lambda: answers.append(provider.ask(licence, printer))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        given = [answer.json()["sequence"] for answer in answers if answer.status_code == 201]
        assert sorted(given) == [1, 2, 3, 4, 5]
        assert [a.status_code for a in answers if a.status_code != 201] == [409] * 3

    def test_cannot_be_held_twice_whatever_the_code_does(
        self, service: Service, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider)
        first, second = (provider.authorise(licence, printer)["id"] for _ in range(2))
        with pytest.raises(Exception, match="UNIQUE constraint failed"):
            service.execute("update prints set sequence = 1 where id in (?, ?)", first, second)


class TestToken:
    def test_is_kept_as_its_digest_only(
        self, service: Service, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        token = provider.authorise(owner.license(revision, provider), printer)["token"]
        assert len(bytes.fromhex(token.removeprefix("pvt_"))) == 32
        for path in service.data_dir.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert token.encode() not in content, path
                assert bytes.fromhex(token[4:]) not in content, path

    def test_is_shown_again_to_the_same_request(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider, prints=1)
        first = provider.ask(licence, printer, "the-same-key")
        again = provider.ask(licence, printer, "the-same-key")
        assert (first.status_code, first.json()) == (again.status_code, again.json())

    def test_is_not_shown_to_another_request_with_its_key(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence, other = owner.license(revision, provider), provider.printer()
        assert provider.ask(licence, printer, "reused-key").status_code == 201
        refused = provider.ask(licence, other, "reused-key")
        assert refused.status_code == 422
        assert problem(refused, "idempotency-key-reused")["field"] == "Idempotency-Key"

    def test_needs_an_idempotency_key(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider)
        refused = provider.call(
            "POST", "/v1/prints", json={"licence_id": licence["id"], "printer_id": printer.id}
        )
        assert refused.status_code == 422
        assert problem(refused)["field"] == "header.Idempotency-Key"


class TestTenancy:
    def test_hides_other_providers_licences_and_printers(
        self, service: Service, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence, rival = owner.license(revision, provider), new_party(service, "provider")
        theirs = rival.printer()
        assert problem(rival.ask(licence, theirs), "not-found")["detail"].startswith("there is no licence")
        assert problem(provider.ask(licence, theirs), "not-found")["detail"].startswith("there is no printer")
        mine = owner.license(revision, rival)
        assert problem(rival.ask(mine, printer), "not-found")["detail"].startswith("there is no printer")


class TestIntegrity:
    @pytest.mark.parametrize("damage", ["flipped", "truncated", "extended", "swapped", "missing"])
    def test_names_a_damaged_object_before_a_number_is_used(
        self, service: Service, owner: Party, provider: Party, printer: Printer, damage: str
    ) -> None:
        revision, other = owner.published(box(header=damage.encode())), owner.published()
        licence = owner.license(revision, provider, prints=1)
        path = service.object_path(revision["id"])
        sound = path.read_bytes()
        path.chmod(0o600)
        {
            "flipped": lambda: path.write_bytes(sound[:99] + bytes([sound[99] ^ 1]) + sound[100:]),
            "truncated": lambda: path.write_bytes(sound[:-1]),
            "extended": lambda: path.write_bytes(sound + b"x"),
            "swapped": lambda: path.write_bytes(service.object_path(other["id"]).read_bytes()),
            "missing": path.unlink,
        }[damage]()
        refused = provider.ask(licence, printer)
        assert refused.status_code == 409
        named = {"flipped": "altered", "swapped": "altered"}.get(damage, damage)
        assert f"object {named}" in problem(refused, "stored-object-damaged")["detail"]
        path.write_bytes(sound)
        assert provider.authorise(licence, printer)["sequence"] == 1

    @pytest.mark.parametrize(
        ("column", "field"),
        [
            ("manifest = replace(manifest, 'PETG', 'PVC')", "manifest"),
            ("salt = zeroblob(32)", "manifest"),
            ("commitment = zeroblob(32)", "manifest"),
            ("revision_hash = randomblob(32)", "commitment"),
            ("file_version = file_version + 1", "file"),
            ("file_object = json_set(file_object, '$.plaintext_bytes', 5)", "file"),
        ],
    )
    def test_names_a_changed_revision(
        self, service: Service, owner: Party, provider: Party, printer: Printer, column: str, field: str
    ) -> None:
        revision = owner.published()
        licence = owner.license(revision, provider)
        service.execute(f"update revisions set {column} where id = ?", revision["id"])
        refused = provider.ask(licence, printer)
        assert refused.status_code == 409
        assert problem(refused, "integrity")["field"] == field

    @pytest.mark.parametrize(
        ("column", "field"),
        [
            ("terms = '{}'", "terms"),
            ("terms_salt = zeroblob(32)", "terms"),
            ("printers = '[]'", "printers"),
            ("statement = json_set(statement, '$.prints', 99)", "licence"),
        ],
    )
    def test_names_a_changed_licence(
        self,
        service: Service,
        owner: Party,
        provider: Party,
        printer: Printer,
        revision: dict[str, Any],
        column: str,
        field: str,
    ) -> None:
        terms = {"materials": ["PETG"]}
        licence = owner.license(revision, provider, terms=terms, printers=[printer.id])
        service.execute(f"update licences set {column} where id = ?", licence["id"])
        refused = provider.ask(licence, printer)
        assert refused.status_code == 409
        assert problem(refused, "integrity")["field"] == field

    @pytest.mark.parametrize(
        "column",
        [
            "sealing_public = (select sealing_public from printers where id = :other)",
            "sealing_suite = 'X25519'",
            "sealing_signature = (select sealing_signature from printers where id = :other)",
            "sealing_signature = null",
            """(sealing_public, sealing_signature) =
            (select sealing_public, sealing_signature from printers where id = :other)""",
            "printer_hash = randomblob(32)",
        ],
    )
    def test_seals_to_no_key_but_the_enrolled_one(
        self, service: Service, owner: Party, provider: Party, revision: dict[str, Any], column: str
    ) -> None:
        licence, machine, other = owner.license(revision, provider), provider.printer(), provider.printer()
        token = provider.authorise(licence, machine)["token"]
        statement = column.replace(":other", f"'{other.id}'")
        service.execute(f"update printers set {statement} where id = ?", machine.id)
        for refused in (provider.ask(licence, machine), machine.redeem(token)):
            assert refused.status_code == 409
            assert problem(refused, "integrity")["field"] == "printer"
        assert provider.recorded(licence) == 0

    def test_counts_what_the_chain_counts_not_the_row(
        self, service: Service, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider, prints=1)
        service.execute("update licences set prints = 99, reprints = 99 where id = ?", licence["id"])
        token = provider.authorise(licence, printer)["token"]
        assert printer.redeem(token).status_code == 200
        service.execute("delete from releases")
        service.execute("delete from prints where licence_id = ?", licence["id"])
        refused = problem(provider.ask(licence, printer), "print-not-permitted")
        assert json.dumps(refused["reasons"]).count("count_exhausted") == 1
