"""`partvault licence consent | transfer | transfers`, and the audit of what they leave in the database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from app.cli.account import Account
from app.cli.audit_local import audit_local
from app.cli.connection import Connection
from app.cli.failures import CliError
from app.cli.statements import sign_transfer
from app.settings import Settings
from ledger.typed_data import Licence as LicenceStatement
from ledger.typed_data import PrintTransfer
from tests.app.cli.conftest import Command
from tests.app.cli.test_audit import changed
from tests.app.cli.test_tour import party, publish
from tests.e2e.service_process import ServiceProcess

NOBODY = cast("Connection", None)
"""What is refused before it is asked anything."""
CHANGES = [
    ("prints", "prints + 1"),
    ("reprints", "1"),
    ("expires_at", "expires_at + 1"),
    ("statement", "json_set(statement, '$.prints', 9)"),
    ("statement", "json_set(statement, '$.reprints', 9)"),
    ("statement", "json_set(statement, '$.salt', '0x00')"),
    ("licence_hash", "randomblob(32)"),
    ("transferred_from", "NULL"),
    ("transferred_from", "id"),
    ("transferred_from", "'lic_nobody'"),
]


def grant(owner: Command, part: Path, provider: str, account: Path | None = None, *words: object) -> Any:
    revision = publish(owner, part, account)
    return owner.ok(
        *("licence", "grant", "--revision", revision["id"], "--provider", provider, "--prints", 5),
        *("--term", "transferable=true", *words),
        account=account,
    )


@pytest.fixture
def transferred(operator: Command, part: Path) -> dict[str, Any]:
    """Two of five prints, passed on between managed accounts."""
    owner, _ = party(operator, "owner")
    provider, holder = party(operator, "provider")
    receiver, made = party(operator, "provider")
    licence = grant(owner, part, holder["id"])
    refused = provider.refused("licence", "transfer", licence["id"], "--to", made["name"], "--prints", 2)
    assert [reason["code"] for reason in refused["reasons"]] == ["not_consented"]
    assert owner.ok("licence", "consent", licence["id"])["consented"] is True
    moved = provider.ok("licence", "transfer", licence["id"], "--to", made["name"], "--prints", 2)
    return {"licence": licence, "moved": moved, "provider": provider, "receiver": receiver}


class TestManagedAccounts:
    def test_pass_prints_on(self, transferred: dict[str, Any]) -> None:
        licence, moved, provider = (transferred[name] for name in ("licence", "moved", "provider"))
        assert (moved["state"], moved["prints"], moved["licence_id"]) == ("confirmed", 2, licence["id"])
        assert provider.ok("licence", "transfers", licence["id"]) == [moved]
        assert transferred["receiver"].ok("licence", "show", moved["id"])["prints"] == 2
        assert "0 of 3 (2 transferred)" in provider("licence", "show", licence["id"]).out
        assert licence["id"] in transferred["receiver"]("licence", "show", moved["id"]).out
        for listed in (provider("licence", "transfers", licence["id"]), provider("licence", "list")):
            assert listed.code == 0
        refused = provider("licence", "transfer", licence["id"], "--to", moved["provider_id"], "--prints", 4)
        assert refused.code == 1
        assert "3 of 3" in refused.err


class TestOwnAccounts:
    def test_sign_on_their_own_machine(self, operator: Command, part: Path, tmp_path: Path) -> None:
        files = {role: tmp_path / f"{role}.json" for role in ("owner", "provider")}
        made = {}
        for role, path in files.items():
            words = ("org", "create", f"Own {role} {tmp_path.name}", "--role", role, "--account", "own")
            made[role] = operator.ok(*words, account=path)
        owner, provider = (operator.as_(made[role]["api_key"]["key"]) for role in files)
        _, receiver = party(operator, "provider")
        licence = grant(owner, part, made["provider"]["id"], files["owner"])
        assert owner.ok("licence", "consent", licence["id"], account=files["owner"])["consented"] is True
        words = ("licence", "transfer", licence["id"], "--to", receiver["id"], "--prints", 1)
        unsigned = provider.refused(*words, code=2)
        assert unsigned["kind"] == "no_account_file"
        wrong = provider.refused(*words, "--to-address", "0x" + "07" * 20, account=files["provider"])
        assert wrong["kind"] == "wrong_provider"
        assert provider.ok(*words, account=files["provider"])["state"] == "confirmed"

    def test_sign_nothing_else_than_was_asked_for(self, tmp_path: Path) -> None:
        """A service that proposes more prints than were asked for, or another receiver, gets no signature."""
        account = Account.create(tmp_path / "account.json")
        licence = LicenceStatement(
            *(bytes(32), "0x" + "01" * 20, account.address, bytes(32)),
            *(5, 0, 0, 1, bytes(32), bytes(32)),
        )
        shown = {"id": "lic_1", "licence": licence.to_json()}
        wish = ("0x" + "02" * 20, 2, bytes(32))
        for proposed in ((wish[0], 3, wish[2]), ("0x" + "03" * 20, 2, wish[2])):
            prepared = {"transfer": PrintTransfer(licence.struct_hash(), *proposed).to_json()}
            with pytest.raises(CliError, match="proposes another PrintTransfer"):
                sign_transfer(NOBODY, account, shown, wish, prepared)
        foreign = {**shown, "licence": replace(licence, provider=wish[0]).to_json()}
        with pytest.raises(CliError, match="not this account's"):
            sign_transfer(NOBODY, account, foreign, wish, {})


class TestAudit:
    def test_agrees(self, service: ServiceProcess, transferred: dict[str, Any]) -> None:
        report = audit_local(Settings(data_dir=service.data_dir), None, quiet=True)
        assert (report.ok, report.findings) == (True, ())
        assert report.counts["transfers"] >= 1

    def test_names_a_changed_row(self, service: ServiceProcess, transferred: dict[str, Any]) -> None:
        made, origin = transferred["moved"]["id"], transferred["licence"]["id"]
        missed = []
        forged = [(origin, "transfer_consent", value) for value in ("NULL", "randomblob(65)")]
        for row, column, value in [*((made, *change) for change in CHANGES), *forged]:
            with changed(service.data_dir, f"UPDATE licences SET {column} = {value} WHERE id = '{row}'"):
                report = audit_local(Settings(data_dir=service.data_dir), None, quiet=True)
            if not any(finding.row.startswith("licences ") for finding in report.findings):
                missed.append((column, value, report.findings))
        assert missed == []

    def test_names_a_forged_consent_that_nobody_used(
        self, service: ServiceProcess, operator: Command, part: Path
    ) -> None:
        owner, _ = party(operator, "owner")
        licence = grant(owner, part, party(operator, "provider")[1]["id"])
        forgery = f"UPDATE licences SET transfer_consent = randomblob(65) WHERE id = '{licence['id']}'"
        with changed(service.data_dir, forgery):
            report = audit_local(Settings(data_dir=service.data_dir), None, quiet=True)
        assert [(found.row, found.field) for found in report.findings] == [
            (f"licences {licence['id']}", "transfer_consent")
        ]
