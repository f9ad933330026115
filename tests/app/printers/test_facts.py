"""What a provider states of its machine: kept, recorded, and held against terms."""

from __future__ import annotations

from typing import Any

import pytest

from app.auth.principals import Principal, Role
from app.printers.facts import RECORD, STATEMENTS_MAX, stated
from app.printers.schemas import MachineFacts
from tests.app.parties import MACHINE, Party, new_party, problem
from tests.app.service import Service

BY = Principal("org_1", "key_1", frozenset({Role.PROVIDER}))
FACTS = {
    "site": "Hamburg",
    "qualifications": ["EN 9100"],
    "export_labels": ["EAR99"],
    "calibrated_at": 1_700_000_000,
}


def state(provider: Party, printer_id: str, **facts: Any) -> Any:
    return provider.call("PUT", f"/v1/printers/{printer_id}/facts", json=facts)


class TestStated:
    def test_replaces_facts_and_keeps_the_rest(self) -> None:
        first = stated(MACHINE, MachineFacts(site="Hamburg", qualifications=["EN 9100"]), BY, 10)
        second = stated(first, MachineFacts(site="Bremen"), BY, 20)
        assert {name: second[name] for name in MACHINE} == MACHINE
        assert (second["site"], second["qualifications"]) == ("Bremen", [])
        assert [(each["at"], each["by"], each["key"]) for each in second[RECORD]] == [
            (10, "org_1", "key_1"),
            (20, "org_1", "key_1"),
        ]
        assert second[RECORD][0]["facts"]["qualifications"] == ["EN 9100"]

    def test_records_a_repeat_once(self) -> None:
        facts = MachineFacts(site="Hamburg")
        first = stated(MACHINE, facts, BY, 10)
        assert stated(first, facts, BY, 20) == first

    def test_keeps_the_newest_statements(self) -> None:
        machine: dict[str, Any] = dict(MACHINE)
        for number in range(STATEMENTS_MAX + 5):
            machine = stated(machine, MachineFacts(site=f"site {number}"), BY, number)
        assert [each["at"] for each in machine[RECORD]] == list(range(5, STATEMENTS_MAX + 5))


class TestStateFacts:
    def test_shows_what_was_stated(self, provider: Party) -> None:
        printer = provider.printer()
        answer = state(provider, printer.id, **FACTS)
        assert answer.status_code == 200
        machine = answer.json()["machine"]
        assert {name: machine[name] for name in FACTS} == FACTS
        assert [each["facts"]["site"] for each in machine[RECORD]] == [None, "Hamburg"]
        assert machine == provider.expect(200, "GET", f"/v1/printers/{printer.id}")["machine"]

    def test_can_be_stated_when_the_printer_is_made(self, provider: Party) -> None:
        body = {"name": "P", "machine": MACHINE | FACTS}
        machine = provider.expect(201, "POST", "/v1/printers", json=body)["machine"]
        assert machine[RECORD][0]["facts"] == FACTS

    @pytest.mark.parametrize(
        ("facts", "field"),
        [
            ({"site": ""}, "body.site"),
            ({"site": "x" * 65}, "body.site"),
            ({"qualifications": "EN 9100"}, "body.qualifications"),
            ({"export_labels": [""]}, "body.export_labels.0"),
            ({"calibrated_at": -1}, "body.calibrated_at"),
            ({"calibrated_at": 2**40}, "calibrated_at"),
            ({"calibrated": 1}, "body.calibrated"),
        ],
    )
    def test_names_the_field_at_fault(self, provider: Party, facts: dict[str, Any], field: str) -> None:
        printer = provider.printer(approve=False)
        refused = state(provider, printer.id, **facts)
        assert refused.status_code == 422
        assert problem(refused)["field"] == field

    def test_is_the_providers_alone(self, service: Service, owner: Party, provider: Party) -> None:
        printer = provider.printer()
        assert state(owner, printer.id, **FACTS).status_code == 403
        assert state(new_party(service, "provider"), printer.id, **FACTS).status_code == 404

    def test_ends_with_retirement(self, provider: Party) -> None:
        printer = provider.printer()
        provider.expect(200, "POST", f"/v1/printers/{printer.id}/retire", json={})
        problem(state(provider, printer.id, **FACTS), "conflict")

    def test_decides_checks_and_authorisations_alike(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        terms = {
            "sites": ["Hamburg"],
            "qualifications": ["EN 9100"],
            "export_labels": ["EAR99"],
            "calibration_days_max": 30,
        }
        licence, printer = owner.license(revision, provider, terms=terms), provider.printer()
        now = provider.service.clock.now()
        expected = ["site", "export_label", "qualification", "calibration_unknown"]
        assert provider.check(licence, printer) == expected
        refused = problem(provider.ask(licence, printer), "print-not-permitted")
        assert [reason["code"] for reason in refused["reasons"]] == expected
        assert state(provider, printer.id, **(FACTS | {"calibrated_at": now})).status_code == 200
        assert provider.check(licence, printer) == []
        token = provider.authorise(licence, printer)["token"]
        assert state(provider, printer.id, **(FACTS | {"site": "Bremen"})).status_code == 200
        late = problem(printer.redeem(token), "print-not-permitted")
        assert [reason["code"] for reason in late["reasons"]] == ["terms_site", "calibration_age"]
        assert provider.recorded(licence) == 0
