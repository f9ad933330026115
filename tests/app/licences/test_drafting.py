"""Which printers a new licence may list: names of keys that something new can be printed with."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app.parties import Party, Printer, problem
from tests.app.printers.rotating import successor_of, until_state


def refused(
    owner: Party, revision: dict[str, Any], provider: Party, printers: list[str], path: str = ""
) -> dict[str, Any]:
    request = owner.licence_request(revision, provider, printers=printers)
    return problem(owner.call("POST", f"/v1/licences{path}", json=request), "conflict")


class TestPrinters:
    @pytest.fixture
    def old(self, provider: Party) -> Printer:
        return provider.printer()

    @pytest.mark.parametrize("path", ["", "/prepare"])
    def test_refuses_rotated_keys_and_names_the_successor(
        self,
        owner: Party,
        provider: Party,
        revision: dict[str, Any],
        printer: Printer,
        old: Printer,
        path: str,
    ) -> None:
        new = successor_of(provider, old)
        found = refused(owner, revision, provider, [printer.id, old.id], path)
        assert found["field"] == "printers"
        assert old.id in found["detail"]
        assert new.id in found["detail"]
        assert found["remedy"] == f"list {new.id} in its place"

    def test_takes_the_successor(
        self, owner: Party, provider: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        new = successor_of(provider, old)
        assert provider.check(owner.license(revision, provider, printers=[new.id]), new) == []

    def test_names_the_newest_keys_of_several_rotations(
        self, owner: Party, provider: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        newest = successor_of(provider, successor_of(provider, old))
        assert refused(owner, revision, provider, [old.id])["remedy"] == f"list {newest.id} in its place"

    def test_says_where_the_successor_is_gone_too(
        self, owner: Party, provider: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        new = successor_of(provider, old)
        provider.expect(200, "POST", f"/v1/printers/{new.id}/retire", json={})
        found = refused(owner, revision, provider, [old.id])
        assert found["remedy"] == f"{new.id} is retired too: list another"

    def test_lists_keys_until_their_successor_is_approved(
        self, owner: Party, provider: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        successor_of(provider, old, approve=False)
        assert owner.license(revision, provider, printers=[old.id])["state"] == "active"

    def test_sends_nobody_to_approve_a_retired_printer(
        self, owner: Party, provider: Party, revision: dict[str, Any], old: Printer
    ) -> None:
        provider.expect(200, "POST", f"/v1/printers/{old.id}/retire", json={})
        until_state(provider, old, "retired")
        found = refused(owner, revision, provider, [old.id])
        assert (found["field"], "approve" in found["remedy"]) == ("printers", False)

    def test_says_that_keys_wait_for_their_approval(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        waiting = provider.printer(approve=False)
        assert (
            refused(owner, revision, provider, [waiting.id])["remedy"] == "have its provider approve it first"
        )
