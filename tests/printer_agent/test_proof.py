"""Tests of the DPoP proofs; `fake_service` holds every proof of the agent against RFC 9449 as well."""

from __future__ import annotations

import base64
import hashlib

import jwt

from printer_agent.keys import SigningKey
from printer_agent.proof import make_proof, public_jwk

KEY = SigningKey.generate()


def read(proof: str) -> dict[str, object]:
    key = jwt.PyJWK.from_dict(public_jwk(KEY)).key
    return dict(jwt.decode(proof, key, algorithms=["ES256"]))


class TestMakeProof:
    def test_binds_method_url_token_and_time(self) -> None:
        proof = make_proof(KEY, "get", "https://a.example:8443/v1/x?q=1#f", "token", clock=lambda: 17.9)
        claims = read(proof)
        ath = base64.urlsafe_b64encode(hashlib.sha256(b"token").digest()).rstrip(b"=").decode()
        claims.pop("jti")
        assert claims == {"htm": "GET", "htu": "https://a.example:8443/v1/x", "iat": 17, "ath": ath}

    def test_names_its_type_algorithm_and_key(self) -> None:
        header = jwt.get_unverified_header(make_proof(KEY, "GET", "http://a/", "t", clock=lambda: 0))
        assert (header["typ"], header["alg"]) == ("dpop+jwt", "ES256")
        assert set(header["jwk"]) == {"kty", "crv", "x", "y"}

    def test_is_never_the_same_twice(self) -> None:
        proofs = {
            str(read(make_proof(KEY, "GET", "http://a/", "t", clock=lambda: 0))["jti"]) for _ in range(50)
        }
        assert len(proofs) == 50

    def test_carries_the_servers_nonce(self) -> None:
        assert read(make_proof(KEY, "GET", "http://a/", "t", clock=lambda: 0, nonce="n"))["nonce"] == "n"
