"""Alarms on impossible use: each kind sounds when it must, not otherwise, and cannot fill the disk."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from app.auth import alarms
from app.auth.alarms import COUNT_MAX, KEPT_HOURS, TWO_PLACES_S, AlarmKind, ImpossibleUse, TokenUse
from tests.app.parties import Party, Printer, new_party
from tests.app.service import Service

CLAIM = "/v1/prints/claim"
NOW = 1_800_000_000


@pytest.fixture
def workshop(service: Service) -> Party:
    return new_party(service, "provider")


@pytest.fixture
def machine(workshop: Party) -> Printer:
    return workshop.printer()


@pytest.fixture
def token(owner: Party, workshop: Party, machine: Printer, revision: dict[str, Any]) -> Callable[[], str]:
    licence = owner.license(revision, workshop, prints=9)
    return lambda: str(workshop.authorise(licence, machine)["token"])


def sounded(party: Party) -> list[tuple[str, int]]:
    return [(row["kind"], row["count"]) for row in party.expect(200, "GET", "/v1/alarms")["items"]]


def claim_from(address: str, machine: Printer, token: str) -> int:
    """The status of a claim asked for from an address."""
    headers = {"Authorization": f"DPoP {token}", "DPoP": machine.proof("GET", CLAIM, token)}
    client = TestClient(machine.service.app, client=(address, 50000))
    return client.get(CLAIM, headers=headers).status_code


class TestKinds:
    def test_stay_silent_in_good_order(
        self, workshop: Party, machine: Printer, token: Callable[[], str]
    ) -> None:
        for _ in range(2):
            assert machine.redeem(token()).status_code == 200
        assert machine.claim("pvt_" + secrets.token_hex(32)).status_code == 401
        assert sounded(workshop) == []

    def test_tell_a_proof_sent_twice(
        self, workshop: Party, machine: Printer, token: Callable[[], str]
    ) -> None:
        used = token()
        proof = machine.proof("GET", CLAIM, used)
        for _ in range(4):
            machine.call("GET", CLAIM, used, proof=proof)
        assert sounded(workshop) == [("proof_replayed", 3)]

    def test_tell_a_live_token_with_a_strangers_proof(
        self, workshop: Party, machine: Printer, token: Callable[[], str]
    ) -> None:
        stolen, thief = token(), workshop.printer()
        assert thief.claim(stolen).status_code == 401
        assert machine.call("GET", CLAIM, stolen, proof="x").status_code == 401
        assert sounded(workshop) == [("wrong_key", 2)]

    def test_tell_nothing_of_guesses_at_a_printers_id(self, workshop: Party, machine: Printer) -> None:
        """An id is no secret: whoever knows it could sound the alarm at will."""
        stranger = Printer(machine.service, machine.id)
        path = f"/v1/releases/rel_{'0' * 26}/object"
        assert stranger.call("GET", path, machine.id).status_code == 401
        assert sounded(workshop) == []

    def test_tell_a_key_in_two_places(
        self, workshop: Party, machine: Printer, token: Callable[[], str]
    ) -> None:
        one, other = token(), token()
        assert claim_from("192.0.2.1", machine, one) == 200
        assert claim_from("198.51.100.7", machine, other) == 200
        assert sounded(workshop) == [("two_places", 1)]
        (alarm,) = workshop.expect(200, "GET", "/v1/alarms")["items"]
        assert alarm["printer_id"] == machine.id
        assert "192.0.2.1" in alarm["detail"]
        assert "198.51.100.7" in alarm["detail"]

    def test_tell_no_secret(
        self, service: Service, workshop: Party, machine: Printer, token: Callable[[], str]
    ) -> None:
        stolen = token()
        proof = machine.proof("GET", CLAIM, stolen)
        for each in (proof, proof, "x"):
            machine.call("GET", CLAIM, stolen, proof=each)
        text = workshop.call("GET", "/v1/alarms").text
        assert stolen not in text
        assert proof not in text
        assert len(sounded(workshop)) == 2

    def test_are_counted_for_the_metrics(
        self, service: Service, workshop: Party, token: Callable[[], str]
    ) -> None:
        def counted() -> float:
            found = service.services.metrics.registry.get_sample_value(
                "partvault_alarms_total", {"kind": "wrong_key"}
            )
            return found or 0.0

        before = counted()
        workshop.printer().claim(token())
        assert counted() == before + 1


class TestWho:
    def test_sees_alarms_of_its_own_printers(
        self, service: Service, workshop: Party, token: Callable[[], str]
    ) -> None:
        workshop.printer().claim(token())
        assert sounded(workshop) == [("wrong_key", 1)]
        assert sounded(new_party(service, "provider")) == []
        assert service.call("GET", "/v1/alarms", new_party(service, "owner").key).status_code == 403

    def test_sees_all_of_them_as_operator(
        self, service: Service, workshop: Party, machine: Printer, token: Callable[[], str]
    ) -> None:
        workshop.printer().claim(token())
        rows, cursor = [], None
        while True:
            query = {"limit": 200} | ({"cursor": cursor} if cursor else {})
            page = service.call("GET", "/v1/alarms", service.operator_key, params=query).json()
            rows += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert machine.id in {row["printer_id"] for row in rows}


class TestSee:
    """Two uses of tokens by one printer, the second a while after the first."""

    @pytest.mark.parametrize(
        ("one", "other", "same_print", "after_s", "impossible"),
        [
            ("192.0.2.1", "192.0.2.2", False, 0, True),
            ("192.0.2.1", "192.0.2.2", False, TWO_PLACES_S, True),
            ("192.0.2.1", "192.0.2.2", False, TWO_PLACES_S + 1, False),
            ("192.0.2.1", "192.0.2.2", False, -5, True),
            ("192.0.2.1", "192.0.2.2", True, 0, False),
            ("192.0.2.1", "192.0.2.1", False, 0, False),
            ("192.0.2.1", "::ffff:192.0.2.1", False, 0, False),
            ("192.0.2.1", "::ffff:192.0.2.2", False, 0, True),
            ("192.0.2.1", "2001:db8::1", False, 0, False),
            ("2001:db8::1", "2001:db8::2", False, 0, False),
            ("2001:db8::1", "2001:db8:0:1::1", False, 0, True),
            ("fe80::1%eth0", "fe80::2%eth1", False, 0, False),
        ],
    )
    def test_tells_two_places_from_one(
        self,
        service: Service,
        workshop: Party,
        machine: Printer,
        one: str,
        other: str,
        same_print: bool,
        after_s: int,
        impossible: bool,
    ) -> None:
        first = TokenUse(machine.id, workshop.id, "job_1", one, NOW)
        then = TokenUse(machine.id, workshop.id, "job_1" if same_print else "job_2", other, NOW + after_s)
        for uses in ([[first], [then]], [[first, then]]):
            service.execute("delete from sightings where printer_id = ?", machine.id)
            seen = []
            for some in uses:
                with service.services.database.write() as session:
                    seen += alarms.see(session, some)
            assert [use is not None for use in seen] == [False, impossible]


class TestCount:
    def use(self, workshop: Party, machine: Printer, at: int) -> ImpossibleUse:
        return ImpossibleUse(AlarmKind.WRONG_KEY, machine.id, workshop.id, f"at {at}", at)

    def counted(self, service: Service, use: ImpossibleUse) -> None:
        with service.services.database.write() as session:
            self.count(session, use)

    def count(self, session: Session, use: ImpossibleUse) -> None:
        alarms.count(session, use, secrets.token_bytes)

    def test_has_one_row_an_hour(self, service: Service, workshop: Party, machine: Printer) -> None:
        start = NOW // 3600 * 3600
        for at in (start, start + 3599, start + 3600):
            self.counted(service, self.use(workshop, machine, at))
        assert [count for _, count in sounded(workshop)] == [2, 1]

    def test_stops_at_its_most(self, service: Service, workshop: Party, machine: Printer) -> None:
        with service.services.database.write() as session:
            for _ in range(COUNT_MAX + 5):
                self.count(session, self.use(workshop, machine, NOW))
        assert sounded(workshop) == [("wrong_key", COUNT_MAX)]

    def test_forgets_what_is_old(self, service: Service, workshop: Party, machine: Printer) -> None:
        later = NOW + (KEPT_HOURS + 1) * 3600
        for at in (NOW, later):
            self.counted(service, self.use(workshop, machine, at))
        (kept,) = workshop.expect(200, "GET", "/v1/alarms")["items"]
        assert kept["detail"] == f"at {later}"
