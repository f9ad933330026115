"""Tests of keys in a PKCS#11 token."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from printer_agent.errors import AgentError, IdentityError, KeysUnavailable
from printer_agent.keys import Pin, PrinterKeys, make_keys, plan_keys, prove, read_keys
from printer_agent.keys.pkcs11 import Pkcs11Keys
from tests.conformance.printer_keys import Planner, PrinterKeysContract
from tests.printer_agent.keys.softhsm import PIN, SoftHsm

_names = (f"machine{number}" for number in itertools.count())


@pytest.fixture
def keys(token: SoftHsm) -> Pkcs11Keys:
    made = make_keys(plan_keys(token.uri(next(_names)), name="", pin=Pin(PIN)), Pin(PIN))
    assert isinstance(made, Pkcs11Keys)
    return made


class TestPkcs11Keys(PrinterKeysContract):
    @pytest.fixture
    def plan(self, token: SoftHsm) -> Planner:
        return lambda: (plan_keys(token.uri(next(_names)), name="", pin=Pin(PIN)), Pin(PIN))

    def confused(self, made: PrinterKeys, other: PrinterKeys) -> dict[str, Any]:
        return {**made.record(), "public": other.record()["public"]}

    def test_sign_otherwise_each_time(self, keys: Pkcs11Keys) -> None:
        assert keys.signing.sign(bytes(32)) != keys.signing.sign(bytes(32))

    def test_never_leave_the_token(self, keys: Pkcs11Keys) -> None:
        pkcs11 = keys._token.pkcs11
        with keys._token.session() as session:
            for role in ("signing", "sealing"):
                private = keys._token.private(session, f"{keys._label}-{role}", keys._id)
                kept = (
                    pkcs11.Attribute.SENSITIVE,
                    pkcs11.Attribute.NEVER_EXTRACTABLE,
                    pkcs11.Attribute.LOCAL,
                )
                assert all(private[attribute] for attribute in kept)
                assert not private[pkcs11.Attribute.EXTRACTABLE]
                may = (private[pkcs11.Attribute.SIGN], private[pkcs11.Attribute.DERIVE])
                assert may == ((True, False) if role == "signing" else (False, True))

    def test_are_gone_when_destroyed(self, keys: Pkcs11Keys) -> None:
        keys.destroy()
        with pytest.raises(KeysUnavailable) as caught:
            prove(read_keys(keys.record(), Pin(PIN)))
        assert caught.value.kind == "key_missing"

    def test_take_the_pin_from_the_file_that_the_address_names(self, token: SoftHsm, tmp_path: Path) -> None:
        path = tmp_path / "pin"
        path.write_text(PIN + "\n")
        path.chmod(0o600)
        uri = f"{token.uri(next(_names))}&pin-source=file:{path}"
        assert prove(make_keys(plan_keys(uri, name=""))).startswith("keys machine")


class TestFailures:
    @pytest.mark.parametrize(
        ("change", "pin", "kind", "remedy"),
        [
            ({"token": "absent"}, PIN, "no_token", "pkcs11-tool"),
            ({}, None, "pin_missing", "HOME/keys.pin"),
        ],
    )
    def test_say_what_is_wrong_with_the_token(
        self, token: SoftHsm, change: dict[str, str], pin: str | None, kind: str, remedy: str
    ) -> None:
        given = None if pin is None else Pin(pin)
        with pytest.raises(KeysUnavailable, match="token") as caught:
            plan_keys(token.uri(next(_names), **change), name="", pin=given)
        assert (caught.value.kind, remedy in caught.value.remedy) == (kind, True)

    def test_say_that_the_pin_is_wrong(self, token: SoftHsm) -> None:
        """In a process of its own: a login is the process's, and this one is logged in."""
        script = (
            "import sys; from printer_agent.keys import Pin, plan_keys\n"
            "from printer_agent.errors import KeysUnavailable\n"
            "try: plan_keys(sys.argv[1], name='', pin=Pin('0815'))\n"
            "except KeysUnavailable as error: print(error.kind, error.message, error.remedy)"
        )
        command = [sys.executable, "-c", script, token.uri(next(_names))]
        said = subprocess.run(command, capture_output=True, text=True, check=True, env=token.environment)
        assert said.stdout.startswith("wrong_pin token printers refuses the PIN")
        assert "0815" not in said.stdout + said.stderr

    def test_say_which_module_does_not_load(self, token: SoftHsm) -> None:
        uri = token.uri("m").replace(str(token.module), "/absent.so")
        with pytest.raises(KeysUnavailable, match=r"/absent\.so") as caught:
            plan_keys(uri, name="", pin=Pin(PIN))
        assert caught.value.kind == "keys_library"

    def test_refuse_a_name_that_is_taken(self, token: SoftHsm, keys: Pkcs11Keys) -> None:
        with pytest.raises(IdentityError, match=f"{keys._label}-signing") as caught:
            plan_keys(keys.uri, name="", pin=Pin(PIN))
        assert caught.value.kind == "object_exists"

    @pytest.mark.parametrize("suite", ["X25519", "MLKEM768-X25519"])
    def test_refuse_suites_that_no_token_holds(self, token: SoftHsm, suite: str) -> None:
        with pytest.raises(IdentityError) as caught:
            plan_keys(token.uri("m"), name="", suite=suite, pin=Pin(PIN))
        assert caught.value.kind == "wrong_suite"

    def test_are_no_verdict_about_a_sealed_key(self, token: SoftHsm, keys: Pkcs11Keys) -> None:
        """A token that fails says so; nobody reports the release as damaged."""
        from storage.recipients import seal
        from storage.secret import DataKey

        blob = seal(DataKey.generate(), "P-256", keys.sealing.public, b"i")
        record = {**keys.record(), "uri": keys.uri.replace("token=printers", "token=absent")}
        with pytest.raises(AgentError) as caught:
            read_keys(record, Pin(PIN)).sealing.open(blob, b"i")
        assert caught.value.kind == "no_token"
