"""ODRL 2.2: an agreement says all of a licence, an offer becomes terms as a whole or is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock import rfc3339
from app.errors import Invalid
from app.licences.odrl import CONTEXT, PROFILE, Parties, agreement
from app.licences.odrl_offer import Offered, is_odrl, read_offer, require_within
from ledger.commitment import canonical_json
from ledger.typed_data import Licence
from tests.app.licences.terms_documents import documents
from tests.app.parties import Party, new_party, problem

LICENCE = Licence(
    revision=b"\x01" * 32,
    owner="0x" + "11" * 20,
    provider="0x" + "22" * 20,
    printers=bytes(32),
    prints=5,
    reprints=2,
    starts_at=1_800_000_000,
    expires_at=1_900_000_000,
    terms=bytes(32),
    salt=bytes(32),
)
MEX = {"leftOperand": "pv:process", "operator": "isAnyOf", "rightOperand": ["MEX"]}


def as_offer(document: dict[str, Any]) -> dict[str, Any]:
    return document | {"@type": "Offer"}


def offer(*constraints: Any, **members: Any) -> dict[str, Any]:
    rule = {"action": "print", "constraint": list(constraints)}
    return {"@context": CONTEXT, "@type": "Offer", "permission": [rule]} | members


def constraint(left: str, operator: str, right: Any, **members: Any) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right} | members


class TestAgreement:
    def test_says_all_of_a_licence(self) -> None:
        terms = {
            "processes": ["MEX"],
            "sites": ["Hamburg"],
            "parameters": {"layer mm": {"min": 0.1, "max": 0.3, "unit": "mm"}},
            "calibration_days_max": 30,
            "transferable": False,
            "price": {"EUR": 5},
        }
        said = agreement(LICENCE, ["prt_1"], terms)
        (permission,), (prohibition,) = said["permission"], said["prohibition"]
        assert (said["@type"], said["profile"], said["@context"][0]) == ("Agreement", PROFILE, CONTEXT)
        assert said["uid"] == f"urn:partvault:licence:0x{LICENCE.struct_hash().hex()}"
        assert (permission["action"], prohibition["action"]) == ("print", "grantUse")
        assert permission["target"] == "urn:partvault:revision:0x" + "01" * 32
        assert permission["assignee"] == "urn:partvault:account:0x" + "22" * 20
        assert [tuple(each.values()) for each in permission["constraint"]] == [
            ("dateTime", "gteq", {"@type": "xsd:dateTime", "@value": "2027-01-15T08:00:00Z"}),
            ("dateTime", "lt", {"@type": "xsd:dateTime", "@value": "2030-03-17T17:46:40Z"}),
            ("count", "lteq", 5),
            ("pv:reprints", "lteq", 2),
            ("pv:printer", "isAnyOf", [{"@id": "urn:partvault:printer:prt_1"}]),
            ("pv:process", "isAnyOf", ["MEX"]),
            ("spatial", "isAnyOf", ["Hamburg"]),
            ("pv:parameter:layer%20mm", "gteq", 0.1, {"@id": "pv:unit:mm"}),
            ("pv:parameter:layer%20mm", "lteq", 0.3, {"@id": "pv:unit:mm"}),
            ("pv:calibrationAge", "lteq", {"@type": "xsd:duration", "@value": "P30D"}),
        ]
        assert said["pv:price"] == {"@type": "@json", "@value": {"EUR": 5}}


class TestReadOffer:
    @given(documents, st.lists(st.sampled_from(["prt_1", "prt_2", "prt_3"]), unique=True, max_size=3))
    def test_takes_back_what_an_agreement_says(self, terms: dict[str, Any], printers: list[str]) -> None:
        sent = json.loads(json.dumps(as_offer(agreement(LICENCE, printers, terms))))
        assert is_odrl(sent)
        offered = read_offer(sent)
        assert canonical_json(offered.terms) == canonical_json(terms)
        assert offered == Offered(
            terms=terms,
            prints_max=5,
            reprints_max=2,
            starts_at=LICENCE.starts_at,
            expires_at=LICENCE.expires_at,
            printers=tuple(printers) or None,
            parties=Parties.of(LICENCE).to_json(),
        )
        require_within(offered, LICENCE, printers)

    @pytest.mark.parametrize(
        ("left", "operator"),
        [
            ("pv:process", "isAnyOf"),
            (f"{PROFILE}:process", "odrl:isAnyOf"),
            ({"@id": "pv:process"}, {"@id": "http://www.w3.org/ns/odrl/2/isAnyOf"}),
        ],
    )
    def test_knows_names_in_every_spelling(self, left: Any, operator: Any) -> None:
        assert read_offer(offer(constraint(left, operator, ["MEX"]))).terms == {"processes": ["MEX"]}

    def test_takes_one_value_for_a_list(self) -> None:
        assert read_offer(offer(constraint("spatial", "isAnyOf", {"@value": "Hamburg"}))).terms == {
            "sites": ["Hamburg"]
        }

    def test_takes_an_exact_parameter(self) -> None:
        found = read_offer(offer(constraint("pv:parameter:layer_mm", "eq", 0.2, unit="pv:unit:mm")))
        assert found.terms == {"parameters": {"layer_mm": {"min": 0.2, "max": 0.2, "unit": "mm"}}}

    @pytest.mark.parametrize(
        ("document", "field"),
        [
            (offer(**{"@context": "https://schema.org"}), "@context"),
            (offer(**{"@type": "Agreement"}), "@type"),
            (offer(**{"@type": "Set"}), "@type"),
            (offer(profile="https://example.org/other"), "profile"),
            (offer(obligation=[]), "obligation"),
            (offer(inheritFrom="urn:x"), "inheritFrom"),
            (offer(conflict="perm"), "conflict"),
            (offer(permission=[]), "permission"),
            (offer(permission=["print"]), "permission.0"),
            (offer(permission=[{"action": "display"}]), "permission"),
            (offer(permission=[{"action": "print"}, {"action": "display"}]), "permission.1"),
            (offer(permission=[{"action": "print", "duty": []}]), "permission.0.duty"),
            (
                offer(permission=[{"action": "print"}, {"action": "grantUse", "constraint": [MEX]}]),
                "permission.1",
            ),
            (offer(prohibition=[{"action": "print"}]), "prohibition.0"),
            (
                offer(
                    permission=[{"action": "print"}, {"action": "grantUse"}],
                    prohibition={"action": "grantUse"},
                ),
                "prohibition.0",
            ),
            (
                offer(
                    permission=[
                        {"action": "print", "target": "urn:a"},
                        {"action": "print", "target": "urn:b"},
                    ]
                ),
                "permission.1.target",
            ),
            (offer("MEX"), "permission.0.constraint.0"),
            (offer(MEX, {"or": [MEX, MEX]}), "permission.0.constraint.1"),
            (offer(MEX, MEX), "permission.0.constraint.1"),
            (offer(constraint("industry", "eq", "toys")), "permission.0.constraint.0"),
            (offer(constraint("count", "lt", 3)), "permission.0.constraint.0"),
            (offer(constraint("count", "lteq", 3, unit="pv:unit:mm")), "permission.0.constraint.0"),
            (offer(constraint("count", "lteq", 3, status=1)), "permission.0.constraint.0.status"),
            (offer(constraint("count", "lteq", 2.5)), "permission.0.constraint.0.rightOperand"),
            (offer(constraint("count", "lteq", True)), "permission.0.constraint.0.rightOperand"),
            (
                offer(constraint("count", "lteq", 3), constraint("count", "lteq", 2)),
                "permission.0.constraint.1",
            ),
            (offer(constraint("dateTime", "lteq", "2027-01-01T00:00:00Z")), "permission.0.constraint.0"),
            (offer(constraint("dateTime", "lt", "2027-01-01")), "permission.0.constraint.0.rightOperand"),
            (offer(constraint("dateTime", "lt", "soon")), "permission.0.constraint.0.rightOperand"),
            (offer(constraint("spatial", "eq", "Hamburg")), "permission.0.constraint.0"),
            (offer(constraint("spatial", "isAnyOf", [])), "permission.0.constraint.0.rightOperand"),
            (
                offer(constraint("pv:material", "isAnyOf", [["PLA"]])),
                "permission.0.constraint.0.rightOperand",
            ),
            (offer(constraint("pv:material", "isNoneOf", ["PLA"])), "permission.0.constraint.0"),
            (offer(constraint("pv:calibrationAge", "lteq", "P1M")), "permission.0.constraint.0.rightOperand"),
            (offer(constraint("pv:calibrationAge", "lteq", "P99999D")), "calibration_days_max"),
            (offer(constraint("pv:parameter:layer", "lt", 1)), "permission.0.constraint.0"),
            (offer(constraint("pv:parameter:layer", "lteq", "1")), "permission.0.constraint.0.rightOperand"),
            (offer(constraint("pv:parameter:layer", "lteq", 1, unit="mm")), "permission.0.constraint.0.unit"),
            (
                offer(
                    constraint("pv:parameter:layer", "lteq", 1, unit="pv:unit:mm"),
                    constraint("pv:parameter:layer", "gteq", 1),
                ),
                "permission.0.constraint.1.unit",
            ),
            (
                offer(constraint("pv:parameter:layer", "lteq", 1), constraint("pv:parameter:layer", "eq", 1)),
                "permission.0.constraint.1",
            ),
            (
                offer(
                    constraint("pv:parameter:layer", "lteq", 1), constraint("pv:parameter:layer", "gteq", 2)
                ),
                "parameters.layer",
            ),
            (offer(constraint("pv:printer", "isAnyOf", "prt_1")), "permission.0.constraint.0.rightOperand"),
        ],
    )
    def test_names_what_it_cannot_express(self, document: dict[str, Any], field: str) -> None:
        with pytest.raises(Invalid) as caught:
            read_offer(document)
        assert caught.value.field == f"terms.{field}"
        assert caught.value.remedy


class TestRequireWithin:
    OFFERED = Offered(
        prints_max=5,
        reprints_max=2,
        starts_at=LICENCE.starts_at,
        expires_at=LICENCE.expires_at,
        printers=("prt_1", "prt_2"),
        parties=Parties.of(LICENCE).to_json(),
    )

    @pytest.mark.parametrize(
        ("changes", "printers", "field"),
        [
            ({}, ["prt_1"], None),
            ({"prints": 1, "starts_at": LICENCE.starts_at + 1}, ["prt_2", "prt_1"], None),
            ({"prints": 6}, ["prt_1"], "prints"),
            ({"reprints": 3}, ["prt_1"], "reprints"),
            ({"starts_at": LICENCE.starts_at - 1}, ["prt_1"], "starts_at"),
            ({"expires_at": LICENCE.expires_at + 1}, ["prt_1"], "expires_at"),
            ({}, [], "printers"),
            ({}, ["prt_1", "prt_3"], "printers"),
            ({"revision": bytes(32)}, ["prt_1"], "terms.target"),
            ({"owner": "0x" + "33" * 20}, ["prt_1"], "terms.assigner"),
            ({"provider": "0x" + "33" * 20}, ["prt_1"], "terms.assignee"),
        ],
    )
    def test_holds_a_licence_to_its_offer(
        self, changes: dict[str, Any], printers: list[str], field: str | None
    ) -> None:
        licence = replace(LICENCE, **changes)
        if field is None:
            require_within(self.OFFERED, licence, printers)
            return
        with pytest.raises(Invalid) as caught:
            require_within(self.OFFERED, licence, printers)
        assert caught.value.field == field


class TestOverHttp:
    def test_gives_the_agreement_to_its_parties(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        licence = owner.license(revision, provider, terms={"processes": ["MEX"], "transferable": True})
        path = f"/v1/licences/{licence['id']}/odrl"
        answer = owner.call("GET", path)
        assert answer.headers["content-type"] == "application/ld+json"
        assert answer.json() == provider.expect(200, "GET", path)
        expected = agreement(Licence.from_json(licence["licence"]), [], licence["terms"])
        assert answer.json() == expected
        assert new_party(owner.service, "provider").call("GET", path).status_code == 404

    def test_grants_an_offer(self, owner: Party, provider: Party, revision: dict[str, Any]) -> None:
        request = owner.licence_request(revision, provider, prints=2)
        end = constraint("dateTime", "lt", request["expires_at"])
        sent = offer(MEX, end, constraint("count", "lteq", 2))
        prepared = owner.expect(200, "POST", "/v1/licences/prepare", json=request | {"terms": sent})
        assert prepared["request"]["terms"] == {"processes": ["MEX"]}
        licence = owner.license(revision, provider, **prepared["request"])
        assert licence["terms"] == {"processes": ["MEX"]}
        assert licence["licence_hash"] == prepared["licence_hash"]

    def test_grants_no_more_than_an_offer(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        now = owner.service.clock.now()
        cases = {
            "prints": constraint("count", "lteq", 1),
            "expires_at": constraint("dateTime", "lt", rfc3339(now + 60)),
            "terms.permission.0.constraint.0": constraint("pv:colour", "isAnyOf", ["red"]),
        }
        for field, wanted in cases.items():
            request = owner.licence_request(revision, provider, prints=2, terms=offer(wanted))
            refused = owner.call("POST", "/v1/licences", json=request)
            assert refused.status_code == 422
            assert problem(refused, "invalid-request")["field"] == field
