"""DPoP proofs against joserfc, a JOSE implementation that neither service nor agent uses: it verifies the
agent's proofs, makes good ones, and forges bad ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwk, jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from app.auth import dpop
from app.auth.dpop import PublicKey
from app.errors import InvalidProof, Unproven
from printer_agent.keys import SigningKey, thumbprint
from printer_agent.proof import make_proof, public_jwk

NOW, METHOD, TOKEN = 1_800_000_000, "POST", "pvt_" + "5a" * 32
URL = "https://vault.example/v1/prints/redeem"
AGENT = SigningKey(ec.generate_private_key(ec.SECP256R1()))
ENROLLED = PublicKey(AGENT.x, AGENT.y)
MINE = ECKey.import_key(
    {**public_jwk(AGENT), "d": base64.urlsafe_b64encode(AGENT.reveal()).rstrip(b"=").decode()}
)
FOREIGN = ECKey.generate_key("P-256", auto_kid=False)
ANY = jws.JWSRegistry(algorithms=["HS256", "ES256", "ES384", "RS256", "PS256"])


def claims(**changes: Any) -> dict[str, Any]:
    usual = {
        "jti": "unique-1234",
        "htm": METHOD,
        "htu": URL,
        "iat": NOW,
        "ath": base64.urlsafe_b64encode(hashlib.sha256(TOKEN.encode()).digest()).rstrip(b"=").decode(),
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def made(key: Any = MINE, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A proof by joserfc; the header's members are replaced, those that are None left out."""
    usual = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(AGENT)}
    whole = {name: value for name, value in {**usual, **(header or {})}.items() if value is not None}
    return jws.serialize_compact(whole, json.dumps(claims(**changes)), key, registry=ANY)


def taken(proof: str) -> dpop.Proof:
    return dpop.verify(
        proof,
        key=ENROLLED,
        method=METHOD,
        url=URL,
        access_token=TOKEN,
        now=NOW,
        window_s=60,
        nonce_until=lambda _: None,
    )


class TestAgent:
    def test_makes_proofs_that_joserfc_verifies(self) -> None:
        proof = make_proof(AGENT, "post", URL + "?a=1#b", TOKEN, clock=lambda: NOW + 0.9, nonce="n")
        header = jws.extract_compact(proof.encode()).headers()
        opened = jwt.decode(proof, jwk.import_key(header["jwk"], "EC"), algorithms=["ES256"])
        assert (header["typ"], header["alg"], set(header)) == ("dpop+jwt", "ES256", {"typ", "alg", "jwk"})
        jti = opened.claims.pop("jti")
        assert (opened.claims, len(jti)) == (claims(jti=None, nonce="n"), 22)

    def test_agrees_on_the_thumbprint(self) -> None:
        assert thumbprint(AGENT) == MINE.thumbprint() == ENROLLED.thumbprint()

    @pytest.mark.parametrize("part", [0, 1, 2])
    def test_signs_every_part(self, part: int) -> None:
        parts = make_proof(AGENT, METHOD, URL, TOKEN, clock=lambda: NOW).split(".")
        other = make_proof(AGENT, "GET", URL, TOKEN, clock=lambda: NOW).split(".")
        parts[part] = (
            other[part] if part else base64.urlsafe_b64encode(b'{"alg":"ES256"}').decode().rstrip("=")
        )
        with pytest.raises(Exception, match=r"(?i)bad_signature|signature"):
            jws.deserialize_compact(".".join(parts), MINE, algorithms=["ES256"])


def unsigned(proof: str) -> str:
    """The same claims with `alg` none and no signature."""
    _, body, _ = proof.split(".")
    header = {"typ": "dpop+jwt", "alg": "none", "jwk": public_jwk(AGENT)}
    return f"{base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip('=')}.{body}."


def swapped(one: str, other: str) -> str:
    head, _, signature = one.split(".")
    return ".".join((head, other.split(".")[1], signature))


def flattened() -> str:
    """A flattened JSON serialization, which RFC 9449 does not allow."""
    member = {"protected": {"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(AGENT)}}
    return json.dumps(jws.serialize_json(member, json.dumps(claims()), MINE, registry=ANY))


FORGED: dict[str, Callable[[], str]] = {
    "a foreign key, shown as the enrolled one": lambda: made(FOREIGN),
    "a foreign key, shown as itself": lambda: made(FOREIGN, {"jwk": FOREIGN.as_dict(private=False)}),
    "the private key shown": lambda: made(header={"jwk": MINE.as_dict(private=True)}),
    "no key": lambda: made(header={"jwk": None}),
    "another type": lambda: made(header={"typ": "JWT"}),
    "no type": lambda: made(header={"typ": None}),
    "the public point as a secret": lambda: made(OctKey.import_key(AGENT.x + AGENT.y), {"alg": "HS256"}),
    "the JWK's text as a secret": lambda: made(
        OctKey.import_key(json.dumps(public_jwk(AGENT)).encode()), {"alg": "HS256"}
    ),
    "P-384": lambda: made(ECKey.generate_key("P-384", auto_kid=False), {"alg": "ES384"}),
    "RSA": lambda: made(RSAKey.generate_key(2048, auto_kid=False), {"alg": "RS256"}),
    "RSA-PSS": lambda: made(RSAKey.generate_key(2048, auto_kid=False), {"alg": "PS256"}),
    "none after a good signature": lambda: unsigned(made()),
    "another serialization": flattened,
    "claims of another under the old signature": lambda: swapped(made(), made(htm="GET")),
}


class TestService:
    def test_takes_joserfcs_proofs(self) -> None:
        assert taken(made()).jti == "unique-1234"

    @pytest.mark.parametrize("case", FORGED)
    def test_answers_every_forgery_alike(self, case: str) -> None:
        with pytest.raises(Unproven) as caught:
            taken(FORGED[case]())
        assert str(caught.value) == str(dpop.unproven())

    @pytest.mark.parametrize(
        "changes",
        [
            {"htm": "GET"},
            {"htu": "https://vault.example/v1/prints/claim"},
            {"htu": "https://other.example/v1/prints/redeem"},
            {"ath": "A" * 43},
            {"ath": None},
            {"iat": NOW - 600},
            {"iat": NOW + 600},
            {"iat": "now"},
            {"jti": None},
            {"jti": "short"},
            {"nonce": "not-ours"},
        ],
    )
    def test_refuses_good_signatures_over_other_claims(self, changes: dict[str, Any]) -> None:
        with pytest.raises(InvalidProof):
            taken(made(**changes))
