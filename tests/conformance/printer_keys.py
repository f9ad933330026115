"""The contract of the printer's keys, run on every back end: subclass it and give it `plan`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwk, jws

from ledger.signatures import verify_printer_signature
from printer_agent.keys import Pin, PrinterKeys, make_keys, prove, read_keys
from printer_agent.proof import make_proof, public_jwk
from storage.errors import SealInvalid
from storage.recipients import seal, validate_public
from storage.secret import DataKey
from tests.storage.hpke_reference import seal_base

INFO = b'{"format":"partvault/release/v1"}'
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
Planner = Callable[[], tuple[dict[str, Any], Pin | None]]


class PrinterKeysContract:
    """Every method is one promise of the port's docstrings."""

    @pytest.fixture
    def plan(self) -> Planner:
        """Give plans for keys that no other plan touches, with the PIN that makes and uses them."""
        raise NotImplementedError

    @pytest.fixture
    def keys(self, plan: Planner) -> PrinterKeys:
        return make_keys(*plan())

    def test_sign_what_the_ledger_accepts(self, keys: PrinterKeys) -> None:
        for number in range(4):
            digest = hashlib.sha256(bytes([number])).digest()
            signature = keys.signing.sign(digest)
            assert len(signature) == 64
            assert int.from_bytes(signature[32:], "big") <= ORDER // 2
            assert verify_printer_signature(digest, keys.signing.x, keys.signing.y, signature)

    @pytest.mark.parametrize("size", [0, 31, 33, 64])
    def test_sign_digests_alone(self, keys: PrinterKeys, size: int) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            keys.signing.sign(bytes(size))

    def test_make_proofs_that_another_implementation_verifies(self, keys: PrinterKeys) -> None:
        proof = make_proof(keys.signing, "POST", "https://a.example/v1/x", "token", clock=lambda: 17.0)
        public = jwk.ECKey.import_key(public_jwk(keys.signing))
        opened = jws.deserialize_compact(proof, public, algorithms=["ES256"])
        assert json.loads(opened.payload)["htu"] == "https://a.example/v1/x"
        assert opened.headers()["typ"] == "dpop+jwt"

    def test_open_what_is_sealed_to_them(self, keys: PrinterKeys) -> None:
        validate_public(keys.sealing.suite, keys.sealing.public)
        key = DataKey.generate()
        blob = seal(key, keys.sealing.suite, keys.sealing.public, INFO)
        assert keys.sealing.open(blob, INFO) == key

    def test_open_what_another_implementation_sealed(self, keys: PrinterKeys) -> None:
        key = DataKey.generate()
        if keys.sealing.suite == "P-256":
            blob = seal_base(keys.sealing.public, key.reveal(), INFO)
            assert keys.sealing.open(blob, INFO) == key

    def test_open_nothing_else(self, keys: PrinterKeys, plan: Planner) -> None:
        suite, public = keys.sealing.suite, keys.sealing.public
        blob = seal(DataKey.generate(), suite, public, INFO)
        altered = bytearray(blob)
        altered[-1] ^= 1
        for wrong, info in ((bytes(altered), INFO), (blob, INFO + b" "), (blob[:-1], INFO)):
            with pytest.raises(SealInvalid):
                keys.sealing.open(wrong, info)
        with pytest.raises(SealInvalid):
            make_keys(*plan()).sealing.open(blob, INFO)

    def test_are_used_after_being_read_again(self, plan: Planner) -> None:
        planned, pin = plan()
        made = make_keys(planned, pin)
        again = read_keys(json.loads(json.dumps(made.record())), pin)
        assert (again.signing.x, again.signing.y) == (made.signing.x, made.signing.y)
        assert (again.sealing.suite, again.sealing.public) == (made.sealing.suite, made.sealing.public)
        assert again.uri == made.uri
        assert prove(again) == again.describe()

    def test_are_others_each_time(self, plan: Planner) -> None:
        one, other = make_keys(*plan()), make_keys(*plan())
        assert (one.signing.x, one.sealing.public) != (other.signing.x, other.sealing.public)
        assert one.signing.x != one.sealing.public[1:33]

    def test_are_made_anew_by_a_plan_that_was_cut_off(self, plan: Planner) -> None:
        planned, pin = plan()
        make_keys(planned, pin)
        made = make_keys(planned, pin)
        assert prove(read_keys(made.record(), pin)) == made.describe()

    def test_are_told_from_other_keys(self, plan: Planner) -> None:
        (planned, pin), (elsewhere, _) = plan(), plan()
        made, other = make_keys(planned, pin), make_keys(elsewhere, pin)
        assert self.confused(made, other) is None or prove_fails(self.confused(made, other), pin)

    def confused(self, made: PrinterKeys, other: PrinterKeys) -> dict[str, Any] | None:
        """A record whose public halves are another's, where the back end keeps them apart from the keys."""
        return None

    def test_show_no_secret(self, keys: PrinterKeys, plan: Planner) -> None:
        _, pin = plan()
        shown = repr((keys, keys.signing, keys.sealing, keys.uri, keys.describe(), pin))
        assert pin is None or pin.reveal() not in shown
        assert "***" in shown or pin is not None

    def test_are_destroyed_twice(self, plan: Planner) -> None:
        made = make_keys(*plan())
        made.destroy()
        made.destroy()


def prove_fails(record: dict[str, Any] | None, pin: Pin | None) -> bool:
    """Whether the keys of a record are found to be other than it says."""
    from printer_agent.errors import KeysUnavailable

    assert record is not None
    with pytest.raises(KeysUnavailable) as caught:
        prove(read_keys(record, pin))
    return caught.value.kind in {"other_key", "key_missing"}
