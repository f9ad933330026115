"""The decision about a transfer: one change to a permitted one, and the reason it brings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.licences.transfer_policy import Numbers, Source, judge_consent, judge_transfer

NOW = 1_800_000_000
SOURCE = Source(
    state="active",
    expires_at=NOW + 1,
    terms={"transferable": True},
    consented=True,
    listed=False,
    owner_held=False,
    on_chain=True,
    revoked_on_chain=False,
)
NUMBERS = Numbers(allowed=5, highest=2)
CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("permitted", {}, []),
    ("revoked", {"state": "revoked"}, ["licence_revoked"]),
    ("revocation under way", {"state": "revoking"}, ["licence_revoked"]),
    ("revoked on chain by somebody else", {"revoked_on_chain": True}, ["licence_revoked"]),
    ("grant pending", {"state": "pending", "on_chain": False}, ["unknown_licence"]),
    ("not on chain", {"on_chain": False}, ["unknown_licence"]),
    ("first second after", {"expires_at": NOW}, ["licence_expired"]),
    ("terms silent", {"terms": {}}, ["terms_not_transferable"]),
    ("terms against it", {"terms": {"transferable": False}}, ["terms_not_transferable"]),
    ("terms that say something like it", {"terms": {"transferable": 1}}, ["terms_not_transferable"]),
    ("printers listed", {"listed": True}, ["printers_listed"]),
    ("key held by the owner", {"listed": True, "owner_held": True}, ["printers_listed"]),
    (
        "everything at once",
        {"state": "revoked", "expires_at": NOW, "terms": {}, "listed": True},
        ["licence_revoked", "licence_expired", "terms_not_transferable", "printers_listed"],
    ),
]


class TestJudgeConsent:
    @pytest.mark.parametrize(("changes", "codes"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
    def test_gives_the_reasons(self, changes: dict[str, Any], codes: list[str]) -> None:
        reasons = judge_consent(replace(SOURCE, consented=False, **changes), NOW)
        assert [reason.code for reason in reasons] == codes

    def test_says_whose_seals_are_missing(self) -> None:
        (reason,) = judge_consent(replace(SOURCE, listed=True, owner_held=True), NOW)
        assert "seal" in reason.message
        assert "grant the receiver a licence" in reason.message


class TestJudgeTransfer:
    @pytest.mark.parametrize(("changes", "codes"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
    def test_wants_the_consent_beside_that(self, changes: dict[str, Any], codes: list[str]) -> None:
        for consented, further in ((True, []), (False, ["not_consented"])):
            source = replace(SOURCE, consented=consented, **changes)
            reasons = judge_transfer(source, NUMBERS, 3, NOW)
            assert [reason.code for reason in reasons] == codes + further

    @given(st.integers(0, 2**32), st.integers(0, 2**32), st.integers(1, 2**31))
    def test_takes_what_lies_above_the_highest_number(self, allowed: int, highest: int, prints: int) -> None:
        reasons = judge_transfer(SOURCE, Numbers(allowed, highest), prints, NOW)
        assert (not reasons) == (highest + prints <= allowed)
        assert [reason.code for reason in reasons] in ([], ["not_transferable"])
