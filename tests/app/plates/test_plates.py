"""A plate over HTTP: all of its prints or none, at each step."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ledger.commitment import part_token
from ledger.print_audit import audit_print
from ledger.print_evidence import parse
from ledger.typed_data import Plate, PrintClaim
from storage.recipients import open_sealed
from tests.app.impatient import SETTLED
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.parts import box
from tests.app.plates.client import (
    ask,
    authorise,
    check,
    claims_of,
    codes,
    parts,
    redeem,
    redeem_claims,
    shown,
)
from tests.app.service import Service, until
from tests.app.toolpaths import MADE_FOR, square


@pytest.fixture
def one(owner: Party, provider: Party, revision: dict[str, Any]) -> dict[str, Any]:
    return owner.license(revision, provider, prints=4, reprints=1)


@pytest.fixture
def two(owner: Party, provider: Party, revision: dict[str, Any]) -> dict[str, Any]:
    return owner.license(revision, provider, prints=2, reprints=1)


class TestAuthorise:
    def test_gives_one_token_for_several_licences_and_several_prints_of_one(
        self, provider: Party, printer: Printer, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        wanted = [{"licence_id": one["id"], "count": 2}, {"licence_id": two["id"]}]
        answer = ask(provider, printer, wanted)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert made["token"].startswith("pvp_")
        assert [(p["part"], p["licence_id"], p["sequence"]) for p in made["prints"]] == [
            (0, one["id"], 1),
            (1, one["id"], 2),
            (2, two["id"], 1),
        ]
        assert (made["state"], made["parts"], len(made["layout"])) == ("authorised", 3, 3)
        seen = provider.expect(200, "GET", f"/v1/plates/{made['id']}")
        assert seen == {name: value for name, value in made.items() if name != "token"}
        first = provider.expect(200, "GET", f"/v1/prints/{made['prints'][0]['print_id']}")
        assert (first["plate_id"], first["state"]) == (made["id"], "authorised")

    def test_reserves_no_number_where_one_part_is_refused(
        self, provider: Party, printer: Printer, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        wanted = [{"licence_id": one["id"]}, {"licence_id": two["id"], "count": 3}]
        refused = problem(ask(provider, printer, wanted), "print-not-permitted")
        (reason,) = refused["reasons"]
        assert reason["code"] == "count_reserved"
        assert reason["message"].startswith("part 3: ")
        assert provider.authorise(one, printer)["sequence"] == 1
        assert provider.authorise(two, printer)["sequence"] == 1

    def test_names_every_reason_of_every_part(
        self, owner: Party, provider: Party, printer: Printer, one: dict[str, Any], revision: dict[str, Any]
    ) -> None:
        revoked = owner.license(revision, provider)
        owner.revoke(revoked)
        seen = check(provider, printer, parts(revoked, one, revoked))
        assert not seen["allowed"]
        assert codes(seen) == [["licence_revoked"], [], ["licence_revoked"]]
        told = problem(ask(provider, printer, parts(revoked, one, revoked)), "print-not-permitted")["reasons"]
        assert [each["message"].split(":")[0] for each in told] == ["part 0", "part 2"]

    def test_holds_each_part_to_the_room_it_takes_as_its_recipe_stands_it(
        self, owner: Party, provider: Party, one: dict[str, Any]
    ) -> None:
        turned = owner.license(owner.published(box((20, 30, 10)), orientation=[1, 0, 0]), provider)
        low = provider.printer(build_volume_mm=[40, 40, 15])
        assert codes(check(provider, low, parts(one, turned))) == [[], ["build_volume"]]
        narrow, exact = (provider.printer(build_volume_mm=[width, 30.01, 20.01]) for width in (35, 35.01))
        assert codes(check(provider, narrow, parts(one, turned))) == [["plate_room"], ["plate_room"]]
        assert codes(check(provider, exact, parts(one, turned))) == [[], []]

    def test_a_repeat_gets_the_same_plate_and_token(
        self, provider: Party, printer: Printer, one: dict[str, Any]
    ) -> None:
        first = ask(provider, printer, parts(one, one), "plate-" + one["id"])
        again = ask(provider, printer, parts(one, one), "plate-" + one["id"])
        assert again.json() == first.json()
        assert provider.check(one, printer) == []

    def test_is_the_providers_whose_licences_they_are(
        self, service: Service, provider: Party, printer: Printer, one: dict[str, Any]
    ) -> None:
        stranger = new_party(service, "provider")
        assert ask(stranger, printer, parts(one)).status_code == 404
        assert ask(provider, stranger.printer(), parts(one)).status_code == 404

    @pytest.mark.parametrize(
        ("wanted", "field"),
        [
            ([{"count": 17}], "parts.0.count"),
            ([{"count": 9}, {"count": 8}], "parts"),
            ([{"count": 2, "spots": [{"x_mm": 0, "y_mm": 0}]}], "parts.0.spots"),
            ([{"spots": [{"x_mm": 0, "y_mm": 0}]}, {}], "parts.1.spots"),
            ([], "parts"),
        ],
    )
    def test_names_the_field_at_fault(
        self, provider: Party, printer: Printer, one: dict[str, Any], wanted: Any, field: str
    ) -> None:
        answer = ask(provider, printer, [{"licence_id": one["id"]} | part for part in wanted])
        assert answer.status_code == 422
        assert problem(answer)["field"].endswith(field)


class TestPolicy:
    def test_parts_agree_in_material_and_parameters_with_each_other(
        self, owner: Party, provider: Party, one: dict[str, Any]
    ) -> None:
        printer = provider.printer(materials=[])
        other = owner.license(owner.published(material="ABS", parameters={"layer_mm": 0.3}), provider)
        seen = check(provider, printer, parts(one, other))
        assert codes(seen) == [[], ["plate_material", "plate_parameters"]]

    def test_a_toolpath_stands_alone(self, owner: Party, provider: Party, one: dict[str, Any]) -> None:
        printer = provider.printer(materials=[])
        path = owner.published(square(), "part.gcode", **MADE_FOR)
        seen = check(provider, printer, parts(one, owner.license(path, provider)))
        assert "plate_toolpath" in codes(seen)[1]

    def test_parts_have_room_beside_each_other(self, owner: Party, provider: Party, printer: Printer) -> None:
        wide = owner.license(owner.published(box((240, 100, 5))), provider, prints=3)
        assert check(provider, printer, parts(wide, wide))["allowed"]
        assert codes(check(provider, printer, parts(wide, wide, wide))) == [["plate_room"]] * 3

    def test_spots_are_on_the_bed_and_apart(
        self, provider: Party, printer: Printer, one: dict[str, Any]
    ) -> None:
        def spots(*corners: tuple[float, float]) -> list[dict[str, Any]]:
            placed = [{"x_mm": x, "y_mm": y} for x, y in corners]
            return [{"licence_id": one["id"], "count": len(placed), "spots": placed}]

        fine = check(provider, printer, spots((0, 0), (100, 100)))
        assert fine["allowed"]
        assert fine["layout"][1] == {"x_mm": 100.0, "y_mm": 100.0, "turn_deg": 0.0}
        assert codes(check(provider, printer, spots((0, 0), (249, 0)))) == [[], ["plate_layout"]]
        assert codes(check(provider, printer, spots((5, 5), (5, 5)))) == [[], ["plate_layout"]]

    @pytest.mark.parametrize(
        ("said", "own", "foreign"),
        [
            ({}, [], []),
            ({"plates": "any"}, [], []),
            ({"plates": "own"}, [], ["terms_plates"]),
            ({"plates": "none"}, ["terms_plates"], ["terms_plates"]),
        ],
    )
    def test_terms_say_with_whose_parts_one_shares_a_plate(
        self,
        service: Service,
        owner: Party,
        provider: Party,
        printer: Printer,
        revision: dict[str, Any],
        one: dict[str, Any],
        said: dict[str, str],
        own: list[str],
        foreign: list[str],
    ) -> None:
        particular = owner.license(revision, provider, terms=said)
        stranger = new_party(service, "owner")
        theirs = stranger.license(stranger.published(), provider)
        assert check(provider, printer, parts(particular))["allowed"]
        assert codes(check(provider, printer, parts(particular, one)))[0] == own
        assert codes(check(provider, printer, parts(particular, theirs))) == [foreign, []]


class TestRedeem:
    def test_releases_every_key_after_one_signature(
        self, provider: Party, printer: Printer, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one, two, one)
        answer = redeem(printer, made["token"], "plate-retry-" + made["id"])
        assert answer.status_code == 200, answer.text
        releases = answer.json()["releases"]
        assert [each["print_id"] for each in releases] == [each["print_id"] for each in made["prints"]]
        for release in releases:
            sealed = release["sealed_key"]
            open_sealed(base64.b64decode(sealed["blob"]), printer.sealing, release["info"].encode())
            assert printer.download(release).status_code == 200
        indices = [release["receipt"]["log_index"] for release in releases]
        assert indices == list(range(indices[0], indices[0] + 3))
        assert (provider.recorded(one), provider.recorded(two)) == (2, 1)
        again = redeem(printer, made["token"], "plate-retry-" + made["id"])
        assert again.content == answer.content
        problem(redeem(printer, made["token"]), "token-spent")
        seen = provider.expect(200, "GET", f"/v1/prints/{releases[1]['print_id']}")
        assert seen["receipt"] == releases[1]["receipt"]
        assert provider.expect(200, "GET", f"/v1/plates/{made['id']}")["state"] == "redeemed"

    def test_each_print_reports_its_own_outcome(
        self, provider: Party, printer: Printer, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one, two)
        first, second = redeem(printer, made["token"]).json()["releases"]
        assert printer.report(first, one, 1, 1).status_code in SETTLED
        assert printer.report(second, two, 1, 2).status_code in SETTLED

        def ended() -> Any:
            seen = provider.expect(200, "GET", f"/v1/plates/{made['id']}")
            return seen if seen["state"] == "ended" else None

        assert [each["state"] for each in until(ended)["prints"]] == ["completed", "failed"]
        assert provider.expect(200, "GET", f"/v1/licences/{two['id']}")["credited"] == 1

    def test_a_part_cannot_be_redeemed_by_itself(
        self, service: Service, provider: Party, printer: Printer, one: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one, one)
        digest = bytes(service.column("select token_sha256 from plates where id = ?", made["id"]))
        tokens = [claim.token for claim in claims_of(printer, made["token"])]
        assert tokens == [part_token(digest, 0), part_token(digest, 1)]
        assert printer.claim(made["token"]).status_code == 404
        claim = claims_of(printer, made["token"])[0]
        assert printer.redeem_claim(made["token"], claim).status_code == 404
        assert shown(printer, provider.authorise(one, printer)["token"]).status_code == 404

    def test_refuses_fewer_other_or_reordered_claims(
        self, provider: Party, printer: Printer, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one, two)
        claims = claims_of(printer, made["token"])
        for wrong in (claims[:1], claims[::-1], [*claims, claims[0]]):
            answer = redeem_claims(printer, made["token"], wrong)
            assert problem(answer, "invalid-request")["field"].startswith("claims")
        assert (provider.recorded(one), provider.recorded(two)) == (0, 0)

    def test_refuses_signatures_over_anything_else(
        self, provider: Party, printer: Printer, one: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one, one)
        claims = claims_of(printer, made["token"])
        for signed in (claims[0], Plate.of(claims[:1]), Plate.of(claims[::-1])):
            answer = redeem_claims(printer, made["token"], claims, signature=printer.sign(signed))
            problem(answer, "invalid-signature")
        assert redeem_claims(printer, made["token"], claims).status_code == 200

    def test_another_printers_token_is_unknown(
        self, provider: Party, printer: Printer, one: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one)
        assert shown(provider.printer(), made["token"]).status_code == 401

    def test_refuses_all_where_one_licence_was_revoked_meanwhile(
        self, owner: Party, provider: Party, printer: Printer, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one, two)
        claims = claims_of(printer, made["token"])
        owner.revoke(two)
        (reason,) = problem(redeem_claims(printer, made["token"], claims), "print-not-permitted")["reasons"]
        assert (reason["code"], reason["message"][:7]) == ("licence_revoked", "part 1:")
        assert provider.recorded(one) == 0
        assert provider.expect(200, "GET", f"/v1/plates/{made['id']}")["state"] == "authorised"

    def test_sixteen_racing_redeemers_have_one_winner(
        self, provider: Party, printer: Printer, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one, two)
        claims = claims_of(printer, made["token"])
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: redeem_claims(printer, made["token"], claims), range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
        assert (provider.recorded(one), provider.recorded(two)) == (1, 1)


class TestEvidence:
    def test_each_print_is_proved_by_itself(
        self, provider: Party, printer: Printer, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one, two)
        assert redeem(printer, made["token"]).status_code == 200
        for part, licence in enumerate((one, two)):
            path = f"/v1/prints/{made['prints'][part]['print_id']}/evidence"
            evidence = parse(json.dumps(provider.expect(200, "GET", path)))
            report = audit_print(evidence)
            assert report.ok, report.findings
            claim = evidence["operations"][3]["operation"]["claim"]
            assert claim["licence"] == licence["licence_hash"]


class TestSight:
    def test_an_owner_sees_its_own_prints_of_a_plate_alone(
        self, service: Service, owner: Party, provider: Party, printer: Printer, one: dict[str, Any]
    ) -> None:
        stranger = new_party(service, "owner")
        theirs = stranger.license(stranger.published(), provider)
        made = authorise(provider, printer, one, theirs)
        seen = stranger.expect(200, "GET", f"/v1/plates/{made['id']}")
        assert [each["part"] for each in seen["prints"]] == [1]
        assert len(owner.expect(200, "GET", f"/v1/plates/{made['id']}")["prints"]) == 1
        assert new_party(service, "owner").call("GET", f"/v1/plates/{made['id']}").status_code == 404
        assert owner.call("POST", f"/v1/plates/{made['id']}/withdraw").status_code == 403


class TestWithdraw:
    def test_frees_every_number_and_ends_the_token(
        self, provider: Party, printer: Printer, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one, two)
        single = provider.call("POST", f"/v1/prints/{made['prints'][0]['print_id']}/withdraw")
        assert single.status_code == 409
        assert provider.expect(200, "POST", f"/v1/plates/{made['id']}/withdraw")["state"] == "withdrawn"
        assert provider.expect(200, "POST", f"/v1/plates/{made['id']}/withdraw")["state"] == "withdrawn"
        problem(shown(printer, made["token"]), "token-spent")
        assert [provider.authorise(each, printer)["sequence"] for each in (one, two)] == [1, 1]

    def test_comes_too_late_after_redemption(
        self, provider: Party, printer: Printer, one: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one)
        assert redeem(printer, made["token"]).status_code == 200
        assert provider.call("POST", f"/v1/plates/{made['id']}/withdraw").status_code == 409


class TestTime:
    def test_an_expired_plate_frees_every_number(
        self, service: Service, provider: Party, printer: Printer, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one, two)
        for row in made["prints"]:
            service.execute("update prints set token_expires_at = 1 where id = ?", row["print_id"])
        problem(shown(printer, made["token"]), "token-spent")
        assert provider.authorise(one, printer)["sequence"] == 1
        problem(shown(printer, made["token"]), "token-spent")
        assert provider.authorise(two, printer)["sequence"] == 1


class TestClaims:
    def test_the_offer_holds_what_each_part_is_judged_by(
        self, provider: Party, printer: Printer, one: dict[str, Any], two: dict[str, Any]
    ) -> None:
        made = authorise(provider, printer, one, two)
        offer = shown(printer, made["token"]).json()
        assert offer["plate_id"] == made["id"]
        assert offer["layout"] == made["layout"]
        assert [PrintClaim.from_json(part["claim"]).sequence for part in offer["parts"]] == [1, 1]
        assert [part["licence"] for part in offer["parts"]] == [one["licence"], two["licence"]]
