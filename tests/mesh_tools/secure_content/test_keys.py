from __future__ import annotations

import hashlib
import json
import pickle
from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mesh_tools.errors import Refused
from mesh_tools.secure_content.keys import (
    ConsumerKey,
    ConsumerPublicKey,
    ContentKey,
    SigningKey,
    TrustedSigner,
)

_PEM = serialization.Encoding.PEM
_PRIVATE = serialization.PrivateFormat.PKCS8
_PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    cover = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(_PEM, _PRIVATE, cover)


def public_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(_PEM, _PUBLIC)


@pytest.fixture(scope="module")
def short() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)


@pytest.fixture(scope="module")
def curve() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


class TestConsumerKey:
    def test_unwraps_what_its_public_key_wrapped(self, key: ConsumerKey) -> None:
        content = ContentKey.generate()
        assert key.unwrap(key.public.wrap(content), "sha256").reveal() == content.reveal()

    def test_reads_pem_with_a_password(self) -> None:
        made = rsa.generate_private_key(65537, 2048)
        opened = ConsumerKey.from_pem(private_pem(made, b"correct"), b"correct")
        assert opened.public.pem.encode() == public_pem(made)

    @pytest.mark.parametrize("password", [None, b"wrong"])
    def test_refuses_a_wrong_password(self, password: bytes | None) -> None:
        pem = private_pem(rsa.generate_private_key(65537, 2048), b"correct")
        with pytest.raises(Refused, match=r"package\.key"):
            ConsumerKey.from_pem(pem, password)

    def test_refuses_1024_bits(self, short: rsa.RSAPrivateKey) -> None:
        with pytest.raises(Refused, match="1024 bits"):
            ConsumerKey.from_pem(private_pem(short))

    def test_refuses_another_kind(self, curve: ec.EllipticCurvePrivateKey) -> None:
        with pytest.raises(Refused, match="not an RSA key"):
            ConsumerKey.from_pem(private_pem(curve))

    @pytest.mark.parametrize("hash_name", ["sha1", "sha384", "sha512"])
    def test_does_not_unwrap_with_another_hash(self, hash_name: str, key: ConsumerKey) -> None:
        with pytest.raises(Refused, match=r"package\.key"):
            key.unwrap(key.public.wrap(ContentKey.generate()), hash_name)

    @pytest.mark.parametrize("length", [0, 255, 257])
    def test_does_not_unwrap_another_length(self, length: int, key: ConsumerKey) -> None:
        with pytest.raises(Refused, match=r"package\.key"):
            key.unwrap(bytes(length), "sha256")


class TestConsumerPublicKey:
    def test_refuses_1024_bits(self, short: rsa.RSAPrivateKey) -> None:
        with pytest.raises(Refused, match="1024 bits"):
            ConsumerPublicKey.from_pem(public_pem(short))

    def test_refuses_another_kind(self, curve: ec.EllipticCurvePrivateKey) -> None:
        with pytest.raises(Refused, match="not an RSA key"):
            ConsumerPublicKey.from_pem(public_pem(curve))

    @pytest.mark.parametrize("pem", [b"", b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"])
    def test_refuses_what_is_no_key(self, pem: bytes) -> None:
        with pytest.raises(Refused, match="no public key"):
            ConsumerPublicKey.from_pem(pem)


class TestSigningKey:
    def test_is_believed_by_its_public_key_alone(self, signer: SigningKey, stranger: SigningKey) -> None:
        signature = signer.sign(b"message")
        assert len(signature) == 64
        assert signer.public.signed(b"message", signature)
        assert not signer.public.signed(b"another", signature)
        assert not stranger.public.signed(b"message", signature)

    @pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), b"\xff" * 64])
    def test_does_not_believe_junk(self, signature: bytes, signer: SigningKey) -> None:
        assert not signer.public.signed(b"message", signature)

    def test_refuses_another_curve(self, curve: ec.EllipticCurvePrivateKey) -> None:
        with pytest.raises(Refused, match="P-256"):
            SigningKey.from_pem(private_pem(curve))
        with pytest.raises(Refused, match="P-256"):
            TrustedSigner.from_pem(public_pem(curve))

    def test_has_the_thumbprint_of_rfc_7638(self) -> None:
        made = ec.generate_private_key(ec.SECP256R1())
        point = made.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        x, y = (urlsafe_b64encode(half).rstrip(b"=").decode() for half in (point[1:33], point[33:]))
        jwk = json.dumps({"crv": "P-256", "kty": "EC", "x": x, "y": y}, separators=(",", ":"), sort_keys=True)
        wanted = urlsafe_b64encode(hashlib.sha256(jwk.encode()).digest()).rstrip(b"=").decode()
        assert SigningKey.from_pem(private_pem(made)).public.thumbprint == wanted


class TestSecrets:
    def test_do_not_show_and_do_not_travel(self, key: ConsumerKey, signer: SigningKey) -> None:
        for secret in (key, signer, ContentKey.generate()):
            assert repr(secret) == f"{type(secret).__name__}(***)"
            with pytest.raises(TypeError):
                pickle.dumps(secret)

    @pytest.mark.parametrize("length", [0, 16, 31, 33])
    def test_content_keys_have_32_bytes(self, length: int) -> None:
        with pytest.raises(Refused, match=r"package\.key"):
            ContentKey(bytes(length))
