"""Re-issue: one licence for one print in the place of one that came to nothing, and nobody's print twice."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from app.clock import rfc3339
from ledger.commitment import reissue_salt
from ledger.typed_data import Licence, print_id, printers_root
from storage.recipients import open_sealed
from tests.app.designs.held import held_draft, keeper
from tests.app.licences.test_owner_held import Grant
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.printers.rotating import successor_of
from tests.app.service import HandClock, Service, running_service

DUE_S = 3600


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose outcomes are due within the hour, on a clock the tests move."""
    folder = tmp_path_factory.mktemp("reissue")
    with running_service(folder, HandClock(), outcome_due_s=DUE_S) as running:
        yield running


@pytest.fixture(scope="module")
def owner(service: Service) -> Party:
    return new_party(service, "owner")


@pytest.fixture(scope="module")
def provider(service: Service) -> Party:
    return new_party(service, "provider")


@pytest.fixture(scope="module")
def revision(owner: Party) -> dict[str, Any]:
    return owner.published()


@dataclass
class Case:
    """A print of a licence for one, on a printer of its own."""

    owner: Party
    provider: Party
    licence: dict[str, Any]
    printer: Printer
    made: dict[str, Any]
    release: dict[str, Any] | None = None

    @property
    def clock(self) -> HandClock:
        return self.owner.service.clock

    def redeemed(self) -> Case:
        self.release = self.printer.redeem(self.made["token"]).json()
        return self

    def reported(self, result: int) -> httpx2.Response:
        assert self.release is not None
        return self.printer.report(self.release, self.licence, self.made["sequence"], result)

    def late(self) -> Case:
        self.clock.forward(DUE_S + 1)
        return self

    def body(self, **changes: Any) -> dict[str, Any]:
        now = self.clock.now()
        return {"starts_at": rfc3339(now - 60), "expires_at": rfc3339(now + 7200)} | changes

    def ask(self, body: dict[str, Any] | None = None, party: Party | None = None) -> httpx2.Response:
        path = f"/v1/prints/{self.made['id']}/reissue"
        return (party or self.owner).call("POST", path, json=body or self.body())

    def replaced(self, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.ask(body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def refusal(self) -> str:
        answer = self.ask()
        assert answer.status_code == 409, answer.text
        return str(problem(answer, "conflict")["detail"])

    def shown(self) -> dict[str, Any]:
        return self.owner.expect(200, "GET", f"/v1/prints/{self.made['id']}")

    def stop(self, how: str, **body: Any) -> None:
        self.provider.expect(200, "POST", f"/v1/printers/{self.printer.id}/{how}", json=body)


@pytest.fixture
def case(owner: Party, provider: Party, revision: dict[str, Any]) -> Case:
    licence = owner.license(
        revision, provider, prints=1, reprints=0, expires_at=rfc3339(owner.service.clock.now() + 600)
    )
    printer = provider.printer()
    return Case(owner, provider, licence, printer, provider.authorise(licence, printer))


class TestReissue:
    def test_gives_one_print_more_in_place_of_an_overdue_one(self, case: Case) -> None:
        case.redeemed().late()
        made = case.replaced()
        assert (made["prints"], made["reprints"], made["state"]) == (1, 0, "active")
        assert (made["replaces"], case.shown()["replaced_by"]) == (case.made["id"], made["id"])
        again = case.provider.printer()
        token = case.provider.authorise(made, again)["token"]
        assert again.redeem(token).status_code == 200
        assert case.provider.check(made, again) == ["count_exhausted"]

    def test_signs_what_was_signed_but_count_window_and_salt(self, case: Case) -> None:
        case.redeemed().late()
        made, old = (Licence.from_json(row["licence"]) for row in (case.replaced(), case.licence))
        same = ("revision", "owner", "provider", "printers", "terms")
        assert [getattr(made, name) for name in same] == [getattr(old, name) for name in same]
        assert made.salt == reissue_salt(print_id(old.struct_hash(), case.made["sequence"]))

    @pytest.mark.parametrize(("how", "body"), [("retire", {}), ("quarantine", {"reason": "smoke"})])
    def test_need_not_wait_for_a_printer_that_is_stopped(
        self, case: Case, how: str, body: dict[str, Any]
    ) -> None:
        case.redeemed()
        assert "may come until" in case.refusal()
        case.stop(how, **body)
        assert case.replaced()["replaces"] == case.made["id"]

    def test_replaces_a_failed_print_that_was_not_credited(self, case: Case) -> None:
        assert case.redeemed().reported(2).status_code == 200
        assert case.shown()["credited"] is False
        assert case.replaced()["replaces"] == case.made["id"]

    def test_replaces_a_print_whose_key_was_withheld(self, case: Case) -> None:
        # as release.conclude leaves it where the printer is stopped between count and release
        case.redeemed()
        case.owner.service.execute("delete from releases where print_id = ?", case.made["id"])
        case.owner.service.execute("update prints set state = 'refused' where id = ?", case.made["id"])
        assert case.replaced()["replaces"] == case.made["id"]


BARRED: list[tuple[str, Callable[[Case], object], str]] = [
    ("authorised", lambda case: case, "authorised"),
    (
        "withdrawn",
        lambda case: case.provider.call("POST", f"/v1/prints/{case.made['id']}/withdraw"),
        "withdrawn",
    ),
    ("in time", lambda case: case.redeemed(), "may come until"),
    ("completed", lambda case: case.redeemed().reported(1), "completed"),
    ("cancelled", lambda case: case.redeemed().reported(3), "cancelled"),
]


class TestRefusal:
    @pytest.mark.parametrize(("reach", "why"), [row[1:] for row in BARRED], ids=[row[0] for row in BARRED])
    def test_names_why_the_print_is_kept(self, case: Case, reach: Callable[[Case], object], why: str) -> None:
        reach(case)
        assert why in case.refusal()

    def test_keeps_a_completed_print_however_late_and_stopped(self, case: Case) -> None:
        assert case.redeemed().reported(1).status_code == 200
        case.stop("retire")
        case.late()
        assert "completed" in case.refusal()

    def test_keeps_a_failed_print_that_was_credited(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider, prints=1, reprints=1)
        printer = provider.printer()
        case = Case(owner, provider, licence, printer, provider.authorise(licence, printer)).redeemed()
        case.reported(2)
        assert case.shown()["credited"] is True
        assert "got it back" in case.refusal()

    def test_believes_the_chain_before_the_row(self, case: Case) -> None:
        case.redeemed().reported(1)
        case.owner.service.execute(
            "update prints set state = 'redeemed', outcome = null, outcome_operation = null where id = ?",
            case.made["id"],
        )
        case.late()
        assert "completed" in case.refusal()

    def test_is_its_owners_alone(self, service: Service, case: Case) -> None:
        case.redeemed().late()
        assert case.ask(party=new_party(service, "owner")).status_code == 404
        assert case.ask(party=case.provider).status_code == 403

    def test_names_a_window_that_is_over(self, case: Case) -> None:
        case.redeemed().late()
        now = case.clock.now()
        refused = case.ask(case.body(expires_at=rfc3339(now - 1)))
        assert problem(refused, "invalid-request")["field"] == "expires_at"

    def test_names_a_list_of_retired_printers(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        printer = provider.printer()
        licence = owner.license(revision, provider, prints=1, printers=[printer.id])
        case = Case(owner, provider, licence, printer, provider.authorise(licence, printer)).redeemed()
        case.stop("retire")
        assert "every printer" in case.refusal()

    def test_names_a_list_of_printers_whose_keys_were_rotated(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        printer = provider.printer()
        licence = owner.license(revision, provider, prints=1, printers=[printer.id])
        case = Case(owner, provider, licence, printer, provider.authorise(licence, printer)).redeemed().late()
        successor_of(provider, printer)
        assert "has new keys" in case.refusal()


class TestOnce:
    def test_answers_a_repeat_with_the_same_licence(self, case: Case) -> None:
        case.redeemed().late()
        body = case.body()
        assert case.replaced(body)["id"] == case.replaced(body)["id"]

    def test_refuses_another_window(self, case: Case) -> None:
        case.redeemed().late()
        case.replaced()
        later = case.body(expires_at=rfc3339(case.clock.now() + 9999))
        refused = case.ask(later)
        assert "replaced once" in problem(refused, "conflict")["detail"]

    def test_has_one_winner_of_a_race(self, case: Case) -> None:
        case.redeemed().late()
        bodies = [case.body(expires_at=rfc3339(case.clock.now() + 5000 + n)) for n in range(6)]
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(case.ask, bodies))
        assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]

    def test_counts_no_print_of_the_old_licence(self, case: Case) -> None:
        case.redeemed().late()
        case.replaced()
        assert case.provider.recorded(case.licence) == 1


class TestLateOutcome:
    @pytest.mark.parametrize(("result", "state"), [(1, "completed"), (2, "failed"), (3, "cancelled")])
    def test_is_recorded_after_the_replacement(self, case: Case, result: int, state: str) -> None:
        case.redeemed().late()
        made = case.replaced()
        assert case.shown()["overdue"]
        assert case.reported(result).status_code == 200
        shown = case.shown()
        assert (shown["state"], shown["overdue"], shown["replaced_by"]) == (state, False, made["id"])

    def test_comes_from_a_printer_that_was_retired_meanwhile(self, case: Case) -> None:
        case.redeemed()
        case.stop("retire")
        case.replaced()
        assert case.reported(1).status_code == 200
        assert case.shown()["state"] == "completed"


class TestOwnerHeld:
    @pytest.mark.parametrize("gone", ["retired", "rotated"])
    def test_is_signed_and_sealed_anew_to_the_printers_that_are_left(
        self, service: Service, provider: Party, gone: str
    ) -> None:
        held = held_draft(keeper(service))
        held.published()
        dead, left = provider.printer(), provider.printer()
        licence = Grant(held, provider, [dead, left], prints=1, reprints=0).done()
        case = Case(held.owner, provider, licence, dead, provider.authorise(licence, dead)).redeemed()
        if gone == "retired":
            case.stop("retire")
        else:
            case.late()
            successor_of(provider, dead)
        path = f"/v1/prints/{case.made['id']}/reissue/prepare"
        prepared = held.owner.expect(200, "POST", path, json=case.body())
        names = [bytes.fromhex(name[2:]) for name in prepared["printers"].values()]
        assert printers_root(names) == Licence.from_json(prepared["licence"]).printers
        assert problem(case.ask(prepared["request"]), "invalid-request")["field"] == "signature"
        grant = object.__new__(Grant)
        grant.held, grant.owner, grant.revision, grant.prepared = held, held.owner, held.seen(), prepared
        grant.keys = [grant.seal(left)]
        made = case.replaced(grant.body())
        assert made["licence_hash"] == prepared["licence_hash"]
        token = provider.authorise(made, left)["token"]
        release = left.redeem(token).json()
        opened = open_sealed(
            base64.b64decode(release["sealed_key"]["blob"]), left.sealing, release["info"].encode()
        )
        assert opened == held.key
