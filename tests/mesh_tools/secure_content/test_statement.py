from __future__ import annotations

import base64
import json
from collections.abc import Callable

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mesh_tools.errors import Refused
from mesh_tools.secure_content.binding import Product, aad_of, check_binding
from mesh_tools.secure_content.keys import SigningKey
from mesh_tools.secure_content.statement import sign_statement, verify_statement

PRODUCT = Product("Bracket", "3")
PARTS = {"a": b"1", "b/c": b"2"}


def encoded(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


class TestSignStatement:
    def test_is_a_jws_to_others_too(self) -> None:
        secret = ec.generate_private_key(ec.SECP256R1())
        token = sign_statement(PRODUCT, PARTS, SigningKey(secret))
        found = jwt.PyJWS().decode_complete(token, secret.public_key(), algorithms=["ES256"])
        assert found["header"]["typ"] == "partvault-package+jws"
        assert json.loads(found["payload"])["parts"][1]["path"] == "/b/c"


class TestVerifyStatement:
    def test_gives_product_and_signer(self, signer: SigningKey, stranger: SigningKey) -> None:
        token = sign_statement(PRODUCT, PARTS, signer)
        found = verify_statement(token, PARTS, [stranger.public, signer.public])
        assert found == (PRODUCT, signer.public)

    @pytest.mark.parametrize(
        "parts",
        [{"a": b"1"}, {"b/c": b"2", "a": b"1"}, {"a": b"1", "b/c": b"3"}, {**PARTS, "d": b""}],
        ids=["fewer", "other order", "other bytes", "more"],
    )
    def test_refuses_other_parts(self, parts: dict[str, bytes], signer: SigningKey) -> None:
        token = sign_statement(PRODUCT, PARTS, signer)
        with pytest.raises(Refused, match="not those that were signed"):
            verify_statement(token, parts, [signer.public])

    @pytest.mark.parametrize(
        "forge",
        [
            lambda header: {**header, "alg": "none"},
            lambda header: {**header, "alg": "HS256"},
            lambda header: {**header, "crit": ["exp"]},
            lambda header: {**header, "jwk": {}},
            lambda header: {"alg": header["alg"]},
        ],
        ids=["none", "HS256", "crit", "jwk", "short"],
    )
    def test_refuses_another_header(
        self, forge: Callable[[dict[str, object]], dict[str, object]], signer: SigningKey
    ) -> None:
        header, payload, _ = sign_statement(PRODUCT, PARTS, signer).split(b".")
        forged = forge(json.loads(base64.urlsafe_b64decode(header + b"==")))
        message = encoded(json.dumps(forged).encode()) + b"." + payload
        token = message + b"." + encoded(signer.sign(message))
        with pytest.raises(Refused, match="nobody who is trusted"):
            verify_statement(token, PARTS, [signer.public])

    @pytest.mark.parametrize("token", [b"", b"..", b"a.b", b"a.b.c.d", b"!.!.!", b"x" * (1 << 21)])
    def test_refuses_junk(self, token: bytes, signer: SigningKey) -> None:
        with pytest.raises(Refused, match=r"package\.signature"):
            verify_statement(token, PARTS, [signer.public])

    def test_refuses_a_statement_of_another_format(self, signer: SigningKey) -> None:
        header = sign_statement(PRODUCT, PARTS, signer).split(b".")[0]
        for payload in (
            b'{"format":"other"}',
            b'{"format":"partvault/secure-package/v1"}',
            b"[]",
            b"no JSON",
        ):
            message = header + b"." + encoded(payload)
            token = message + b"." + encoded(signer.sign(message))
            with pytest.raises(Refused, match=r"package\.signature"):
                verify_statement(token, PARTS, [signer.public])

    def test_refuses_a_second_spelling(self, signer: SigningKey) -> None:
        token = sign_statement(PRODUCT, PARTS, signer)
        last = token[-1:]
        alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        spare = alphabet[alphabet.index(last) + 1 : alphabet.index(last) + 2]
        for other in (token[:-1] + spare, token + b"=", token + b"\n"):
            with pytest.raises(Refused, match=r"package\.signature"):
                verify_statement(other, PARTS, [signer.public])


class TestBinding:
    def test_holds_for_its_own_place_and_product(self) -> None:
        check_binding(aad_of(PRODUCT, "3D/a.model"), "3D/a.model", PRODUCT)
        check_binding(aad_of(PRODUCT, "3D/a.model"), "3D/a.model", None)

    @pytest.mark.parametrize("aad", [b"", b"lib3mfsample", b"{}", b"[" * 5000])
    def test_of_others_counts_only_where_no_product_is_demanded(self, aad: bytes) -> None:
        check_binding(aad, "3D/a.model", None)
        with pytest.raises(Refused, match=r"package\.binding"):
            check_binding(aad, "3D/a.model", PRODUCT)

    @pytest.mark.parametrize("product", [PRODUCT, None])
    def test_to_another_place_is_refused(self, product: Product | None) -> None:
        with pytest.raises(Refused, match=r"package\.binding"):
            check_binding(aad_of(PRODUCT, "3D/a.model"), "3D/b.model", product)

    @pytest.mark.parametrize("name", ["", "x" * 201, "a\nb"])
    def test_to_an_unprintable_name_is_refused(self, name: str) -> None:
        with pytest.raises(Refused, match=r"package\.binding"):
            Product(name, "1")
