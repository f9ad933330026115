from __future__ import annotations

import copy
from typing import Any

import pytest

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.secure_content.framing import Framing, read_framing, source_of
from mesh_tools.secure_content.keystore import AccessRight, Consumer, Group, Keystore, Resource, encoded
from mesh_tools.secure_content.keystore_xml import read_keystore, write_keystore
from tests.mesh_tools.secure_content.workshop import Workshop

UUID = "a023eda8-5feb-4176-87b8-4a44dfc7d4f2"
RESOURCE = Resource("3D/a & b.model", encoded(bytes(12)), encoded(bytes(16)), encoded(b"aad"))
RIGHT = AccessRight(1, "sha256", encoded(bytes(256)))
SOUND = Keystore(
    UUID,
    (Consumer("HP#1 <\"'&>", "KEK_x"), Consumer("b", pem="-----BEGIN\nEND-----")),
    (Group(UUID, (RIGHT,), (RESOURCE,)),),
)


class TestXml:
    def test_comes_back(self) -> None:
        assert read_keystore(write_keystore(SOUND), Limits(), part="keystore.xml") == SOUND

    def test_writes_no_other_hash(self) -> None:
        weak = Group(UUID, (AccessRight(0, "sha1", RIGHT.wrapped),), (RESOURCE,))
        with pytest.raises(ValueError, match="only RSA-OAEP with SHA-256"):
            write_keystore(Keystore(UUID, SOUND.consumers, (weak,)))

    def test_passes_over_what_other_namespaces_add(self) -> None:
        text = write_keystore(SOUND).decode()
        text = text.replace("</consumer>", '<v:more xmlns:v="urn:v"/></consumer>', 1)
        text = text.replace("<cekparams ", '<cekparams xmlns:v="urn:v" v:note="1" ', 1)
        assert read_keystore(text.encode(), Limits(), part="keystore.xml") == SOUND

    def test_takes_base64_with_line_breaks(self) -> None:
        text = write_keystore(SOUND).replace(b"CipherValue>AAAA", b"CipherValue>\n  AA\n  AA")
        assert read_keystore(text, Limits(), part="keystore.xml") == SOUND


class TestJson:
    def test_comes_back(self) -> None:
        assert Keystore.from_json(SOUND.to_json()) == SOUND

    @pytest.mark.parametrize(
        "junk", [None, 3, [], {}, {"uuid": UUID}, {"uuid": 1, "consumers": [], "groups": []}]
    )
    def test_of_something_else_is_refused(self, junk: Any) -> None:
        with pytest.raises(ValueError, match="no key store"):
            Keystore.from_json(junk)

    def test_framing_comes_back(self, workshop: Workshop) -> None:
        framing = read_framing(memoryview(workshop.seal()), Limits())
        assert Framing.from_json(framing.to_json()) == framing

    @pytest.mark.parametrize(
        "field", ["keystore", "keystore_name", "model_name", "relationships", "content_types"]
    )
    @pytest.mark.parametrize("junk", [None, 3, [[1]], {"a": 1}])
    def test_framing_with_a_wrong_field_is_refused(self, field: str, junk: Any, workshop: Workshop) -> None:
        value = copy.deepcopy(read_framing(memoryview(workshop.seal()), Limits()).to_json())
        value[field] = junk
        with pytest.raises(ValueError, match=r"no framing|no key store"):
            Framing.from_json(value)


class TestBounds:
    def test_one_iv_serves_once_under_a_key(self) -> None:
        again = Resource("3D/c.model", RESOURCE.iv, RESOURCE.tag)
        with pytest.raises(Refused, match="IV under one key"):
            Group(UUID, (RIGHT,), (RESOURCE, again))

    def test_paths_are_unique_without_regard_to_case(self) -> None:
        again = Resource("3d/A & B.model", encoded(b"another iv.."), RESOURCE.tag)
        with pytest.raises(Refused, match="encrypted part"):
            Keystore(UUID, SOUND.consumers, (Group(UUID, (RIGHT,), (RESOURCE, again)),))

    @pytest.mark.parametrize(
        "iv", ["AAAAAAAAAAAAAAAB=", "AAAAAAAAAAAAAAA", "AAAA AAAAAAAAAAAA", "ÄAAAAAAAAAAAAAAA"]
    )
    def test_base64_is_canonical(self, iv: str) -> None:
        with pytest.raises(Refused, match=r"package\.keystore"):
            Resource("3D/c.model", iv, RESOURCE.tag)

    def test_tags_have_no_spare_bits(self) -> None:
        with pytest.raises(Refused, match="canonical"):
            Resource("3D/c.model", RESOURCE.iv, RESOURCE.tag[:-3] + "B==")


class TestSourceOf:
    @pytest.mark.parametrize(
        ("name", "source"),
        [
            ("_rels/.rels", ""),
            ("3D/_rels/a.model.rels", "3D/a.model"),
            ("_rels/a.rels", "a"),
            ("3D/a.model", None),
            ("3D/rels/a.rels", None),
            ("3D/_rels/a.model", None),
        ],
    )
    def test_is(self, name: str, source: str | None) -> None:
        assert source_of(name) == source
