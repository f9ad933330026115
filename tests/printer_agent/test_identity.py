"""Tests of the printer's identity on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.typed_data import Domain
from printer_agent.errors import AgentError, IdentityError
from printer_agent.identity import (
    Identities,
    Identity,
    Plan,
    forget,
    keep_successor,
    make_identity,
    make_successor,
    switch,
    withdraw,
)
from printer_agent.keys import FileKeys, plan_keys
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

    def test_keeps_where_the_keys_are(self, tmp_path: Path) -> None:
        make_identity(tmp_path / "home", "file:")
        assert make_identity(tmp_path / "home", "file:").keys.uri == "file:"
        with pytest.raises(IdentityError) as caught:
            make_identity(tmp_path / "home", "tpm2:")
        assert caught.value.kind == "keys_chosen"

    def test_takes_another_address_where_the_first_made_nothing(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        with pytest.raises(AgentError):
            make_identity(home, "pkcs11:token=absent?module-path=/absent.so")
        assert make_identity(home, "file:", "X25519").sealing.suite == "X25519"

    def test_makes_what_a_run_that_was_cut_off_had_planned(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        home.mkdir(mode=0o700)
        Identities(Plan(plan_keys("file:", name="", suite="P-256"))).write(home)
        with pytest.raises(IdentityError, match="cut off") as caught:
            Identity.load(home)
        assert caught.value.kind == "not_enrolled"
        assert make_identity(home).sealing.suite == "P-256"


class TestFirstFormat:
    def test_is_read_and_written_anew(self, tmp_path: Path) -> None:
        home, made = tmp_path / "home", Identity.generate("X25519").with_pins(PINS)
        made.save(home)
        keys = made.keys.record()
        first = {
            "format": "partvault/printer-identity/v1",
            "signing_key": keys["signing"],
            "sealing_key": keys["sealing"],
            "pins": PINS.to_json(),
        }
        (home / "identity.json").write_text(json.dumps(first))
        found = Identities.load(home)
        assert (found.enrolling.pins, found.enrolling.signing.x) == (PINS, made.signing.x)
        assert not found.rotating
        found.enrolling.save(home)
        assert json.loads((home / "identity.json").read_text())["format"].endswith("/v2")


class TestSwitch:
    def identities(self, home: Path) -> Identities:
        Identity.generate("X25519").with_pins(PINS).save(home)
        keep_successor(home, make_successor(home).with_pins(replace(PINS, printer_id="prt_2")))
        return Identities.load(home)

    def test_happens_once(self, tmp_path: Path) -> None:
        before = self.identities(tmp_path / "home")
        once, twice = (switch(tmp_path / "home", "prt_2") for _ in range(2))
        assert (once.enrolling.pins, once.successor) == (replace(PINS, printer_id="prt_2"), None)
        assert [each.signing.x for each in once.predecessors] == [before.enrolling.signing.x]
        assert [each.signing.x for each in twice.alive] == [each.signing.x for each in once.alive]

    def test_takes_no_other_printer(self, tmp_path: Path) -> None:
        self.identities(tmp_path / "home")
        assert switch(tmp_path / "home", "prt_3").enrolling.enrolled.printer_id == "prt_1"

    def test_is_survived_by_a_later_save(self, tmp_path: Path) -> None:
        """Whoever writes the current identity leaves the others alone."""
        self.identities(tmp_path / "home")
        switched = switch(tmp_path / "home", "prt_2")
        switched.enrolling.save(tmp_path / "home")
        assert len(Identities.load(tmp_path / "home").predecessors) == 1

    def test_ends_with_the_old_forgotten(self, tmp_path: Path) -> None:
        self.identities(tmp_path / "home")
        switch(tmp_path / "home", "prt_2")
        assert len(forget(tmp_path / "home", "prt_2").predecessors) == 1, "the current one stays"
        assert forget(tmp_path / "home", "prt_1").predecessors == ()
        assert forget(tmp_path / "home", "prt_1").predecessors == ()

    def test_is_not_after_a_withdrawal(self, tmp_path: Path) -> None:
        self.identities(tmp_path / "home")
        assert withdraw(tmp_path / "home", "prt_1").successor is not None
        assert withdraw(tmp_path / "home", "prt_2").successor is None
        assert switch(tmp_path / "home", "prt_2").enrolling.enrolled.printer_id == "prt_1"
