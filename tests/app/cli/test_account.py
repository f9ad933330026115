"""Tests of accounts their organisation keeps, and of what they refuse to sign."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli.account import Account, require_same
from app.cli.failures import CliError
from ledger.typed_data import Domain, Licence, Publication, digest, recover_signer

DOMAIN = Domain(20566, "0x" + "11" * 20)
LICENCE = Licence(
    revision=bytes(32),
    owner="0x" + "22" * 20,
    provider="0x" + "33" * 20,
    printers=bytes(32),
    prints=2,
    reprints=1,
    starts_at=10,
    expires_at=20,
    terms=b"t" * 32,
    salt=b"s" * 32,
)


class TestAccount:
    def test_signs_what_the_ledger_recovers(self, tmp_path: Path) -> None:
        account = Account.create(tmp_path / "key.json")
        signature = bytes.fromhex(account.sign(DOMAIN, LICENCE)[2:])
        assert recover_signer(digest(DOMAIN, LICENCE), signature) == account.address

    def test_survives_its_file(self, tmp_path: Path) -> None:
        made = Account.create(tmp_path / "a" / "key.json")
        assert Account.load(tmp_path / "a" / "key.json").address == made.address
        assert (tmp_path / "a" / "key.json").stat().st_mode & 0o777 == 0o600

    def test_never_replaces_a_file(self, tmp_path: Path) -> None:
        Account.create(tmp_path / "key.json")
        before = (tmp_path / "key.json").read_bytes()
        with pytest.raises(CliError, match="is there already"):
            Account.create(tmp_path / "key.json")
        assert (tmp_path / "key.json").read_bytes() == before

    def test_signs_for_one_ledger(self, tmp_path: Path) -> None:
        Account.create(tmp_path / "key.json").sign(DOMAIN, LICENCE)
        account = Account.load(tmp_path / "key.json")
        account.sign(DOMAIN, LICENCE)
        for other in (Domain(1, DOMAIN.contract), Domain(DOMAIN.chain_id, "0x" + "44" * 20)):
            with pytest.raises(CliError) as caught:
                account.sign(other, LICENCE)
            assert caught.value.kind == "other_ledger"

    def test_is_refused_where_others_may_read_it(self, tmp_path: Path) -> None:
        Account.create(tmp_path / "key.json")
        (tmp_path / "key.json").chmod(0o640)
        with pytest.raises(CliError) as caught:
            Account.load(tmp_path / "key.json")
        assert (caught.value.kind, caught.value.remedy) == (
            "loose_permissions",
            f"chmod 600 {tmp_path / 'key.json'}",
        )

    @pytest.mark.parametrize(
        "content",
        ["", "[]", "{}", '{"format":"x"}', '{"format":"partvault/account/v1","private_key":"0x00"}'],
    )
    def test_is_refused_when_damaged(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "key.json"
        path.touch(0o600)
        path.write_text(content)
        with pytest.raises(CliError) as caught:
            Account.load(path)
        assert caught.value.kind == "account_file"

    def test_is_missed(self, tmp_path: Path) -> None:
        with pytest.raises(CliError, match="cannot be read"):
            Account.load(tmp_path / "none")

    def test_shows_no_key(self, tmp_path: Path) -> None:
        account = Account.create(tmp_path / "key.json")
        key = json.loads((tmp_path / "key.json").read_text())["private_key"]
        assert "***" in repr(account)
        assert key[2:] not in repr(account)


class TestRequireSame:
    def test_takes_the_same(self) -> None:
        require_same(LICENCE, LICENCE.to_json())

    @pytest.mark.parametrize("name", sorted(LICENCE.to_json()))
    def test_names_a_field_that_differs(self, name: str) -> None:
        proposed = LICENCE.to_json()
        value = proposed[name]
        proposed[name] = (
            value + 1 if isinstance(value, int) else value[:-1] + ("1" if value[-1] != "1" else "2")
        )
        with pytest.raises(CliError, match=f"{name} is ") as caught:
            require_same(LICENCE, proposed)
        assert (caught.value.kind, "nothing was signed" in caught.value.remedy) == ("proposal_differs", True)

    @pytest.mark.parametrize("proposed", [None, [], "x", {}])
    def test_refuses_what_is_no_statement(self, proposed: Any) -> None:
        with pytest.raises(CliError):
            require_same(LICENCE, proposed)

    def test_refuses_a_field_too_many(self) -> None:
        with pytest.raises(CliError, match="extra"):
            require_same(LICENCE, {**LICENCE.to_json(), "extra": 1})

    def test_does_not_mind_the_case_of_hex(self) -> None:
        own = Publication(replace(LICENCE).owner, b"\xab" * 32)
        require_same(own, {name: str(value).upper() for name, value in own.to_json().items()})
