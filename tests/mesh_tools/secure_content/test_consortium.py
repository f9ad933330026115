"""The consortium's own encrypted samples, with its test key, where the corpus has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.load import load
from mesh_tools.secure_content.keys import ConsumerKey, SigningKey
from mesh_tools.secure_content.opening import FramingReader, Opened, open_package
from tests.mesh_tools.secure_content.lib3mf_crypto import Lib3mf


@pytest.fixture(scope="module")
def folder(corpus: Path) -> Path:
    return corpus / "lib3mf"


@pytest.fixture(scope="module")
def sample(folder: Path) -> bytes:
    return (folder / "keystore_encrypted.3mf").read_bytes()


@pytest.fixture(scope="module")
def pem(folder: Path) -> bytes:
    return (folder / "sample.pem").read_bytes()


@pytest.fixture
def opened(sample: bytes, pem: bytes, framing: FramingReader) -> Opened:
    return open_package(memoryview(sample), ConsumerKey.from_pem(pem), framing, foreign=True)


class TestEncryptedSample:
    def test_opens_and_says_what_it_lacks(self, opened: Opened) -> None:
        assert opened.parts == ("3D/3dexternal.model",)
        assert any("foreign" in notice for notice in opened.notices)
        assert any("SHA-1" in notice for notice in opened.notices)

    def test_has_the_geometry_that_lib3mf_reads(self, opened: Opened, sample: bytes, pem: bytes) -> None:
        model = load(memoryview(opened.package), "part.3mf", Limits())
        other = Lib3mf()
        secret = load_pem_private_key(pem, None)
        other.read(sample, "LIB3MF#TEST", secret)
        ((vertices, facets),) = other.meshes()
        (body,) = model.bodies
        assert body.facets is not None
        assert np.array_equal(body.points.astype(np.float32), np.array(vertices, np.float32))
        assert np.array_equal(body.facets, np.array(facets))
        assert len(body.placements) == 27

    def test_is_refused_where_signatures_are_demanded(
        self, sample: bytes, pem: bytes, framing: FramingReader, signer: SigningKey
    ) -> None:
        with pytest.raises(Refused, match=r"package\.signature"):
            open_package(memoryview(sample), ConsumerKey.from_pem(pem), framing, trusted=[signer.public])

    def test_is_refused_with_another_key(
        self, sample: bytes, key: ConsumerKey, framing: FramingReader
    ) -> None:
        with pytest.raises(Refused, match=r"package\.key"):
            open_package(memoryview(sample), key, framing, foreign=True)


class TestNegativeSample:
    def test_is_refused(self, folder: Path, pem: bytes, framing: FramingReader) -> None:
        data = (folder / "negative_keystore_empty.3mf").read_bytes()
        with pytest.raises(Refused, match=r"package\.keystore"):
            open_package(memoryview(data), ConsumerKey.from_pem(pem), framing, foreign=True)
