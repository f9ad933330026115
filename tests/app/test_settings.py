"""What the environment may say, and what production refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from app.settings import Environment, Settings, UnsafeSettings

SAFE: dict[str, Any] = {
    "environment": Environment.PRODUCTION,
    "public_url": "https://vault.example",
    "keys": "awskms:alias/partvault",
    "rpc_url": "https://rpc.example",
    "contract": "0x" + "11" * 20,
}


class TestRequireSafe:
    def test_lets_development_be(self) -> None:
        Settings().require_safe()

    def test_lets_safe_production_be(self) -> None:
        Settings(**SAFE).require_safe()

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"keys": None}, "file-keyring"),
            ({"keys": "file:/keys"}, "file-keyring"),
            ({"keys": "unheard-of:x"}, "file-keyring"),
            ({"rpc_url": None, "contract": None}, "embedded-chain"),
            ({"public_url": None}, "public-url"),
            ({"public_url": "http://vault.example"}, "public-url"),
            ({"objects": "memory:"}, "objects"),
            ({"objects": "unheard-of:x"}, "objects"),
            ({"database_url": "sqlite:///:memory:"}, "database-in-memory"),
            ({"database_url": "mysql://x"}, "database"),
            ({"log_level": "debug"}, "debug-log"),
        ],
    )
    def test_names_what_production_refuses(self, changes: dict[str, Any], named: str) -> None:
        with pytest.raises(UnsafeSettings, match=named):
            Settings(**(SAFE | changes)).require_safe()

    def test_names_each_of_them(self) -> None:
        with pytest.raises(UnsafeSettings) as caught:
            Settings(environment=Environment.PRODUCTION).require_safe()
        assert all(name in caught.value.detail for name in ("file-keyring", "embedded-chain", "public-url"))

    def test_takes_what_the_operator_accepts_by_name(self) -> None:
        accepted = frozenset({"file-keyring"})
        Settings(**(SAFE | {"keys": None, "accepted_risks": accepted})).require_safe()

    def test_wants_endpoint_and_contract_together(self) -> None:
        with pytest.raises(UnsafeSettings, match="PARTVAULT_CONTRACT"):
            Settings(rpc_url="http://127.0.0.1:1").require_safe()

    @pytest.mark.parametrize(
        ("urls", "agreement"), [("http://a", 1), ("http://a, http://b,", 2), ("a,b,c", 2)]
    )
    def test_lets_a_majority_of_endpoints_agree(self, urls: str, agreement: int) -> None:
        Settings(**(SAFE | {"rpc_url": urls, "rpc_agreement": agreement})).require_safe()

    @pytest.mark.parametrize(("urls", "agreement"), [("http://a", 2), ("a,b", 1), ("a,b,c,d", 2)])
    def test_wants_a_majority_of_endpoints(self, urls: str, agreement: int) -> None:
        with pytest.raises(UnsafeSettings, match="no majority"):
            Settings(**(SAFE | {"rpc_url": urls, "rpc_agreement": agreement})).require_safe()

    @pytest.mark.parametrize(
        "url",
        [
            "vault.example",
            "ftp://vault.example",
            "https://",
            "https://user@vault.example",
            "https://vault.example?x=1",
            "https://vault.example#x",
            "https://vault.example/<x>",
            "https://vault.example:99999",
            "https://vault.example/ü",
        ],
    )
    def test_wants_a_public_url_that_clients_can_be_sent_to(self, url: str) -> None:
        with pytest.raises(UnsafeSettings, match="PARTVAULT_PUBLIC_URL"):
            Settings(public_url=url).require_safe()

    @pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://vault.example/parts/"])
    def test_takes_a_public_url(self, url: str) -> None:
        Settings(public_url=url).require_safe()

    def test_is_asked_before_anything_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(UnsafeSettings):
            create_app(Settings(environment=Environment.PRODUCTION, data_dir=tmp_path / "data"))
        assert list(tmp_path.iterdir()) == []


class TestEnvironment:
    def test_is_read_with_the_prefix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PARTVAULT_TOKEN_TTL_S", "60")
        monkeypatch.setenv("PARTVAULT_ACCEPTED_RISKS", '["file-keyring"]')
        settings = Settings()
        assert settings.token_ttl_s == 60
        assert settings.accepted_risks == {"file-keyring"}

    def test_shows_no_relay_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PARTVAULT_RELAY_KEY", "0x" + "ab" * 32)
        assert "ab" * 32 not in repr(Settings())


class TestRpcUrls:
    def test_are_the_parts_between_commas(self) -> None:
        assert Settings(rpc_url="http://a:1, http://b:2,").rpc_urls == ("http://a:1", "http://b:2")

    def test_are_none_of_the_embedded_chain(self) -> None:
        assert Settings().rpc_urls == ()
        assert Settings().embedded_chain


class TestLocations:
    def test_lie_in_the_data_folder(self) -> None:
        settings = Settings(data_dir=Path("/srv/data"))
        assert settings.database_location == "sqlite:////srv/data/partvault.sqlite"
        assert settings.objects_location == "local:/srv/data/objects"
        assert settings.keys_location.startswith("file:/srv/data/")
