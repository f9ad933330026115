"""Shreddings over HTTP: two keys, typed names, tenants apart, and nothing that opens afterwards."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from app.cli import audit_objects
from app.designs import catalogue
from app.designs.lease import claim_next, held
from app.models import WrappedSecret
from app.prints import release
from app.shredding.lifecycle import REQUEST_TTL_S
from app.sweeping import Sweeper
from storage.envelope import ObjectContext
from storage.errors import ObjectDamaged
from storage.secret import DataKey
from storage.vault import StoredObject, Vault
from tests.app.designs.held import held_draft, keeper
from tests.app.fsck.checking import checked
from tests.app.impatient import SETTLED, Impatient, impatient_service
from tests.app.licences.test_owner_held import Grant
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.service import HandClock, Service, running_service
from tests.app.shredding.shredded import ask, confirm, key_by, key_id, operator, requested, shred


@pytest.fixture
def draft(owner: Party) -> dict[str, Any]:
    return owner.draft()


def design_of(revision: dict[str, Any]) -> str:
    return str(revision["design_id"])


class TestRequest:
    def test_destroys_nothing(self, owner: Party, revision: dict[str, Any]) -> None:
        asked = requested(owner, design_of(revision))
        assert (asked["state"], asked["record"], asked["confirmed_by"]) == ("requested", None, None)
        path = f"/v1/shreddings/{asked['id']}"
        assert owner.call("GET", f"/v1/revisions/{revision['id']}/thumbnail").status_code == 200
        assert owner.expect(200, "POST", f"{path}/withdraw")["state"] == "withdrawn"

    @pytest.mark.parametrize("name", ["leg cap", "Leg Cap", "Leg  cap", "Leg cap."])
    def test_wants_the_name_letter_for_letter(self, owner: Party, draft: dict[str, Any], name: str) -> None:
        refused = ask(owner, design_of(draft), name)
        assert refused.status_code == 422
        assert problem(refused, "invalid-request")["field"] == "design_name"

    def test_is_made_once(self, owner: Party, draft: dict[str, Any]) -> None:
        first = ask(owner, design_of(draft), key="one-and-the-same")
        again = ask(owner, design_of(draft), key="one-and-the-same")
        assert (again.status_code, again.json()) == (201, first.json())
        refused = ask(owner, design_of(draft))
        assert refused.status_code == 409
        assert first.json()["id"] in problem(refused, "conflict")["detail"]

    def test_needs_an_idempotency_key(self, owner: Party, draft: dict[str, Any]) -> None:
        body = {"reason": "x", "design_name": "Leg cap"}
        refused = owner.call("POST", f"/v1/designs/{design_of(draft)}/shreddings", json=body)
        assert refused.status_code == 422

    def test_waits_seven_days(self, tmp_path: Path) -> None:
        with running_service(tmp_path, HandClock(), worker=False) as service:
            owner = new_party(service, "owner")
            design = design_of(owner.draft())
            late = requested(owner, design)
            service.clock.forward(REQUEST_TTL_S)
            assert owner.expect(200, "GET", f"/v1/shreddings/{late['id']}")["state"] == "expired"
            refused = confirm(operator(owner), late)
            assert "is expired" in problem(refused, "conflict")["detail"]
            again = requested(owner, design)
            stored = "select state from shreddings where id = ?"
            assert service.column(stored, late["id"]) == "expired"
            service.clock.forward(REQUEST_TTL_S)
            Sweeper(service.services).sweep()
            assert service.column(stored, again["id"]) == "expired"


class TestConfirm:
    def test_is_not_for_the_key_that_asked(self, owner: Party, draft: dict[str, Any]) -> None:
        asked = requested(owner, design_of(draft))
        refused = confirm(owner, asked)
        assert refused.status_code == 403
        assert "cannot confirm it" in problem(refused, "forbidden")["detail"]
        assert owner.expect(200, "GET", f"/v1/shreddings/{asked['id']}")["state"] == "requested"

    @pytest.mark.parametrize("who", ["colleague", "operator"])
    def test_is_for_another(self, owner: Party, draft: dict[str, Any], who: str) -> None:
        requester, colleague = key_by(owner), key_by(owner)
        asked = requested(requester, design_of(draft))
        other = operator(owner) if who == "operator" else colleague
        answer = confirm(other, asked)
        assert (answer.status_code, answer.json()["state"]) == (200, "shredded")
        again = confirm(other, asked)
        assert (again.status_code, again.json()) == (200, answer.json())
        problem(confirm(owner, asked), "conflict")
        problem(other.call("POST", f"/v1/shreddings/{asked['id']}/withdraw"))

    @pytest.mark.parametrize("between", [0, 2])
    @pytest.mark.parametrize("maker", ["requests", "confirms"])
    def test_is_not_for_a_key_made_with_the_other(
        self, owner: Party, draft: dict[str, Any], maker: str, between: int
    ) -> None:
        """Whoever made a key has seen it; it does not help to make it through others."""
        first = made = key_by(owner)
        for _ in range(between + 1):
            made = key_by(made)
        requester, other = (first, made) if maker == "requests" else (made, first)
        asked = requested(requester, design_of(draft))
        refused = confirm(other, asked)
        assert refused.status_code == 403
        told = problem(refused, "forbidden")
        assert key_id(other) in told["detail"]
        assert key_id(requester) in told["detail"]
        assert "operator" in told["remedy"]
        assert owner.expect(200, "GET", f"/v1/shreddings/{asked['id']}")["state"] == "requested"
        assert confirm(operator(owner), asked).status_code == 200

    def test_is_not_for_a_key_made_afterwards(self, owner: Party, draft: dict[str, Any]) -> None:
        asked = requested(key_by(owner), design_of(draft))
        refused = confirm(key_by(owner), asked)
        assert refused.status_code == 403
        assert "was not there yet" in problem(refused, "forbidden")["detail"]
        assert owner.expect(200, "GET", f"/v1/shreddings/{asked['id']}")["state"] == "requested"

    def test_shows_operators_no_more_than_they_need(self, owner: Party, draft: dict[str, Any]) -> None:
        asked = requested(owner, design_of(draft))
        shown = operator(owner).expect(200, "GET", f"/v1/shreddings/{asked['id']}")
        assert shown == asked
        assert "Leg cap" not in json.dumps(shown)
        assert confirm(operator(owner), asked).json()["record"] is None
        assert owner.expect(200, "GET", f"/v1/shreddings/{asked['id']}")["record"]["revisions"]

    def test_of_another_tenant_does_not_exist(
        self, service: Service, owner: Party, draft: dict[str, Any]
    ) -> None:
        asked = requested(owner, design_of(draft))
        for role in ("owner", "auditor"):
            stranger = new_party(service, role)
            path = f"/v1/shreddings/{asked['id']}"
            assert stranger.call("GET", path).status_code == 404
            assert asked["id"] not in stranger.call("GET", "/v1/shreddings").text
        stranger = new_party(service, "owner")
        assert ask(stranger, design_of(draft)).status_code == 404
        assert confirm(stranger, asked).status_code == 404
        assert stranger.call("POST", f"{path}/withdraw").status_code == 404
        assert owner.expect(200, "GET", path)["state"] == "requested"
        listed = operator(owner).expect(200, "GET", "/v1/shreddings?limit=200")["items"]
        assert asked["id"] in {row["id"] for row in listed}


@pytest.fixture(scope="module")
def scene(service: Service, owner: Party, provider: Party, printer: Printer) -> dict[str, Any]:
    """A design with everything there is: published, licensed, redeemed, a draft beside it; then shredded."""
    revision = owner.published()
    path = f"/v1/designs/{design_of(revision)}/revisions"
    draft = owner.expect(201, "POST", path, json={"recipe": {"process": "MEX"}})
    licence = owner.license(revision, provider)
    token = provider.authorise(licence, printer)["token"]
    redeemed = printer.redeem(token, "shredded-retry")
    assert redeemed.status_code == 200
    unused = provider.authorise(licence, printer)["token"]
    stored = json.loads(service.column("select file_object from revisions where id = ?", revision["id"]))
    with service.services.database.read() as session:
        query = select(WrappedSecret).where(WrappedSecret.object_id == revision["id"])
        wraps = session.exec(query).all()
    assert len(wraps) == 2
    ciphertext = service.object_path(revision["id"]).read_bytes()
    return {
        "revision": revision,
        "draft": draft,
        "licence": licence,
        "token": token,
        "unused": unused,
        "release": redeemed.json(),
        "stored": stored,
        "wraps": wraps,
        "ciphertext": ciphertext,
        "shredding": shred(owner, design_of(revision)),
    }


class TestShredded:
    def test_is_on_record(self, scene: dict[str, Any]) -> None:
        (published, draft) = scene["shredding"]["record"]["revisions"]
        assert published["revision"] == scene["revision"]["id"]
        digests = {hashlib.sha256(wrap.blob).hexdigest() for wrap in scene["wraps"]}
        assert {wrap["sha256"] for wrap in published["wrapped_keys"]} == digests
        assert [row["id"] for row in published["releases"]] == [scene["release"]["release_id"]]
        recorded = {row["column"]: row["ciphertext_sha256"] for row in published["objects"]}
        assert recorded["file_object"] == scene["stored"]["ciphertext_sha256"]
        assert set(recorded) == {"file_object", "thumbnail_object"}
        assert (draft["objects"], draft["wrapped_keys"]) == ([], [])

    def test_shows(self, owner: Party, scene: dict[str, Any]) -> None:
        shown = owner.expect(200, "GET", f"/v1/designs/{design_of(scene['revision'])}")
        assert shown["shredded_at"] == scene["shredding"]["confirmed_at"]
        draft = owner.expect(200, "GET", f"/v1/revisions/{scene['draft']['id']}")
        assert draft["state"] == "refused"

    def test_keeps_what_was_signed(self, owner: Party, scene: dict[str, Any]) -> None:
        shown = owner.expect(200, "GET", f"/v1/revisions/{scene['revision']['id']}")
        for name in ("state", "manifest", "salt", "commitment", "receipt"):
            assert shown[name] == scene["revision"][name]

    def test_leaves_no_byte_that_opens(self, service: Service, scene: dict[str, Any]) -> None:
        sealed = scene["release"]["sealed_key"]["blob"]
        needles = [wrap.blob for wrap in scene["wraps"]]
        needles += [sealed.encode(), base64.b64decode(sealed), scene["ciphertext"][:200]]
        files = [path for path in service.data_dir.rglob("*") if path.is_file()]
        assert len(files) > 3
        for path in files:
            content = path.read_bytes()
            assert not [needle for needle in needles if needle in content], path

    def test_is_not_helped_by_a_restored_wrap(self, service: Service, scene: dict[str, Any]) -> None:
        services = service.services
        stored = StoredObject.from_json(scene["stored"])
        with pytest.raises(ObjectDamaged) as caught:
            services.vault.check(stored)
        assert caught.value.reason == "missing"

    def test_has_nothing_new_made_of_it(self, owner: Party, provider: Party, scene: dict[str, Any]) -> None:
        design = design_of(scene["revision"])
        body = {"recipe": {"process": "MEX"}}
        refused = owner.call("POST", f"/v1/designs/{design}/revisions", json=body)
        assert "was shredded" in problem(refused, "conflict")["detail"]
        assert problem(owner.upload(scene["draft"]), "conflict")
        refused = owner.call("POST", "/v1/licences", json=owner.licence_request(scene["revision"], provider))
        assert "was shredded" in problem(refused, "conflict")["detail"]
        assert problem(ask(owner, design), "conflict")
        assert owner.call("GET", f"/v1/revisions/{scene['revision']['id']}/thumbnail").status_code == 404

    def test_is_never_printed_again(
        self, owner: Party, provider: Party, printer: Printer, scene: dict[str, Any]
    ) -> None:
        assert "design_shredded" in provider.check(scene["licence"], printer)
        for refused in (provider.ask(scene["licence"], printer), printer.redeem(scene["unused"])):
            assert refused.status_code == 409
            assert problem(refused)["reasons"][0]["code"] == "design_shredded"
        again = printer.redeem(scene["token"], "shredded-retry")
        assert again.status_code == 409
        assert problem(again, "token-spent")["reasons"][0]["code"] == "design_shredded"
        gone = printer.download(scene["release"])
        assert gone.status_code == 409
        assert problem(gone, "conflict")["reasons"][0]["code"] == "design_shredded"

    def test_prints_that_were_released_are_still_reported(
        self, printer: Printer, scene: dict[str, Any]
    ) -> None:
        assert printer.report(scene["release"], scene["licence"], 1, 1).status_code == 200


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Impatient]:
    with impatient_service(tmp_path_factory.mktemp("impatient")) as running:
        yield running


class HookedVault(Vault):
    """Does something right after a data key was unwrapped."""

    def __init__(self, real: Vault, then: Callable[[], object]) -> None:
        super().__init__(real.objects, real.keys)
        self._then = then

    def data_key(self, stored: StoredObject, context: ObjectContext) -> DataKey:
        key = super().data_key(stored, context)
        self._then()
        return key


def counted(market: Impatient) -> tuple[dict[str, Any], str]:
    """A print that the chain has counted and that nobody has concluded, with its licence."""
    for _ in range(10):
        licence, printer = market.licence(), market.printer()
        authorised = market.provider.authorise(licence, printer)
        if printer.redeem(authorised["token"]).status_code == 202:
            market.recorded(licence)
            return licence, str(authorised["id"])
    raise AssertionError("every redemption was concluded at once")


class TestMeanwhile:
    """What is under way when the keys go."""

    def test_a_redeeming_print_is_withheld(self, market: Impatient) -> None:
        licence, printer = market.licence(), market.printer()
        authorised = market.provider.authorise(licence, printer)
        first = printer.redeem(authorised["token"], "late-retry-1")
        assert first.status_code in SETTLED
        market.recorded(licence)
        revision = market.owner.expect(200, "GET", f"/v1/revisions/{licence['revision_id']}")
        shred(market.owner, design_of(revision))
        market.sweeper.sweep()
        refused = printer.redeem(authorised["token"], "late-retry-1")
        assert refused.status_code == 409
        assert problem(refused)["reasons"][0]["code"] == "design_shredded"
        seen = market.provider.expect(200, "GET", f"/v1/prints/{authorised['id']}")
        assert first.status_code == 200 or (seen["state"], seen["release_id"]) == ("refused", None)
        assert market.service.column("select holds_sequence from prints where id = ?", authorised["id"]) == 1

    def test_a_key_unwrapped_before_is_not_released_after(self, market: Impatient) -> None:
        """The shredding falls between the unwrapping of a key and the storing of its release."""
        licence, print_id = counted(market)
        services = market.service.services
        design = design_of(market.owner.expect(200, "GET", f"/v1/revisions/{licence['revision_id']}"))
        vault = HookedVault(services.vault, lambda: shred(market.owner, design))
        release.conclude(replace(services, vault=vault), print_id)
        seen = market.provider.expect(200, "GET", f"/v1/prints/{print_id}")
        assert (seen["state"], seen["reasons"][0]["code"]) == ("refused", "design_shredded")
        assert market.service.column("select count(*) from releases where print_id = ?", seen["id"]) == 0

    def test_an_inspection_keeps_nothing(self, market: Impatient) -> None:
        revision = market.owner.draft()
        assert market.owner.upload(revision).status_code == 202
        claim = claim_next(market.service.services, "busy")
        assert claim is not None
        shred(market.owner, design_of(revision))
        with market.service.services.database.write() as session:
            assert held(session, claim) is None
        assert market.owner.expect(200, "GET", f"/v1/revisions/{revision['id']}")["state"] == "refused"


class TestFinish:
    def test_waits_for_readers_of_old_pages(self, market: Impatient) -> None:
        revision = market.ready()
        asked = requested(market.owner, design_of(revision))
        connection = market.service.database()
        connection.execute("begin")
        connection.execute("select count(*) from designs").fetchone()
        try:
            answer = confirm(operator(market.owner), asked)
            assert (answer.status_code, answer.json()["state"]) == (202, "confirmed")
        finally:
            connection.close()
        market.sweeper.sweep()
        seen = market.owner.expect(200, "GET", f"/v1/shreddings/{asked['id']}")
        assert seen["state"] == "shredded"


class TestOwnerHeld:
    """Where the owner holds the key, its seals are destroyed, and the answers they were handed out in."""

    def test_loses_every_seal(self, service: Service, provider: Party, printer: Printer) -> None:
        held = held_draft(keeper(service))
        held.published()
        grant = Grant(held, provider, [printer])
        licence = grant.done()
        token = provider.authorise(licence, printer)["token"]
        assert printer.redeem(token, "shredded-retry").status_code == 200
        (sealed,) = grant.keys
        assert checked(service).counts["owner_held"] >= 1
        done = shred(held.owner, held.seen()["design_id"])
        (record,) = done["record"]["revisions"]
        assert (record["wrapped_keys"], record["owner_sealed_keys"]) == ([], 1)
        needles = [sealed["blob"].encode(), base64.b64decode(sealed["blob"]), held.ciphertext[:200]]
        for path in service.data_dir.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert not [needle for needle in needles if needle in content], path
        assert "design_shredded" in provider.check(licence, printer)
        assert problem(printer.redeem(token, "shredded-retry"), "token-spent")
        refused = held.owner.call("POST", "/v1/licences", json=grant.body())
        assert refused.status_code == 409


class TestAudit:
    """The object of a shredded design is missed by nobody, as long as the shredding is on record."""

    def test_misses_nothing_that_was_shredded(self, service: Service, owner: Party) -> None:
        revision = owner.published()
        shred(owner, design_of(revision))
        assert f"revisions {revision['id']}" not in damaged(service)

    def test_misses_what_is_only_said_to_be_shredded(self, service: Service, owner: Party) -> None:
        revision = owner.published()
        done = shred(owner, design_of(revision))
        forget = "update shreddings set state = ? where id = ?"
        service.execute(forget, "withdrawn", done["id"])
        try:
            assert f"revisions {revision['id']}" in damaged(service)
        finally:
            service.execute(forget, "shredded", done["id"])
        assert f"revisions {revision['id']}" not in damaged(service)


def damaged(service: Service) -> set[str]:
    """Rows whose objects the operator's audit finds fault with."""
    with service.services.database.read() as session:
        known = catalogue.read(session)
    return {found.row for found in audit_objects.check(service.services.vault, known, lambda _: None)}
