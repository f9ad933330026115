"""DPoP proofs (RFC 9449): what is taken, what is refused, and what is not told."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.auth import dpop
from app.auth.dpop import PublicKey
from app.auth.nonces import SLOT_S, Nonces
from app.errors import InvalidProof, NonceWanted

NOW = 1_800_000_000
URL = "https://vault.example/v1/prints/redeem"
TOKEN = "pvt_" + "5a" * 32
PRIVATE = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def public(private: ec.EllipticCurvePrivateKey) -> PublicKey:
    numbers = private.public_key().public_numbers()
    return PublicKey(numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))


KEY = public(PRIVATE)
NONCES = Nonces(b"s" * 32)
PRINTER = "prt_1"


def nonce_until(nonce: str) -> int | None:
    return NONCES.good_until(nonce, PRINTER, NOW)


def proof(
    claims: dict[str, Any] | None = None,
    header: dict[str, Any] | None = None,
    key: Any = PRIVATE,
    algorithm: str = "ES256",
) -> str:
    all_claims = {
        "jti": "unique-1234",
        "htm": "POST",
        "htu": URL,
        "iat": NOW,
        "ath": b64url(hashlib.sha256(TOKEN.encode()).digest()),
    } | (claims or {})
    whole = {"typ": "dpop+jwt", "jwk": KEY.jwk()} | (header or {})
    kept = {name: value for name, value in all_claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers=whole)


def verify(text: str, **changes: Any) -> dpop.Proof:
    request = {"method": "POST", "url": URL, "access_token": TOKEN, "now": NOW, "window_s": 60}
    return dpop.verify(text, key=KEY, **({"nonce_until": nonce_until} | request | changes))


class TestVerify:
    def test_takes_a_good_proof(self) -> None:
        assert verify(proof()) == dpop.Proof("unique-1234", NOW + 60)

    @pytest.mark.parametrize(
        "url", [URL + "?a=1", URL + "#f", URL.replace("vault", "VAULT"), URL.replace("e/v1", "e:443/v1")]
    )
    def test_compares_urls_without_query_and_spelling(self, url: str) -> None:
        verify(proof({"htu": url}))

    def test_verifies_what_rfc_9449_prints(self) -> None:
        """Section 4.1's example, with its own key and time; it has no `ath`, so all before that holds."""
        example = (
            "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZO"
            "XpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIs"
            "ImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2Vydm"
            "VyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4"
            "PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
        )
        jwk = json.loads(base64.urlsafe_b64decode(example.split(".")[0] + "=="))["jwk"]
        x, y = (base64.urlsafe_b64decode(jwk[axis] + "=") for axis in "xy")
        with pytest.raises(InvalidProof, match="lacks ath"):
            dpop.verify(
                example,
                key=PublicKey(x, y),
                method="POST",
                url="https://server.example.com/token",
                access_token=TOKEN,
                now=1562262616,
                window_s=1,
                nonce_until=nonce_until,
            )

    @pytest.mark.parametrize(
        ("claims", "said"),
        [
            ({"htm": "GET"}, "htm"),
            ({"htm": "post"}, "htm"),
            ({"htm": None}, "htm"),
            ({"htu": "https://vault.example/v1/prints/claim"}, "htu"),
            ({"htu": "https://evil.example/v1/prints/redeem"}, "htu"),
            ({"htu": "http://vault.example/v1/prints/redeem"}, "htu"),
            ({"htu": "http://[bad"}, "htu"),
            ({"htu": None}, "htu"),
            ({"ath": b64url(hashlib.sha256(b"another token").digest())}, "ath"),
            ({"ath": None}, "ath"),
            ({"iat": NOW - 61}, "clock"),
            ({"iat": NOW + 61}, "clock"),
            ({"iat": NOW - 600}, "clock"),
            ({"iat": str(NOW)}, "iat"),
            ({"iat": True}, "iat"),
            ({"iat": None}, "iat"),
            ({"htm": "\ud800"}, "htm"),
            ({"nonce": "\ud800"}, "nonce"),
            ({"nonce": 7}, "nonce"),
            ({"nonce": ""}, "nonce"),
            ({"jti": None}, "jti"),
            ({"jti": "short"}, "jti"),
            ({"jti": "x" * 129}, "jti"),
        ],
    )
    def test_tells_the_right_printer_what_is_wrong(self, claims: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidProof, match=said):
            verify(proof(claims))

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("", id="nothing"),
            pytest.param("not.a.jwt", id="no JWT"),
            pytest.param("é", id="not ASCII"),
            pytest.param("a" * 5000, id="too long"),
            pytest.param(proof(header={"typ": "JWT"}), id="another typ"),
            pytest.param(proof(header={"typ": None}), id="no typ"),
            pytest.param(proof(header={"jwk": None}), id="no jwk"),
            pytest.param(proof(header={"jwk": public(OTHER).jwk()}), id="another jwk"),
            pytest.param(proof(header={"jwk": KEY.jwk() | {"d": b64url(bytes(32))}}), id="a private jwk"),
            pytest.param(proof(header={"jwk": KEY.jwk() | {"crv": "P-384"}}), id="another curve"),
            pytest.param(proof(header={"jwk": KEY.jwk() | {"x": 5}}), id="a number for x"),
            pytest.param(proof(key=OTHER), id="another key"),
            pytest.param(proof(key=OTHER, header={"jwk": public(OTHER).jwk()}), id="another key, honest jwk"),
            pytest.param(proof(key=b"x" * 32, algorithm="HS256"), id="HS256"),
            pytest.param(proof(key=None, algorithm="none"), id="none"),
            pytest.param(proof()[:-8] + "AAAAAAAA", id="another signature"),
            pytest.param(proof().rsplit(".", 1)[0] + ".", id="no signature"),
        ],
    )
    def test_tells_nobody_else_anything(self, text: str) -> None:
        with pytest.raises(InvalidProof) as caught:
            verify(text)
        assert caught.value.detail == dpop.unproven().detail

    def test_takes_no_key_confusion(self) -> None:
        """The public key's bytes as an HMAC secret, the algorithm of the header changed."""
        secret = KEY.x + KEY.y
        with pytest.raises(InvalidProof):
            verify(proof(key=secret, algorithm="HS256", header={"alg": "HS256"}))


