"""lib3mf opens our packages, and we open its own: the same geometry on both sides."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import rsa

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.load import load
from mesh_tools.model import Body, Model
from mesh_tools.secure_content.binding import Product
from mesh_tools.secure_content.geometry_part import geometry_part, ordered_mesh
from mesh_tools.secure_content.keys import ConsumerKey, SigningKey
from mesh_tools.secure_content.opening import FramingReader, open_package
from mesh_tools.secure_content.sealing import PART_NAME, Recipient, seal_package
from tests.mesh_tools import shapes
from tests.mesh_tools.secure_content.lib3mf_crypto import Lib3mf
from tests.mesh_tools.secure_content.workshop import flipped, parts_of, with_part

SHAPE = (np.round(shapes.torus()[0], 3) + 0.0, shapes.torus()[1])
"""With three decimals: lib3mf writes six."""
TORUS = Body(shapes.corners(SHAPE))
BOX = Body(shapes.corners(shapes.box()))
Canonical = tuple[list[list[float]], list[list[int]]]


@pytest.fixture(scope="module")
def secret() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def second() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


def canonical(body: Body) -> Canonical:
    points, facets = ordered_mesh(body)
    return points.astype(np.float32).tolist(), facets.tolist()


def canonical_of(mesh: tuple[list[tuple[float, ...]], list[tuple[int, ...]]]) -> Canonical:
    return canonical(Body(np.array(mesh[0], np.float32), np.array(mesh[1], np.int32)))


def sealed(keys: dict[str, rsa.RSAPrivateKey], signer: SigningKey | None, *bodies: Body) -> bytes:
    recipients = [Recipient(name, ConsumerKey(key).public) for name, key in keys.items()]
    part = geometry_part(Model("stl-binary", bodies), 1.0)
    return seal_package(part, Product("Bracket", "3"), recipients, signer=signer)


class TestLib3mfOpensOurs:
    @pytest.mark.parametrize("consumer", ["printer-1", "printer-2"])
    def test_with_the_key_of_any_consumer(
        self, consumer: str, secret: rsa.RSAPrivateKey, second: rsa.RSAPrivateKey, signer: SigningKey
    ) -> None:
        keys = {"printer-1": secret, "printer-2": second}
        other = Lib3mf()
        reader = other.read(sealed(keys, signer, TORUS, BOX), consumer, keys[consumer])
        assert reader.GetWarningCount() == 0
        assert [canonical_of(mesh) for mesh in other.meshes()] == [canonical(TORUS), canonical(BOX)]

    def test_without_a_signature(self, secret: rsa.RSAPrivateKey) -> None:
        other = Lib3mf()
        other.read(sealed({"printer-1": secret}, None, BOX), "printer-1", secret)
        assert [canonical_of(mesh) for mesh in other.meshes()] == [canonical(BOX)]

    def test_and_reads_the_binding(self, secret: rsa.RSAPrivateKey) -> None:
        other = Lib3mf()
        other.read(sealed({"printer-1": secret}, None, BOX), "printer-1", secret)
        part = other.model.FindOrCreatePackagePart("/" + PART_NAME)
        aad = bytes(other.model.GetKeyStore().FindResourceData(part).GetAdditionalAuthenticationData())
        assert aad == (
            b'{"format":"partvault/secure-part/v1","path":"/3D/part.model","product":"Bracket","version":"3"}'
        )

    def test_but_not_an_altered_one(self, secret: rsa.RSAPrivateKey) -> None:
        package = sealed({"printer-1": secret}, None, BOX)
        altered = with_part(package, PART_NAME, flipped(parts_of(package)[PART_NAME], -1))
        with pytest.raises(InvalidTag):
            Lib3mf().read(altered, "printer-1", secret)

    def test_but_not_with_anothers_key(self, secret: rsa.RSAPrivateKey, second: rsa.RSAPrivateKey) -> None:
        package = sealed({"printer-1": secret}, None, BOX)
        with pytest.raises(ValueError, match=r"[Cc]iphertext|[Dd]ecryption"):
            Lib3mf().read(package, "printer-1", second)


class TestWeOpenLib3mfs:
    @pytest.mark.parametrize("hash_name", ["SHA1", "SHA256"])
    @pytest.mark.parametrize("deflate", [False, True])
    @pytest.mark.parametrize("shown", [True, False], ids=["key shown", "key not shown"])
    def test_with_the_same_geometry(
        self, hash_name: str, deflate: bool, shown: bool, secret: rsa.RSAPrivateKey, framing: FramingReader
    ) -> None:
        key = ConsumerKey(secret)
        other = Lib3mf()
        pem = key.public.pem if shown else ""
        other.add_encrypted_mesh(SHAPE, {"we": pem}, hash_name=hash_name, deflate=deflate)
        package = other.write({"we": secret.public_key()})
        opened = open_package(memoryview(package), key, framing, foreign=True)
        model = load(memoryview(opened.package), "part.3mf", Limits())
        assert [canonical(body) for body in model.bodies] == [canonical(TORUS)]
        assert any("SHA-1" in notice for notice in opened.notices) == (hash_name == "SHA1")
        assert any("compressed" in notice for notice in opened.notices) == deflate

    def test_deflated_at_a_length_that_lib3mf_often_fails_to_read_back(
        self, secret: rsa.RSAPrivateKey, framing: FramingReader
    ) -> None:
        other = Lib3mf()
        shape = shapes.torus(around=100, across=50)
        other.add_encrypted_mesh(shape, {"we": ""}, deflate=True)
        package = other.write({"we": secret.public_key()})
        opened = open_package(memoryview(package), ConsumerKey(secret), framing, foreign=True)
        assert load(memoryview(opened.package), "part.3mf", Limits()).bodies[0].facet_count == 10_000

    def test_among_several_consumers_that_show_no_key(
        self, secret: rsa.RSAPrivateKey, second: rsa.RSAPrivateKey, framing: FramingReader
    ) -> None:
        other = Lib3mf()
        other.add_encrypted_mesh(shapes.box(), {"they": "", "we": ""})
        package = other.write({"they": second.public_key(), "we": secret.public_key()})
        opened = open_package(memoryview(package), ConsumerKey(secret), framing, foreign=True)
        assert opened.parts == ("3D/secret.model",)

    def test_but_not_as_packages_of_a_trusted_signer(
        self, secret: rsa.RSAPrivateKey, signer: SigningKey, framing: FramingReader
    ) -> None:
        other = Lib3mf()
        other.add_encrypted_mesh(shapes.box(), {"we": ""})
        package = other.write({"we": secret.public_key()})
        with pytest.raises(Refused, match=r"package\.signature"):
            open_package(memoryview(package), ConsumerKey(secret), framing, trusted=[signer.public])


class TestTheBindings:
    def test_callbacks_have_eight_parameters(self) -> None:
        """The reason for the cast; when the bindings are mended, it can go."""
        declared = Lib3mf().module.Lib3MF.KeyWrappingCallback
        assert len(declared._argtypes_) == 5
        assert issubclass(declared, ctypes._CFuncPtr)  # type: ignore[attr-defined]
