"""`partvault print withdraw | reissue`: with managed accounts, and signed and sealed by their owner."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from app.cli.account import Account
from app.cli.failures import CliError
from app.cli.reissue import granted_licence, reissue_print
from ledger.operations import Grant, from_json
from ledger.signer import AccountKey
from ledger.typed_data import Domain, Licence, digest
from tests.app.cli.conftest import Command
from tests.app.cli.test_owner_held import Owner, machine, named, owner, provider, sandbox
from tests.app.cli.test_tour import party, publish
from tests.e2e.parties import Provider

__all__ = ["owner", "provider", "sandbox"]
DOMAIN = Domain(31337, "0x" + "11" * 20)


def window() -> tuple[datetime, datetime]:
    now = datetime.now(UTC).replace(microsecond=0)
    return now, now + timedelta(hours=1)


class TestManagedAccounts:
    def test_withdraw_and_replace(self, operator: Command, part: Path, provider: Provider) -> None:
        mine, _ = party(operator, "owner")
        words = ("licence", "grant", "--revision", publish(mine, part)["id"], "--provider")
        licence = mine.ok(*words, provider.organisation_id, "--prints", 1)
        theirs, printer = operator.as_(provider.api_key), provider.new_printer(materials=["PLA"])
        back = provider.authorise(licence, printer)
        assert theirs.ok("print", "withdraw", back["id"])["state"] == "withdrawn"
        made = provider.authorise(licence, printer)
        assert "authorised" in mine.refused("print", "reissue", made["id"])["message"]
        assert printer.redeem(made["token"]).status_code == 200
        theirs.ok("printer", "quarantine", printer.id, "--reason", "it burnt")
        granted = mine.ok("print", "reissue", made["id"], "--expires", "+2h")
        assert (granted["replaces"], granted["prints"], granted["state"]) == (made["id"], 1, "active")
        shown = mine("print", "show", made["id"]).out
        assert granted["id"] in shown
        assert "due by" in shown
        assert made["id"] in mine("licence", "show", granted["id"]).out
        assert mine.ok("print", "list", "--overdue") == []


class TestOwnAccounts:
    def test_sign_and_seal_to_the_printers_that_are_left(
        self, owner: Owner, provider: Provider, part: Path
    ) -> None:
        dead, left = machine(provider), machine(provider)
        licence = owner.grant(owner.publish(part), provider, named(dead), named(left))
        made = provider.authorise(licence, dead)
        assert dead.redeem(made["token"]).status_code == 200
        body = {"reason": "it burnt"}
        provider.expect(200, "POST", f"/v1/printers/{dead.id}/quarantine", json=body)
        granted = reissue_print(owner.connection(), made["id"], window(), quiet=True)
        assert (granted["replaces"], granted["printers"]) == (made["id"], licence["printers"])
        release = left.redeem(provider.authorise(granted, left)["token"]).json()
        assert left.open(release, left.download(release).content) == part.read_bytes()

    def test_sign_no_other_proposal(self, owner: Owner, provider: Provider, part: Path) -> None:
        printer, left = machine(provider), machine(provider)
        licence = owner.grant(owner.publish(part), provider, named(printer), named(left))
        made = provider.authorise(licence, printer)
        assert printer.redeem(made["token"]).status_code == 200
        provider.expect(200, "POST", f"/v1/printers/{printer.id}/quarantine", json={"reason": "it burnt"})
        connection = owner.connection()
        honest = connection.client.post

        def lying(path: str, body: Any = None, key: str | None = None) -> Any:
            answer = honest(path, body, key)
            if path.endswith("/reissue/prepare"):
                answer["licence"]["prints"] = 9
            return answer

        connection.client.post = lying  # type: ignore[method-assign]
        with pytest.raises(CliError, match="prints"):
            reissue_print(connection, made["id"], window(), quiet=True)


class Signer:
    """As much of an account as is asked for its address."""

    def __init__(self, key: AccountKey) -> None:
        self.address = key.address


class TestGrantedLicence:
    key, other = AccountKey.generate(), AccountKey.generate()
    licence = Licence(
        revision=b"\x01" * 32,
        owner=key.address,
        provider=other.address,
        printers=bytes(32),
        prints=3,
        reprints=1,
        starts_at=1,
        expires_at=2,
        terms=b"\x02" * 32,
        salt=b"\x03" * 32,
    )

    def operations(self, signer: AccountKey, licence: Licence | None = None) -> list[dict[str, Any]]:
        signed = licence or self.licence
        operation = Grant(self.licence, signer.sign(digest(DOMAIN, signed)))
        assert isinstance(from_json(operation.to_json()), Grant)
        return [{"operation": operation.to_json()}]

    def test_is_the_one_this_account_signed(self) -> None:
        mine = cast("Account", Signer(self.key))
        assert granted_licence(DOMAIN, mine, self.operations(self.key)) == self.licence

    @pytest.mark.parametrize("signed", [replace(licence, prints=4), replace(licence, salt=bytes(32))])
    def test_is_refused_where_another_was_signed(self, signed: Licence) -> None:
        with pytest.raises(CliError, match="not by this account"):
            granted_licence(DOMAIN, cast("Account", Signer(self.key)), self.operations(self.key, signed))

    def test_is_refused_where_another_signed(self) -> None:
        with pytest.raises(CliError, match="not by this account"):
            granted_licence(DOMAIN, cast("Account", Signer(self.key)), self.operations(self.other))

    @pytest.mark.parametrize("operations", [[], [{}], [{"operation": {"kind": "grant"}}]])
    def test_is_refused_where_nothing_can_be_read(self, operations: list[dict[str, Any]]) -> None:
        with pytest.raises(CliError, match="cannot be read"):
            granted_licence(DOMAIN, cast("Account", Signer(self.key)), operations)
