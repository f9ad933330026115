"""Tests of keys in a TPM."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from printer_agent.errors import IdentityError, KeysUnavailable
from printer_agent.keys import Pin, PrinterKeys, make_keys, plan_keys, prove, read_keys
from printer_agent.keys.tpm2 import Tpm2Keys
from printer_agent.keys.tpm2_device import Tpm
from tests.conformance.printer_keys import Planner, PrinterKeysContract
from tests.printer_agent.keys.swtpm import SoftwareTpm, swtpm

PIN = Pin("tpm-pin")


def made(tpm: SoftwareTpm, pin: Pin | None = PIN) -> Tpm2Keys:
    keys = make_keys(plan_keys(tpm.uri, name="", pin=pin), pin)
    assert isinstance(keys, Tpm2Keys)
    return keys


class TestTpm2Keys(PrinterKeysContract):
    @pytest.fixture(params=[PIN, None], ids=["pin", "no pin"])
    def plan(self, tpm: SoftwareTpm, request: pytest.FixtureRequest) -> Planner:
        return lambda: (plan_keys(tpm.uri, name="", pin=request.param), request.param)

    def confused(self, made: PrinterKeys, other: PrinterKeys) -> dict[str, Any]:
        mine, others = made.record(), other.record()
        return {**mine, "signing": {**mine["signing"], "public": others["signing"]["public"]}}

    def test_sign_otherwise_each_time(self, tpm: SoftwareTpm) -> None:
        keys = made(tpm)
        assert keys.signing.sign(bytes(32)) != keys.signing.sign(bytes(32))

    def test_are_bound_to_the_tpm_and_to_their_use(self, tpm: SoftwareTpm) -> None:
        record = made(tpm).record()
        for role, use, other in (("signing", 1 << 18, 1 << 17), ("sealing", 1 << 17, 1 << 18)):
            public = base64.b64decode(record[role]["public"])
            attributes = int.from_bytes(public[6:10], "big")
            fixed = (1 << 1) | (1 << 4) | (1 << 5)
            assert attributes & fixed == fixed
            assert attributes & use
            assert not attributes & other

    def test_leave_nothing_in_the_tpm(self, tpm: SoftwareTpm) -> None:
        """A TPM has room for three keys: whoever leaves one behind is not served a fourth time."""
        keys = made(tpm)
        for _ in range(6):
            keys.signing.sign(bytes(32))
            keys.attestor.evidence(bytes(32))
            with pytest.raises(KeysUnavailable):
                keys.attestor.activate("AEAA" + "A" * 88, "AQAA" + "A" * 344)

    def test_are_no_use_to_another_tpm(self, tpm: SoftwareTpm, tmp_path: Path) -> None:
        record = json.loads(json.dumps(made(tpm).record()))
        with (
            swtpm(tmp_path / "another", certified=False) as another,
            pytest.raises(KeysUnavailable) as caught,
        ):
            prove(read_keys({**record, "uri": another.uri}, PIN))
        assert caught.value.kind == "key_missing"


class TestFailures:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Any:
        with swtpm(tmp_path / "own", certified=False) as running:
            yield running

    def test_say_when_the_pin_is_wrong(self, own: SoftwareTpm) -> None:
        record = made(own).record()
        with pytest.raises(KeysUnavailable, match="refuses the PIN") as caught:
            prove(read_keys(record, Pin("wrong")))
        assert caught.value.kind == "wrong_pin"
        assert prove(read_keys(record, PIN)).startswith("keys of the TPM")

    def test_say_when_the_tpm_locks_itself(self, own: SoftwareTpm) -> None:
        record, kinds = made(own).record(), []
        for _ in range(6):
            with pytest.raises(KeysUnavailable) as caught:
                prove(read_keys(record, Pin("wrong")))
            kinds.append(caught.value.kind)
        assert kinds[0] == "wrong_pin"
        assert kinds[-1] == "locked"

    def test_say_when_there_is_no_tpm(self, tmp_path: Path, tpm: SoftwareTpm) -> None:
        with pytest.raises(KeysUnavailable, match="no TPM at swtpm:path") as caught:
            plan_keys(f"tpm2:swtpm:path={tmp_path / 'absent'}", name="")
        assert caught.value.kind == "no_token"

    def test_refuse_suites_that_no_tpm_holds(self) -> None:
        with pytest.raises(IdentityError) as caught:
            plan_keys("tpm2:", name="", suite="X25519")
        assert caught.value.kind == "wrong_suite"

    def test_refuse_a_record_that_is_no_key(self, tpm: SoftwareTpm) -> None:
        record = made(tpm).record()
        record["signing"]["public"] = base64.b64encode(b"\0" * 90).decode()
        with pytest.raises(ValueError, match="public area"):
            read_keys(record, PIN)


class TestEvidence:
    def test_comes_with_a_certificate_where_the_tpm_has_one(self, tpm: SoftwareTpm, tmp_path: Path) -> None:
        with_one = made(tpm).attestor.evidence(bytes(32))
        assert base64.b64decode(with_one["endorsement_certificate"])[:1] == b"\x30"
        with swtpm(tmp_path / "plain", certified=False) as plain:
            assert made(plain).attestor.evidence(bytes(32))["endorsement_certificate"] is None

    def test_is_by_one_key_for_one_tpm(self, tpm: SoftwareTpm) -> None:
        one, other = (made(tpm).attestor.evidence(bytes(32)) for _ in range(2))
        assert one["attestation_key"] == other["attestation_key"]

    def test_opens_challenges_to_its_own_keys_only(self, tpm: SoftwareTpm) -> None:
        from cryptography import x509

        from app.printers.tpm2 import PublicArea, challenge

        attestor, secret = made(tpm).attestor, bytes(range(32))
        evidence = attestor.evidence(bytes(32))
        certificate = x509.load_der_x509_certificate(base64.b64decode(evidence["endorsement_certificate"]))
        name = PublicArea.read(base64.b64decode(evidence["attestation_key"])).name()
        key: Any = certificate.public_key()

        def sent(to: bytes) -> list[str]:
            return [
                base64.b64encode(part).decode() for part in challenge(key, to, secret, lambda n: b"\7" * n)
            ]

        for _ in range(8):
            assert attestor.activate(*sent(name)) == secret.hex(), "a session left behind ends this"
        with pytest.raises(KeysUnavailable):
            attestor.activate(*sent(name[:-1] + b"\0"))


class TestTpm:
    def test_lets_go_when_it_fails(self, tpm: SoftwareTpm) -> None:
        keys = made(tpm)
        record = keys.record()
        record["signing"]["private"] = record["sealing"]["private"]
        for _ in range(4):
            with pytest.raises(KeysUnavailable):
                read_keys(record, PIN).signing.sign(bytes(32))
        assert prove(keys).startswith("keys of the TPM")
        assert Tpm.tcti(keys._address).startswith("swtpm:path=")
