"""What each party reads of why a plate was refused."""

from __future__ import annotations

from app.errors import Reason
from app.models import Print
from app.plates.refusal import ELSEWHERE, Fault, reasons_of

REVOKED = Reason("licence_revoked", "the owner revoked the licence", "contract")


def plate(*owners: str) -> list[Print]:
    return [
        Print(
            id=f"job_{part}", licence_id="lic_1", printer_id="prt_1", owner_id=owner, provider_id="org_p",
            state="redeeming", sequence=1, token_sha256=bytes([part]), token_expires_at=1, deadline=1,
            plate_part=part, created_at=1,
        )
        for part, owner in enumerate(owners)
    ]  # fmt: skip


class TestFault:
    def test_tells_an_owner_nothing_of_another_owners_part(self) -> None:
        prints = plate("org_a", "org_b", "org_a")
        Fault(REVOKED, 0).note(prints)
        told = [row.reasons for row in prints]
        named = Reason("licence_revoked", "part 0: the owner revoked the licence", "contract").to_json()
        assert told == [[named], [ELSEWHERE.to_json()], [named]]

    def test_tells_everybody_what_is_about_no_part(self) -> None:
        prints = plate("org_a", "org_b")
        Fault(REVOKED).note(prints)
        assert [row.reasons for row in prints] == [[REVOKED.to_json()]] * 2


class TestReasonsOf:
    def test_gives_provider_and_printer_the_reason_once(self) -> None:
        prints = plate("org_a", "org_b", "org_a")
        Fault(REVOKED, 1).note(prints)
        assert [reason.message for reason in reasons_of(prints)] == ["part 1: the owner revoked the licence"]