class TestNonce:
    @pytest.mark.parametrize("off", [-86_400, -600, -61, 0, 61, 600, 86_400])
    def test_stands_in_for_the_clock(self, off: int) -> None:
        nonce = NONCES.give(PRINTER, NOW)
        held = verify(proof({"iat": NOW + off, "nonce": nonce}))
        assert held.good_until == nonce_until(nonce)

    @pytest.mark.parametrize(
        "nonce",
        [
            pytest.param(NONCES.give("prt_2", NOW), id="another printer's"),
            pytest.param(NONCES.give(PRINTER, NOW - 2 * SLOT_S), id="expired"),
            pytest.param(Nonces(b"t" * 32).give(PRINTER, NOW), id="another service's"),
            pytest.param(NONCES.give(PRINTER, NOW) + "=", id="padded"),
            pytest.param("", id="empty"),
        ],
    )
    @pytest.mark.parametrize("off", [0, 600])
    def test_must_be_a_live_one_of_the_printer(self, nonce: str, off: int) -> None:
        with pytest.raises(NonceWanted, match="nonce"):
            verify(proof({"iat": NOW + off, "nonce": nonce}))

    def test_is_wanted_where_the_clock_is_off(self) -> None:
        with pytest.raises(NonceWanted):
            verify(proof({"iat": NOW - 61}))

    @pytest.mark.parametrize("claims", [{"htm": "GET"}, {"ath": "x"}, {"jti": None}])
    def test_makes_nothing_else_good(self, claims: dict[str, Any]) -> None:
        with pytest.raises(InvalidProof) as caught:
            verify(proof({"nonce": NONCES.give(PRINTER, NOW)} | claims))
        assert not isinstance(caught.value, NonceWanted)


class TestPublicKey:
    def test_has_the_thumbprint_of_rfc_7638(self) -> None:
        """The key of RFC 9449's example, whose thumbprint its section 6.1 prints."""
        x, y = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"
        key = PublicKey(*(base64.urlsafe_b64decode(value + "=") for value in (x, y)))
        assert key.thumbprint() == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
