"""Licences of owner-held designs: a sealed key for each printer, handed out when the chain has counted."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from app.licences.grant_info import grant_info
from ledger.commitment import canonical_json
from ledger.typed_data import Licence
from storage.envelope import ObjectContext
from storage.errors import SealInvalid
from storage.recipients import SealingKey, open_sealed, seal
from storage.stream import decrypt
from tests.app.designs.held import Held, held_draft, keeper
from tests.app.parties import Party, Printer, problem
from tests.app.service import Service
from tests.app.shredding.shredded import shred


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


class Grant:
    """A licence under way: prepared by the service, keys sealed by the owner, signed."""

    def __init__(self, held: Held, provider: Party, printers: list[Printer], **changes: Any) -> None:
        self.held, self.owner = held, held.owner
        self.revision = held.seen()
        request = self.owner.licence_request(
            self.revision, provider, printers=[printer.id for printer in printers], **changes
        )
        self.prepared = self.owner.expect(200, "POST", "/v1/licences/prepare", json=request)
        self.keys = [self.seal(printer) for printer in printers]

    def info(self, printer: Printer) -> bytes:
        shown = json.loads(self.revision["manifest"])["files"][0]["object"]
        return grant_info(
            unhex(self.prepared["licence_hash"]),
            printer_hash(printer),
            ObjectContext.from_json(shown),
            unhex(self.revision["commitment"]),
        )

    def seal(self, printer: Printer, suite: str | None = None) -> dict[str, str]:
        blob = seal(self.held.key, printer.sealing.suite, printer.sealing.public, self.info(printer))
        return {
            "printer_id": printer.id,
            "suite": suite or printer.sealing.suite,
            "blob": base64.b64encode(blob).decode(),
        }

    def body(self, **changes: Any) -> dict[str, Any]:
        signature = self.owner.sign(Licence.from_json(self.prepared["licence"]))
        given = {"signature": signature, "sealed_keys": self.keys}
        return self.prepared["request"] | given | changes

    def done(self) -> dict[str, Any]:
        return self.owner.expect(201, "POST", "/v1/licences", json=self.body())


def printer_hash(printer: Printer) -> bytes:
    statement = "select printer_hash from printers where id = ?"
    return bytes(printer.service.column(statement, printer.id))


@pytest.fixture(scope="module")
def held(service: Service) -> Held:
    made = held_draft(keeper(service))
    made.published()
    return made


@pytest.fixture(scope="module")
def second(provider: Party) -> Printer:
    return provider.printer()


class TestGrantInfo:
    def test_is_canonical_and_names_everything(self) -> None:
        context = ObjectContext("org_a", "rev_1", 3, "file")
        info = grant_info(b"\x01" * 32, b"\x02" * 32, context, b"\x03" * 32)
        assert info == canonical_json(json.loads(info))
        assert json.loads(info) == {
            "format": "partvault/grant/v1",
            "licence": "0x" + "01" * 32,
            "printer": "0x" + "02" * 32,
            "object": {"tenant": "org_a", "object_id": "rev_1", "version": 3, "kind": "file"},
            "commitment": "0x" + "03" * 32,
        }


class TestPrepare:
    def test_wants_a_list_of_printers(self, held: Held, provider: Party) -> None:
        request = held.owner.licence_request(held.seen(), provider)
        refused = held.owner.call("POST", "/v1/licences/prepare", json=request)
        assert (refused.status_code, problem(refused)["field"]) == (422, "printers")


class TestGrant:
    def test_keeps_one_key_for_each_printer(
        self, service: Service, held: Held, provider: Party, printer: Printer, second: Printer
    ) -> None:
        grant = Grant(held, provider, [printer, second])
        licence = grant.done()
        assert (licence["state"], licence["printers"]) == ("active", sorted([printer.id, second.id]))
        count = "select count(*) from licence_keys where licence_id = ?"
        assert service.column(count, licence["id"]) == 2

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            (lambda keys, _: [], "sealed_keys"),
            (lambda keys, _: keys[:1], "sealed_keys"),
            (lambda keys, _: [keys[0], keys[0]], "sealed_keys"),
            (lambda keys, _: [*keys, keys[0]], "sealed_keys"),
            (lambda keys, third: [*keys, keys[0] | {"printer_id": third}], "sealed_keys"),
            (lambda keys, _: [keys[0], keys[1] | {"suite": "P-256"}], "sealed_keys.1.suite"),
            (lambda keys, _: [keys[0] | {"blob": "***"}, keys[1]], "sealed_keys.0.blob"),
            (lambda keys, _: [keys[0] | {"blob": ""}, keys[1]], "body.sealed_keys.0.blob"),
            (lambda keys, _: [keys[0] | {"blob": keys[0]["blob"][:-8]}, keys[1]], "sealed_keys.0.blob"),
        ],
        ids=[
            "none",
            "one short",
            "twice",
            "one over",
            "stranger",
            "suite",
            "no base64",
            "empty",
            "cut short",
        ],
    )
    def test_refuses_other_than_one_each(
        self,
        service: Service,
        held: Held,
        provider: Party,
        printer: Printer,
        second: Printer,
        change: Callable[[list[dict[str, str]], str], Any],
        field: str,
    ) -> None:
        grant = Grant(held, provider, [printer, second])
        body = grant.body(sealed_keys=change(grant.keys, "prt_" + "0" * 26))
        refused = held.owner.call("POST", "/v1/licences", json=body)
        assert (refused.status_code, problem(refused)["field"]) == (422, field)
        granted = "select count(*) from licences where licence_hash = ?"
        assert service.column(granted, unhex(grant.prepared["licence_hash"])) == 0

    def test_takes_no_keys_for_a_design_of_the_service(
        self, owner: Party, provider: Party, printer: Printer, revision: dict[str, Any], held: Held
    ) -> None:
        keys = Grant(held, provider, [printer]).keys
        body = owner.licence_request(revision, provider, printers=[printer.id], sealed_keys=keys)
        for path in ("/v1/licences", "/v1/licences/prepare"):
            refused = owner.call("POST", path, json=body)
            assert (refused.status_code, problem(refused, "conflict")["field"]) == (409, "sealed_keys")


class TestRelease:
    def test_hands_out_the_owners_seal(
        self, service: Service, held: Held, provider: Party, printer: Printer, second: Printer
    ) -> None:
        grant = Grant(held, provider, [printer, second], prints=1)
        licence = grant.done()
        token = provider.authorise(licence, printer)["token"]
        answer = printer.redeem(token, "the-same-retry")
        assert answer.status_code == 200, answer.text
        release = answer.json()
        assert (release["sealed_key"]["blob"], release["info"].encode()) == (
            grant.keys[0]["blob"],
            grant.info(printer),
        )
        key = open_sealed(
            base64.b64decode(release["sealed_key"]["blob"]), printer.sealing, release["info"].encode()
        )
        stored = printer.download(release).content
        assert b"".join(decrypt([stored], key, ObjectContext.from_json(release["object"]["context"]))) == (
            held.content
        )
        assert provider.recorded(licence) == 1
        assert printer.redeem(token, "the-same-retry").content == answer.content
        problem(printer.redeem(token, "another-retry"), "token-spent")
        assert provider.recorded(licence) == 1

    def test_needs_no_key_of_the_services(
        self, service: Service, held: Held, provider: Party, printer: Printer
    ) -> None:
        wraps = "select count(*) from wrapped_keys where object_id = ?"
        assert service.column(wraps, held.revision["id"]) == 0
        licence = Grant(held, provider, [printer]).done()
        assert printer.redeem(provider.authorise(licence, printer)["token"]).status_code == 200

    def test_opens_for_no_other_licence_or_printer(
        self, held: Held, provider: Party, printer: Printer, second: Printer
    ) -> None:
        first, other = Grant(held, provider, [printer]), Grant(held, provider, [printer])
        blob = base64.b64decode(first.keys[0]["blob"])
        assert open_sealed(blob, printer.sealing, first.info(printer)) == held.key
        strangers: list[tuple[SealingKey, bytes]] = [
            (printer.sealing, other.info(printer)),
            (second.sealing, first.info(printer)),
            (printer.sealing, first.info(second)),
        ]
        for sealing, info in strangers:
            with pytest.raises(SealInvalid):
                open_sealed(blob, sealing, info)

    def test_authorises_nothing_on_a_printer_that_is_not_listed(
        self, held: Held, provider: Party, printer: Printer, second: Printer
    ) -> None:
        licence = Grant(held, provider, [printer]).done()
        assert "printer_not_allowed" in provider.check(licence, second)
        assert provider.ask(licence, second).status_code == 409

    @pytest.mark.parametrize("change", ["delete", "suite"])
    def test_counts_nothing_where_the_seal_is_gone(
        self, service: Service, held: Held, provider: Party, printer: Printer, change: str
    ) -> None:
        licence = Grant(held, provider, [printer]).done()
        token = provider.authorise(licence, printer)["token"]
        statement = {
            "delete": "delete from licence_keys where licence_id = ?",
            "suite": "update licence_keys set suite = 'X25519' where licence_id = ?",
        }[change]
        service.execute(statement, licence["id"])
        for refused in (printer.redeem(token), provider.ask(licence, printer)):
            assert refused.status_code == 409
            assert problem(refused, "integrity")["field"] == "sealed_keys"
        assert provider.recorded(licence) == 0

    def test_follows_the_manifest_and_not_the_row(
        self, service: Service, held: Held, provider: Party, printer: Printer
    ) -> None:
        """Whoever writes the database cannot turn an owner-held design into one of the service."""
        licence = Grant(held, provider, [printer]).done()
        design = held.revision["design_id"]
        service.execute("update designs set custody = 'service' where id = ?", design)
        try:
            release = printer.redeem(provider.authorise(licence, printer)["token"]).json()
            assert json.loads(release["info"])["format"] == "partvault/grant/v1"
        finally:
            service.execute("update designs set custody = 'owner' where id = ?", design)

    def test_ends_with_the_design(self, service: Service, provider: Party, printer: Printer) -> None:
        """A shredding destroys the owner's seals too, and nothing is uploaded to that design again."""
        mine = held_draft(keeper(service))
        mine.published()
        licence = Grant(mine, provider, [printer]).done()
        shred(mine.owner, mine.revision["design_id"])
        count = "select count(*) from licence_keys where licence_id = ?"
        assert service.column(count, licence["id"]) == 0
        assert provider.check(licence, printer) == ["design_shredded"]
        assert provider.ask(licence, printer).status_code == 409
