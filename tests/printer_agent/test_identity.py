"""Tests of the printer's identity on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.typed_data import Domain
from printer_agent.errors import IdentityError
from printer_agent.identity import Identity, make_identity
from printer_agent.keys import FileKeys
from printer_agent.pins import Pins

PINS = Pins("http://a", "prt_1", "0x" + "33" * 20, Domain(1, "0x" + "11" * 20), bytes(32))


class TestIdentity:
    @pytest.mark.parametrize("suite", ["MLKEM768-X25519", "X25519", "P-256"])
    def test_survives_its_file(self, tmp_path: Path, suite: str) -> None:
        made = Identity.generate(suite).with_pins(PINS)
        made.save(tmp_path / "home")
        found = Identity.load(tmp_path / "home")
        assert (found.pins, found.signing.x, found.sealing.public) == (
            PINS,
            made.signing.x,
            made.sealing.public,
        )
        assert found.sealing.suite == suite

    def test_lies_in_private_places(self, tmp_path: Path) -> None:
        Identity.generate("X25519").save(tmp_path / "home")
        assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "home" / "identity.json").stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("loose", ["home", "home/identity.json"])
    def test_is_refused_where_others_may_read_it(self, tmp_path: Path, loose: str) -> None:
        Identity.generate("X25519").save(tmp_path / "home")
        (tmp_path / loose).chmod(0o755)
        with pytest.raises(IdentityError) as caught:
            Identity.load(tmp_path / "home")
        assert caught.value.kind == "loose_permissions"

    @pytest.mark.parametrize(
        "damage",
        [
            {"format": "other"},
            {"current": {"keys": {"scheme": "file", "signing": "AA=="}, "pins": None}},
            {"current": {"keys": {"scheme": "file", "signing": 7}, "pins": None}},
            {"current": {"keys": {"scheme": "floppy"}, "pins": None}},
            {"current": 7},
            {"predecessors": [{}]},
        ],
    )
    def test_is_refused_when_damaged(self, tmp_path: Path, damage: dict[str, object]) -> None:
        Identity.generate("X25519").save(tmp_path / "home")
        path = tmp_path / "home" / "identity.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
        with pytest.raises(IdentityError) as caught:
            Identity.load(tmp_path / "home")
        assert caught.value.kind == "damaged"

    def test_shows_no_key(self, tmp_path: Path) -> None:
        identity = Identity.generate("X25519")
        shown = repr(identity)
        assert "***" in shown
        assert isinstance(identity.keys, FileKeys)
        assert identity.keys.signing.reveal().hex() not in shown

    def test_never_changes_its_pins(self) -> None:
        identity = Identity.generate("X25519").with_pins(PINS)
        assert identity.with_pins(PINS) == identity
        with pytest.raises(IdentityError, match="enrolled as prt_1"):
            identity.with_pins(replace(PINS, url="http://b"))

    def test_asks_for_enrolment_first(self) -> None:
        with pytest.raises(IdentityError) as caught:
            _ = Identity.generate("X25519").enrolled
        assert caught.value.kind == "not_enrolled"


class TestMakeIdentity:
    def test_keeps_the_keys_of_an_enrolment_cut_off(self, tmp_path: Path) -> None:
        first = make_identity(tmp_path / "home", suite="X25519")
        assert make_identity(tmp_path / "home", suite="X25519").signing.x == first.signing.x
