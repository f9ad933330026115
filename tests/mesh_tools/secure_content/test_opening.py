"""Packages that were sealed here open here, and nothing that was altered does."""

from __future__ import annotations

import re

import pytest

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.load import load
from mesh_tools.model import IDENTITY, Body, Model
from mesh_tools.secure_content.binding import Product
from mesh_tools.secure_content.geometry_part import geometry_part
from mesh_tools.secure_content.keys import ConsumerKey, SigningKey
from mesh_tools.secure_content.opening import FramingReader, Opened, open_package
from mesh_tools.secure_content.sealing import PART_NAME, ROOT_NAME
from tests.mesh_tools import shapes
from tests.mesh_tools.secure_content.workshop import Workshop, parts_of, with_keystore

TORUS = geometry_part(Model("stl-binary", [Body(shapes.corners(shapes.torus()))]), 25.4)


@pytest.fixture
def opened(workshop: Workshop, key: ConsumerKey, signer: SigningKey, framing: FramingReader) -> Opened:
    return open_package(memoryview(workshop.seal(TORUS)), key, framing, trusted=[signer.public])


class TestRoundTrip:
    def test_gives_the_geometry_back(self, opened: Opened) -> None:
        model = load(memoryview(opened.package), "part.3mf", Limits())
        assert model.unit_mm == 25.4
        assert model.findings == ()
        (body,) = model.bodies
        assert [placement.tolist() for placement in body.placements] == [IDENTITY.tolist()]
        corners = body.corners(0, body.facet_count).reshape(-1, 9)
        wanted = shapes.corners(shapes.torus()).astype(float)
        rotations = {tuple(facet.reshape(-1)) for facet in corners.reshape(-1, 3, 3)}
        assert body.facet_count == len(wanted)
        for facet in wanted:
            assert any(tuple(facet[[k, (k + 1) % 3, (k + 2) % 3]].reshape(-1)) in rotations for k in range(3))

    def test_says_what_it_is_of_and_who_signed(
        self, opened: Opened, workshop: Workshop, signer: SigningKey
    ) -> None:
        assert opened.product == workshop.product
        assert opened.signer == signer.public.thumbprint
        assert opened.parts == (PART_NAME,)
        assert opened.notices == ()

    def test_opens_for_every_consumer(
        self, workshop: Workshop, other_key: ConsumerKey, signer: SigningKey, framing: FramingReader
    ) -> None:
        data = memoryview(workshop.seal(TORUS))
        assert open_package(data, other_key, framing, trusted=[signer.public]).parts == (PART_NAME,)

    def test_root_model_says_nothing_of_the_geometry(self, workshop: Workshop) -> None:
        root = parts_of(workshop.seal(TORUS))[ROOT_NAME]
        assert b"<mesh" not in root
        assert b"transform" not in root
        assert root.count(b"<component ") == 1

    def test_ciphertext_holds_nothing_of_the_plaintext(self, workshop: Workshop) -> None:
        assert b"<vertex" not in workshop.seal(TORUS)

    def test_never_encrypts_twice_alike(self, workshop: Workshop) -> None:
        first, second = (parts_of(workshop.seal(TORUS))[PART_NAME] for _ in range(2))
        assert len(first) == len(second)
        assert first[12:] != second[12:]

    def test_foreign_and_trusted_exclude_each_other(
        self, workshop: Workshop, key: ConsumerKey, signer: SigningKey, framing: FramingReader
    ) -> None:
        data = memoryview(workshop.seal(TORUS))
        with pytest.raises(ValueError, match="name the signers"):
            open_package(data, key, framing)
        with pytest.raises(ValueError, match="name the signers"):
            open_package(data, key, framing, trusted=[signer.public], foreign=True)

    def test_opens_an_unsigned_one_only_as_foreign_and_says_so(
        self, workshop: Workshop, key: ConsumerKey, signer: SigningKey, framing: FramingReader
    ) -> None:
        data = memoryview(workshop.seal(TORUS, signed=False))
        with pytest.raises(Refused, match=r"package\.signature"):
            open_package(data, key, framing, trusted=[signer.public])
        opened = open_package(data, key, framing, foreign=True)
        assert opened.product is None
        assert opened.signer is None
        assert "foreign" in opened.notices[0]

    def test_knows_its_key_however_the_lines_are_broken(
        self, workshop: Workshop, key: ConsumerKey, framing: FramingReader
    ) -> None:
        pem = key.public.pem
        body = "".join(pem.splitlines()[1:-1])
        long = pem.splitlines()[0] + f"\n  {body}\n" + pem.splitlines()[-1]
        data = with_keystore(workshop.seal(TORUS, signed=False), re.escape(pem.strip()), long)
        assert open_package(memoryview(data), key, framing, foreign=True).parts == (PART_NAME,)

    def test_shows_nothing_of_the_content(self, opened: Opened) -> None:
        assert "vertex" not in repr(opened)


class TestExpected:
    @pytest.mark.parametrize("expected", [Product("Bracket", "2"), Product("Lever", "3")])
    def test_refuses_another_product(
        self,
        workshop: Workshop,
        key: ConsumerKey,
        signer: SigningKey,
        framing: FramingReader,
        expected: Product,
    ) -> None:
        data = memoryview(workshop.seal())
        with pytest.raises(Refused, match=r"package\.binding"):
            open_package(data, key, framing, trusted=[signer.public], expected=expected)

    def test_takes_the_expected_one(
        self, workshop: Workshop, key: ConsumerKey, signer: SigningKey, framing: FramingReader
    ) -> None:
        data = memoryview(workshop.seal())
        opened = open_package(data, key, framing, trusted=[signer.public], expected=workshop.product)
        assert opened.product == workshop.product
