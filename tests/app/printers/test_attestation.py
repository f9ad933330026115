"""What evidence shows of a printer's keys, and what it does not."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from app.printers.attestation import (
    Attested,
    Claim,
    endorsement_key,
    endorsement_of,
    examine,
    subject_of,
)
from tests.app.printers.made_up_tpm import (
    DECRYPT,
    FIXED,
    RESTRICTED,
    SIGN,
    MadeUpTpm,
    Manufacturer,
    attest,
    der,
    point_of,
    public_area,
    text,
)

BINDING, NOW = bytes(range(32)), 1_750_000_000
TPM, MAKER = MadeUpTpm(), Manufacturer()
ENDORSEMENT = rsa.generate_private_key(65537, 2048)
CERTIFICATE = MAKER.certificate("tpm 7", ENDORSEMENT.public_key())
ROOT = MAKER.root()


def about(tpm: MadeUpTpm = TPM, **changes: Any) -> Attested:
    usual = {
        "signing": point_of(tpm.signing),
        "sealing": point_of(tpm.sealing),
        "binding": BINDING,
        "activated": True,
    }
    return Attested(**{**usual, **changes})


def judged(evidence: Any, of: Attested | None = None, authorities: Any = (ROOT,)) -> dict[str, Claim]:
    claims = examine(evidence, of or about(), authorities, NOW)
    assert len({claim.name for claim in claims}) == len(claims)
    return {claim.name: claim for claim in claims}


def failing(claims: dict[str, Claim]) -> set[str]:
    return {name for name, claim in claims.items() if not claim.holds}


def meant(certification: Any) -> list[bytes] | None:
    """What a certification says, however it is spelt; None where it says nothing."""
    try:
        return [
            base64.b64decode(certification[name], validate=True) for name in ("public", "info", "signature")
        ]
    except (KeyError, TypeError, ValueError):
        return None


HONEST = TPM.evidence(BINDING, certificate=der(CERTIFICATE))
ALL = {
    "attestation_key",
    "signing_key_certified",
    "signing_key_kept",
    "sealing_key_certified",
    "sealing_key_kept",
    "same_tpm",
    "manufacturer",
}


class TestExamine:
    def test_takes_an_honest_tpms_word(self) -> None:
        claims = judged(HONEST)
        assert set(claims) == ALL
        assert failing(claims) == set()

    @pytest.mark.parametrize(
        ("of", "failed"),
        [
            (about(binding=bytes(32)), {"signing_key_certified", "sealing_key_certified"}),
            (about(signing=point_of(TPM.sealing)), {"signing_key_certified"}),
            (about(sealing=point_of(TPM.signing)), {"sealing_key_certified"}),
            (about(sealing=b""), {"sealing_key_certified"}),
            (about(activated=False), {"same_tpm"}),
        ],
        ids=[
            "another enrolment",
            "another signing key",
            "another sealing key",
            "no sealing key",
            "no answer",
        ],
    )
    def test_holds_it_against_the_enrolled_keys(self, of: Attested, failed: set[str]) -> None:
        assert failing(judged(HONEST, of)) == failed

    @pytest.mark.parametrize(
        ("instead", "said"),
        [
            ({"name": b"\0\x0b" + bytes(32)}, "names another key"),
            ({"signer": ec.generate_private_key(ec.SECP256R1())}, "not signed by the attestation key"),
            ({"signature": bytes(64)}, "not signed by the attestation key"),
            ({"signature": b""}, "not signed by the attestation key"),
            ({"magic": 0x00544347}, "no TPM generated it"),
            ({"kind": 0x8018}, "attests something else"),
            ({"info": attest(BINDING, bytes(34)) + b"\0"}, "left over"),
            ({"info": attest(BINDING, bytes(34))[:-1]}, "ends early"),
            ({"area": public_area(point_of(TPM.signing), FIXED | SIGN) + b"\0"}, "left over"),
            ({"area": b"\0\1" + bytes(80)}, "no elliptic curve key"),
            ({"area": b""}, "ends early"),
        ],
    )
    def test_refuses_certifications_that_are_none(self, instead: dict[str, Any], said: str) -> None:
        claims = judged(TPM.evidence(BINDING, **instead))
        assert not claims["signing_key_certified"].holds
        assert said in claims["signing_key_certified"].detail
        assert "signing_key_kept" not in claims, "nothing is said of a key that was not certified"

    @pytest.mark.parametrize(
        "missing", [1 << 1, 1 << 4, 1 << 5, SIGN], ids=["fixedTPM", "fixedParent", "origin", "use"]
    )
    def test_says_when_a_key_may_have_come_from_or_go_elsewhere(self, missing: int) -> None:
        tpm = MadeUpTpm()
        tpm.attributes["signing"] &= ~missing
        claims = judged(tpm.evidence(BINDING, certificate=der(CERTIFICATE)), about(tpm))
        assert failing(claims) == {"signing_key_kept"}

    @pytest.mark.parametrize(
        "attributes", [FIXED | SIGN, FIXED | RESTRICTED | SIGN | DECRYPT, RESTRICTED | SIGN]
    )
    def test_wants_a_restricted_attestation_key(self, attributes: int) -> None:
        """A key that signs anything signs made-up certifications too."""
        tpm = MadeUpTpm(attester_attributes=attributes)
        claims = judged(tpm.evidence(BINDING, certificate=der(CERTIFICATE)), about(tpm))
        assert failing(claims) == {"attestation_key"}

    @pytest.mark.parametrize(
        "evidence",
        [
            {},
            {"format": "none"},
            {"format": "partvault/tpm2-certify/v1"},
            {**HONEST, "attestation_key": 7},
            {**HONEST, "attestation_key": "%"},
            {**HONEST, "keys": []},
            {**HONEST, "keys": {"signing": None, "sealing": {}}},
            {**HONEST, "endorsement_certificate": "AAAA"},
            {**HONEST, "endorsement_certificate": {}},
        ],
    )
    def test_survives_what_is_no_evidence(self, evidence: Any) -> None:
        assert failing(judged(evidence))
        if evidence.get("endorsement_certificate") != HONEST["endorsement_certificate"]:
            assert endorsement_of(evidence) is None

    @given(st.data())
    def test_survives_any_byte_changed(self, data: st.DataObject) -> None:
        flat = json.dumps(HONEST["keys"]["signing"])
        at = data.draw(st.integers(0, len(flat) - 1))
        changed = flat[:at] + data.draw(st.characters(max_codepoint=127)) + flat[at + 1 :]
        try:
            signing = json.loads(changed)
        except ValueError:
            return
        claims = judged({**HONEST, "keys": {**HONEST["keys"], "signing": signing}})
        assert claims["sealing_key_certified"].holds
        same = meant(signing) == meant(HONEST["keys"]["signing"])
        assert claims["signing_key_certified"].holds == same


class TestManufacturer:
    def held(self, certificate: Any, *authorities: Any) -> Claim:
        evidence = TPM.evidence(BINDING, certificate=certificate)
        return judged(evidence, authorities=authorities)["manufacturer"]

    def test_is_shown_over_one_in_between(self) -> None:
        below = Manufacturer(name="below")
        middle = MAKER.certificate("below", below.key.public_key(), ca=True)
        leaf = der(below.certificate("tpm 8", ENDORSEMENT.public_key()))
        assert self.held(leaf, middle, ROOT).holds
        assert not self.held(leaf, ROOT).holds
        assert not self.held(leaf, middle).holds

    @pytest.mark.parametrize(
        ("authorities", "said"),
        [((), "has set no manufacturers"), ((Manufacturer().root(),), "leads to no manufacturer")],
        ids=["none set", "another of the same name"],
    )
    def test_is_not_shown_without_one_that_is_trusted(self, authorities: Any, said: str) -> None:
        claim = self.held(der(CERTIFICATE), *authorities)
        assert (claim.holds, said in claim.detail) == (False, True)

    def test_is_not_shown_without_a_certificate(self) -> None:
        assert "no endorsement certificate" in self.held(None, ROOT).detail

    @pytest.mark.parametrize("ca", [False, None])
    def test_is_none_who_may_not_certify(self, ca: bool | None) -> None:
        below = Manufacturer(name="below")
        middle = MAKER.certificate("below", below.key.public_key(), ca=ca)
        leaf = der(below.certificate("tpm 8", ENDORSEMENT.public_key()))
        assert not self.held(leaf, middle, ROOT).holds

    def test_is_not_shown_by_what_has_expired(self) -> None:
        ended = dt.datetime(2021, 1, 1, tzinfo=dt.UTC)
        old = MAKER.certificate("tpm 7", ENDORSEMENT.public_key(), end=ended)
        assert not self.held(der(old), ROOT).holds
        assert not self.held(der(CERTIFICATE), MAKER.root(end=ended)).holds


class TestEndorsementKey:
    def test_is_the_certificates_with_the_attestation_keys_name(self) -> None:
        found = endorsement_key(HONEST)
        assert found is not None
        key, name = found
        assert key.public_numbers() == ENDORSEMENT.public_key().public_numbers()
        assert len(name) == 34

    @pytest.mark.parametrize(
        "change",
        [
            {"endorsement_certificate": None},
            {"endorsement_certificate": "AAAA"},
            {"attestation_key": "AAAA"},
            {
                "endorsement_certificate": text(
                    der(MAKER.certificate("c", ec.generate_private_key(ec.SECP384R1()).public_key()))
                )
            },
        ],
        ids=["no certificate", "no certificate at all", "no key", "another kind of key"],
    )
    def test_is_none_where_nothing_can_be_challenged(self, change: dict[str, Any]) -> None:
        assert endorsement_key({**HONEST, **change}) is None


class TestSubjectOf:
    def test_differs_for_other_keys(self) -> None:
        others = [{**HONEST, "attestation_key": "x"}, {**HONEST, "endorsement_certificate": "x"}, {}]
        subjects = {subject_of(evidence) for evidence in [HONEST, *others]}
        assert len(subjects) == 4
        assert subject_of({**HONEST, "keys": {}}) == subject_of(HONEST)


class TestEndorsementOf:
    def test_names_issuer_and_serial_number(self) -> None:
        assert endorsement_of(HONEST) == "CN=maker, serial abc"
