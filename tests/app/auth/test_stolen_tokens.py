"""A print token in the wrong hands, or with the wrong proof: each case refused, and what each answer says."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.auth.nonces import SLOT_S
from printer_agent.keys import SigningKey
from printer_agent.proof import make_proof
from tests.app.auth.independent import ProofText, decode, encode, jwk_of, opened, thumbprint, token_hash
from tests.app.parties import Party, Printer, new_party, problem
from tests.app.service import Service, running_service

CLAIM = "/v1/prints/claim"
URL = f"http://testserver{CLAIM}"
MOMENT = {"x-request-id", "date", "ratelimit"}
STRANGER = ec.generate_private_key(ec.SECP256R1())


@dataclass
class Scene:
    """A provider with two printers, and a live token of the first."""

    service: Service
    provider: Party
    licence: dict[str, Any]
    honest: Printer
    rival: Printer

    def token(self) -> str:
        return str(self.provider.authorise(self.licence, self.honest)["token"])

    def proof(self, token: str, **changes: Any) -> ProofText:
        """The honest printer's proof before it is signed; `changes` replace claims."""
        claims = {
            "jti": secrets.token_hex(8),
            "htm": "GET",
            "htu": URL,
            "iat": self.service.clock.now(),
            "ath": token_hash(token),
        } | changes
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk_of(self.honest.key)}
        return ProofText(header, {name: value for name, value in claims.items() if value is not None})

    def ask(self, token: str, proof: str) -> httpx2.Response:
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        return self.service.client.get(CLAIM, headers=headers)

    def accepted(self, token: str, **changes: Any) -> bool:
        return self.ask(token, self.proof(token, **changes).signed(self.honest.key)).status_code == 200

    def nonce(self, token: str) -> str:
        """The nonce that the honest printer is given."""
        answer = self.ask(token, self.proof(token).signed(self.honest.key))
        return str(answer.headers["DPoP-Nonce"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_service(tmp_path_factory.mktemp("stolen")) as service:
        owner, provider = new_party(service, "owner"), new_party(service, "provider")
        licence = owner.license(owner.published(), provider, prints=100)
        yield Scene(service, provider, licence, provider.printer(), provider.printer())


def told(answer: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
    """All that an answer tells, without the request's own id and the time of day."""
    headers = {name: value for name, value in answer.headers.items() if name not in MOMENT}
    return answer.status_code, answer.content, headers


def unknown(scene: Scene) -> tuple[int, bytes, dict[str, str]]:
    """What is told of a token that never was, to a printer in good order."""
    invented = "pvt_" + secrets.token_hex(32)
    answer = scene.ask(invented, scene.proof(invented).signed(scene.honest.key))
    assert answer.status_code == 401
    return told(answer)


Make = Callable[[Scene, str], str]


def with_header(scene: Scene, token: str, **changes: Any) -> ProofText:
    text = scene.proof(token)
    text.header = {name: value for name, value in (text.header | changes).items() if value is not None}
    return text


def hmac_signed(scene: Scene, token: str) -> str:
    """HS256, keyed with the public key of the enrolment."""
    text = with_header(scene, token, alg="HS256")
    secret = b"".join(scene.honest.coordinates())
    mac = hmac.new(secret, text.signing_input(), hashlib.sha256).digest()
    return f"{text.signing_input().decode()}.{encode(mac)}"


def spliced(scene: Scene, token: str) -> str:
    """Another request's good signature under these claims."""
    other = scene.proof(token, jti=secrets.token_hex(8)).signed(scene.honest.key)
    return f"{scene.proof(token).signing_input().decode()}.{other.rsplit('.', 1)[1]}"


LIKE_UNKNOWN: dict[str, Make] = {
    "rival's key, honest jwk": lambda s, t: s.proof(t).signed(s.rival.key),
    "rival's key and jwk": lambda s, t: with_header(s, t, jwk=jwk_of(s.rival.key)).signed(s.rival.key),
    "stranger's key and jwk": lambda s, t: with_header(s, t, jwk=jwk_of(STRANGER)).signed(STRANGER),
    "stranger's key, clock off": lambda s, t: s.proof(t, iat=1).signed(STRANGER),
    "stranger's key, another URL": lambda s, t: s.proof(t, htu="http://x/").signed(STRANGER),
    "stranger's key, printer's nonce": lambda s, t: s.proof(t, nonce=s.nonce(t)).signed(STRANGER),
    "none": lambda s, t: with_header(s, t, alg="none").unsigned(),
    "none, signed": lambda s, t: with_header(s, t, alg="none").signed(s.honest.key),
    "ES256, unsigned": lambda s, t: s.proof(t).unsigned(),
    "HS256 by the public key": hmac_signed,
    "RS256": lambda s, t: with_header(s, t, alg="RS256").signed(s.honest.key),
    "ES384": lambda s, t: with_header(s, t, alg="ES384").signed(s.honest.key),
    "no algorithm": lambda s, t: with_header(s, t, alg=None).signed(s.honest.key),
    "typ JWT": lambda s, t: with_header(s, t, typ="JWT").signed(s.honest.key),
    "no jwk": lambda s, t: with_header(s, t, jwk=None).signed(s.honest.key),
    "a kid for the jwk": lambda s, t: with_header(s, t, jwk=None, kid=s.honest.id).signed(s.honest.key),
    "critical extension": lambda s, t: with_header(s, t, crit=["b64"], b64=False).signed(s.honest.key),
    "spliced signature": spliced,
    "cut off": lambda s, t: s.proof(t).signed(s.honest.key)[:-10],
    "no proof at all": lambda _s, _t: "x",
}
"""Proofs the holder of a stolen token could send: nothing may tell it that the token is live."""

OF_THE_PRINTER: dict[str, tuple[Make, str, str]] = {
    "another URL": (lambda s, t: s.proof(t, htu=URL + "s").signed(s.honest.key), "invalid-proof", "htu"),
    "another host": (
        lambda s, t: s.proof(t, htu="http://evil.example" + CLAIM).signed(s.honest.key),
        "invalid-proof",
        "htu",
    ),
    "another method": (lambda s, t: s.proof(t, htm="POST").signed(s.honest.key), "invalid-proof", "htm"),
    "another token's": (
        lambda s, t: s.proof(t, ath=token_hash("pvt_" + "0" * 64)).signed(s.honest.key),
        "invalid-proof",
        "ath",
    ),
    "no token's": (lambda s, t: s.proof(t, ath=None).signed(s.honest.key), "invalid-proof", "ath"),
    "no jti": (lambda s, t: s.proof(t, jti=None).signed(s.honest.key), "invalid-proof", "jti"),
    "clock 10 minutes behind": (
        lambda s, t: s.proof(t, iat=s.service.clock.now() - 600).signed(s.honest.key),
        "use-dpop-nonce",
        "iat",
    ),
    "clock 10 minutes ahead": (
        lambda s, t: s.proof(t, iat=s.service.clock.now() + 600).signed(s.honest.key),
        "use-dpop-nonce",
        "iat",
    ),
    "invented nonce": (
        lambda s, t: s.proof(t, nonce=encode(bytes(32))).signed(s.honest.key),
        "use-dpop-nonce",
        "nonce",
    ),
}
"""Proofs that the enrolled key did sign, for something else: its holder may know what is wrong with them."""


class TestForeignProof:
    @pytest.mark.parametrize("case", LIKE_UNKNOWN)
    def test_is_answered_as_an_unknown_token_is(self, scene: Scene, case: str) -> None:
        token = scene.token()
        answer = scene.ask(token, LIKE_UNKNOWN[case](scene, token))
        assert told(answer) == unknown(scene)
        assert scene.accepted(token)

    @pytest.mark.parametrize("case", LIKE_UNKNOWN)
    def test_tells_nothing_of_a_printers_id_either(self, scene: Scene, case: str) -> None:
        path = f"/v1/releases/rel_{'0' * 26}/object"
        told_of = []
        for printer_id in (scene.honest.id, f"prt_{'0' * 26}"):
            make = LIKE_UNKNOWN[case]
            token = scene.token()
            headers = {"Authorization": f"DPoP {printer_id}", "DPoP": make(scene, token)}
            told_of.append(told(scene.service.client.get(path, headers=headers)))
        assert told_of[0] == told_of[1]
        assert told_of[0][0] == 401

    def test_offers_no_nonce(self, scene: Scene) -> None:
        token = scene.token()
        for make in LIKE_UNKNOWN.values():
            assert "DPoP-Nonce" not in scene.ask(token, make(scene, token)).headers


class TestMisusedProof:
    @pytest.mark.parametrize("case", OF_THE_PRINTER)
    def test_is_refused(self, scene: Scene, case: str) -> None:
        make, slug, said = OF_THE_PRINTER[case]
        token = scene.token()
        answer = scene.ask(token, make(scene, token))
        assert answer.status_code == 401
        assert said in problem(answer, slug)["detail"]
        assert scene.accepted(token)

    def test_is_refused_the_second_time(self, scene: Scene) -> None:
        token = scene.token()
        proof = scene.proof(token).signed(scene.honest.key)
        assert scene.ask(token, proof).status_code == 200
        replayed = scene.ask(token, proof)
        assert replayed.status_code == 401
        assert "jti" in problem(replayed, "invalid-proof")["detail"]

    def test_is_refused_with_a_used_jti_under_other_claims(self, scene: Scene) -> None:
        token, jti = scene.token(), secrets.token_hex(8)
        assert scene.accepted(token, jti=jti)
        assert not scene.accepted(token, jti=jti, iat=scene.service.clock.now() + 1)
        assert not scene.accepted(token, jti=jti, nonce=scene.nonce(token))

    def test_is_refused_as_an_old_proof_with_a_new_token(self, scene: Scene) -> None:
        """A thief who has a stolen token and a proof that was recorded for another one."""
        old, new = scene.token(), scene.token()
        recorded = scene.proof(old).signed(scene.honest.key)
        assert "ath" in problem(scene.ask(new, recorded), "invalid-proof")["detail"]


class TestNonce:
    def test_stands_in_for_a_clock(self, scene: Scene) -> None:
        token = scene.token()
        now = scene.service.clock.now()
        wanted = scene.ask(token, scene.proof(token, iat=now - 600).signed(scene.honest.key))
        assert wanted.headers["WWW-Authenticate"] == 'DPoP error="use_dpop_nonce", algs="ES256"'
        assert scene.accepted(token, iat=now - 600, nonce=wanted.headers["DPoP-Nonce"])

    def test_of_another_printer_is_refused(self, scene: Scene) -> None:
        headers = {"Authorization": f"DPoP {scene.rival.id}"}
        path = f"/v1/releases/rel_{'0' * 26}/object"
        proof = scene.rival.proof("GET", path, scene.rival.id)
        answer = scene.service.client.get(path, headers=headers | {"DPoP": proof})
        assert answer.status_code == 404
        assert not scene.accepted(scene.token(), nonce=answer.headers["DPoP-Nonce"])

    def test_is_refused_when_it_is_over(self, scene: Scene) -> None:
        token = scene.token()
        nonce = scene.nonce(token)
        assert scene.accepted(token, nonce=nonce)
        scene.service.clock.forward(2 * SLOT_S)
        assert not scene.accepted(token, nonce=nonce)

    def test_does_not_let_a_proof_be_sent_twice(self, scene: Scene) -> None:
        """Whatever the proof's iat says, and after the sweeper's turn as before."""
        token = scene.token()
        proof = scene.proof(token, iat=1, nonce=scene.nonce(token)).signed(scene.honest.key)
        assert scene.ask(token, proof).status_code == 200
        for _ in range(4):
            scene.service.clock.forward(SLOT_S / 2)
            assert scene.ask(token, proof).status_code == 401

    def test_outlives_a_restart(self, tmp_path: Path) -> None:
        with running_service(tmp_path) as service:
            provider = new_party(service, "provider")
            nonce = service.services.nonces.give("prt_1", service.clock.now())
            assert provider.id
        with running_service(tmp_path) as again:
            assert again.services.nonces.good_until(nonce, "prt_1", again.clock.now()) is not None


class TestIndependentImplementation:
    """RFC 9449's own printed values, and our proofs against a reading of the RFCs by hand."""

    def test_computes_what_the_rfc_prints(self) -> None:
        """The access token of section 7.1 and its `ath`; the key of section 4.1, its thumbprint in 6.1."""
        assert token_hash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU") == (
            "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
        )
        jwk = {
            "kty": "EC",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
            "crv": "P-256",
        }
        assert thumbprint(jwk) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

    def test_opens_the_agents_proofs(self, scene: Scene) -> None:
        key = SigningKey(scene.honest.key)
        text = opened(make_proof(key, "get", URL + "?a=1#b", "pvt_x", clock=lambda: 7.9, nonce="n-1"))
        assert text.header == {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk_of(scene.honest.key)}
        jti = text.claims.pop("jti")
        assert len(decode(jti)) == 16
        expected = {"htm": "GET", "htu": URL, "iat": 7, "ath": token_hash("pvt_x"), "nonce": "n-1"}
        assert text.claims == expected

    def test_agrees_on_the_thumbprint(self, scene: Scene) -> None:
        shown = scene.provider.expect(200, "GET", f"/v1/printers/{scene.honest.id}")
        assert shown["key_thumbprint"] == thumbprint(jwk_of(scene.honest.key))
