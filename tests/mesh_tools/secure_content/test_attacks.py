"""Altered packages: each is refused for the right reason, and before any XML that an attacker could have made
is parsed. The encrypted part is poisoned: a parser that reached it would say package.dtd instead.
"""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.load import load
from mesh_tools.secure_content.binding import Product
from mesh_tools.secure_content.framing import Framing, read_framing
from mesh_tools.secure_content.keys import ConsumerKey, SigningKey
from mesh_tools.secure_content.opc import CONTENT_TYPES
from mesh_tools.secure_content.opening import open_package
from mesh_tools.secure_content.sealing import KEYSTORE_NAME, PART_NAME, ROOT_NAME, seal_package
from mesh_tools.secure_content.statement import STATEMENT_NAME, sign_statement
from tests.mesh_tools.secure_content.workshop import (
    POISON,
    Workshop,
    flipped,
    packed,
    parts_of,
    with_keystore,
    with_part,
)

HEADER, CIPHERTEXT = range(8), (12, 20, -1)
BASE64 = "([A-Za-z0-9+/=]+)"


class Reader:
    """Reads framings in this process and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, data: memoryview) -> Framing:
        self.asked += 1
        return read_framing(data, Limits())


def refusal_of_signed(data: bytes, key: ConsumerKey, signer: SigningKey) -> tuple[str, int]:
    """Why the package does not open, and how often its XML was parsed on the way."""
    reader = Reader()
    with pytest.raises(Refused) as refusal:
        open_package(memoryview(data), key, reader, trusted=[signer.public])
    return refusal.value.code, reader.asked


def refusal_of_foreign(data: bytes, key: ConsumerKey) -> str:
    with pytest.raises(Refused) as refusal:
        open_package(memoryview(data), key, Reader(), foreign=True)
    return refusal.value.code


@pytest.fixture(scope="module")
def signed(workshop: Workshop) -> bytes:
    return workshop.seal()


@pytest.fixture(scope="module")
def unsigned(workshop: Workshop) -> bytes:
    return workshop.seal(signed=False)


class TestPoison:
    def test_bites_whoever_parses_it(self, signed: bytes, key: ConsumerKey, signer: SigningKey) -> None:
        opened = open_package(memoryview(signed), key, Reader(), trusted=[signer.public])
        with pytest.raises(Refused, match=r"package\.dtd"):
            load(memoryview(opened.package), "part.3mf", Limits())


class TestSigned:
    """With a trusted signer, no byte of the file can be another, whatever it belongs to."""

    def test_opens_untouched(self, signed: bytes, key: ConsumerKey, signer: SigningKey) -> None:
        assert open_package(memoryview(signed), key, Reader(), trusted=[signer.public]).parts == (PART_NAME,)

    def test_every_byte_of_the_file_is_vouched_for(
        self, signed: bytes, key: ConsumerKey, signer: SigningKey
    ) -> None:
        positions = range(0, len(signed), 7)
        for position in positions:
            code, parsed = refusal_of_signed(flipped(signed, position, 1 << position % 8), key, signer)
            assert code.startswith("package.")
            assert not parsed, f"XML was parsed after byte {position} had been altered"

    @pytest.mark.slow
    def test_every_bit_of_the_file_is_vouched_for(
        self, signed: bytes, key: ConsumerKey, signer: SigningKey
    ) -> None:
        for position in range(8 * len(signed)):
            _, parsed = refusal_of_signed(flipped(signed, position // 8, 1 << position % 8), key, signer)
            assert not parsed

    @given(data=st.data())
    def test_truncation_is_refused(
        self, signed: bytes, key: ConsumerKey, signer: SigningKey, data: st.DataObject
    ) -> None:
        length = data.draw(st.integers(0, len(signed) - 1))
        assert refusal_of_signed(signed[:length], key, signer) == ("package.zip", 0)

    @pytest.mark.parametrize("name", [CONTENT_TYPES, "_rels/.rels", ROOT_NAME, PART_NAME, KEYSTORE_NAME])
    def test_refuses_another_part_in_a_signed_ones_place(
        self, name: str, signed: bytes, key: ConsumerKey, signer: SigningKey
    ) -> None:
        assert refusal_of_signed(with_part(signed, name, POISON.xml), key, signer) == ("package.signature", 0)

    def test_refuses_an_added_part(self, signed: bytes, key: ConsumerKey, signer: SigningKey) -> None:
        added = with_part(signed, "3D/more.model", POISON.xml)
        assert refusal_of_signed(added, key, signer) == ("package.signature", 0)

    def test_refuses_a_removed_part(self, signed: bytes, key: ConsumerKey, signer: SigningKey) -> None:
        parts = parts_of(signed)
        del parts[ROOT_NAME]
        assert refusal_of_signed(packed(parts), key, signer) == ("package.signature", 0)

    def test_refuses_another_order(self, signed: bytes, key: ConsumerKey, signer: SigningKey) -> None:
        parts = dict(reversed(parts_of(signed).items()))
        assert refusal_of_signed(packed(parts), key, signer) == ("package.signature", 0)

    def test_refuses_a_stripped_signature(self, signed: bytes, key: ConsumerKey, signer: SigningKey) -> None:
        parts = parts_of(signed)
        del parts[STATEMENT_NAME]
        assert refusal_of_signed(packed(parts), key, signer) == ("package.signature", 0)

    def test_refuses_a_foreign_signature(
        self, signed: bytes, key: ConsumerKey, signer: SigningKey, stranger: SigningKey
    ) -> None:
        parts = parts_of(signed)
        del parts[STATEMENT_NAME]
        parts[STATEMENT_NAME] = sign_statement(Product("Bracket", "3"), parts, stranger)
        assert refusal_of_signed(packed(parts), key, signer) == ("package.signature", 0)

    def test_refuses_the_statement_of_another_package(
        self, signed: bytes, workshop: Workshop, key: ConsumerKey, signer: SigningKey
    ) -> None:
        other = parts_of(workshop.seal())[STATEMENT_NAME]
        moved = with_part(signed, STATEMENT_NAME, other)
        assert refusal_of_signed(moved, key, signer) == ("package.signature", 0)

    def test_refuses_what_the_signer_bound_to_another_product(
        self, workshop: Workshop, key: ConsumerKey, signer: SigningKey
    ) -> None:
        parts = parts_of(workshop.seal(signed=False))
        parts[STATEMENT_NAME] = sign_statement(Product("Bracket", "4"), parts, signer)
        assert refusal_of_signed(packed(parts), key, signer) == ("package.binding", 1)

    @pytest.mark.parametrize(
        ("pattern", "replacement"),
        [
            pytest.param('"none"', '"deflate"', id="deflate"),
            pytest.param(' mgfalgorithm="[^"]*" digestmethod="[^"]*"', "", id="SHA-1 by default"),
        ],
    )
    def test_refuses_what_only_foreign_packages_may_do(
        self, pattern: str, replacement: str, workshop: Workshop, key: ConsumerKey, signer: SigningKey
    ) -> None:
        parts = parts_of(with_keystore(workshop.seal(signed=False), pattern, replacement))
        parts[STATEMENT_NAME] = sign_statement(workshop.product, parts, signer)
        assert refusal_of_signed(packed(parts), key, signer) == ("package.algorithm", 1)

    def test_refuses_a_wrong_consumers_key(
        self, workshop: Workshop, signer: SigningKey, other_key: ConsumerKey
    ) -> None:
        alone = seal_package(POISON, workshop.product, workshop.recipients[:1], signer=signer)
        assert refusal_of_signed(alone, other_key, signer) == ("package.key", 1)


class TestUnsigned:
    """Without a signature the tags and the key store's own rules still hold."""

    def test_opens_untouched(self, unsigned: bytes, key: ConsumerKey) -> None:
        assert open_package(memoryview(unsigned), key, Reader(), foreign=True).parts == (PART_NAME,)

    @pytest.mark.parametrize("position", [*HEADER, *CIPHERTEXT])
    def test_refuses_a_flipped_byte_of_the_encrypted_file(
        self, position: int, unsigned: bytes, key: ConsumerKey
    ) -> None:
        part = parts_of(unsigned)[PART_NAME]
        altered = with_part(unsigned, PART_NAME, flipped(part, position))
        assert refusal_of_foreign(altered, key) == "package.ciphertext"

    @pytest.mark.parametrize("position", range(8, 12))
    @pytest.mark.parametrize("mask", [1, 2, 128])
    def test_refuses_another_length_of_the_header(
        self, position: int, mask: int, unsigned: bytes, key: ConsumerKey
    ) -> None:
        part = parts_of(unsigned)[PART_NAME]
        altered = with_part(unsigned, PART_NAME, flipped(part, position, mask))
        assert refusal_of_foreign(altered, key) == "package.ciphertext"

    @pytest.mark.parametrize("length", [0, 5, 11, 12, 13, 100])
    def test_refuses_a_truncated_encrypted_file(self, length: int, unsigned: bytes, key: ConsumerKey) -> None:
        part = parts_of(unsigned)[PART_NAME]
        altered = with_part(unsigned, PART_NAME, part[:length])
        assert refusal_of_foreign(altered, key) == "package.ciphertext"

    @pytest.mark.parametrize("element", ["iv", "tag", "aad"])
    def test_refuses_altered_parameters(self, element: str, unsigned: bytes, key: ConsumerKey) -> None:
        text = parts_of(unsigned)[KEYSTORE_NAME].decode()
        value = re.search(f"<{element}>{BASE64}</{element}>", text)
        assert value is not None
        first = "A" if value[1][0] != "A" else "B"
        altered = with_keystore(unsigned, f"<{element}>.", f"<{element}>{first}")
        assert refusal_of_foreign(altered, key) == "package.ciphertext"

    def test_refuses_removed_aad(self, unsigned: bytes, key: ConsumerKey) -> None:
        altered = with_keystore(unsigned, "<aad>.*</aad>", "")
        assert refusal_of_foreign(altered, key) == "package.ciphertext"

    def test_refuses_an_altered_wrapped_key(self, unsigned: bytes, key: ConsumerKey) -> None:
        text = parts_of(unsigned)[KEYSTORE_NAME].decode()
        value = re.search(f"CipherValue>{BASE64}", text)
        assert value is not None
        letter = "A" if value[1][9] != "A" else "B"
        altered = with_keystore(unsigned, "(CipherValue>.{9}).", rf"\g<1>{letter}")
        assert refusal_of_foreign(altered, key) == "package.key"

    def test_refuses_swapped_wrapped_keys(self, unsigned: bytes, key: ConsumerKey) -> None:
        value = f"(<xenc:CipherValue>){BASE64}"
        altered = with_keystore(unsigned, f"{value}(.*?){value}", r"\1\5\3\4\2")
        assert refusal_of_foreign(altered, key) == "package.key"

    def test_refuses_swapped_consumer_indices(self, unsigned: bytes, key: ConsumerKey) -> None:
        altered = with_keystore(
            unsigned, 'consumerindex="0"(.*?)consumerindex="1"', r'consumerindex="1"\1consumerindex="0"'
        )
        assert refusal_of_foreign(altered, key) == "package.key"

    def test_refuses_a_part_put_in_anothers_place(
        self, workshop: Workshop, unsigned: bytes, key: ConsumerKey
    ) -> None:
        other = parts_of(workshop.seal(signed=False))[PART_NAME]
        assert refusal_of_foreign(with_part(unsigned, PART_NAME, other), key) == "package.ciphertext"

    def test_refuses_a_part_moved_with_its_key(self, unsigned: bytes, key: ConsumerKey) -> None:
        moved = {
            name.replace(PART_NAME, "3D/other.model"): part.replace(PART_NAME.encode(), b"3D/other.model")
            if name.endswith((".rels", ".xml", "3dmodel.model"))
            else part
            for name, part in parts_of(unsigned).items()
        }
        assert refusal_of_foreign(packed(moved), key) == "package.binding"


class TestAnyChange:
    """Without a signature, a change is refused or leaves the content as it is; it never breaks the reader."""

    @given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def test_of_the_file(self, place: float, bit: int, unsigned: bytes, key: ConsumerKey) -> None:
        self.hold(flipped(unsigned, int(place * len(unsigned)), 1 << bit), key)

    @given(place=st.floats(0, 1, exclude_max=True), text=st.binary(max_size=3), cut=st.integers(0, 3))
    def test_of_the_key_store(
        self, place: float, text: bytes, cut: int, unsigned: bytes, key: ConsumerKey
    ) -> None:
        keystore = parts_of(unsigned)[KEYSTORE_NAME]
        at = int(place * len(keystore))
        self.hold(with_part(unsigned, KEYSTORE_NAME, keystore[:at] + text + keystore[at + cut :]), key)

    def hold(self, altered: bytes, key: ConsumerKey) -> None:
        try:
            opened = open_package(memoryview(altered), key, Reader(), foreign=True)
        except Refused as refusal:
            assert refusal.code.startswith("package.")  # noqa: PT017 - either way is right
        else:
            assert parts_of(opened.package)[PART_NAME] == POISON.xml


class TestKeystore:
    """Key stores that are no key stores."""

    @pytest.mark.parametrize(
        ("pattern", "replacement", "code"),
        [
            pytest.param(
                'consumerid="printer-2"', 'consumerid="printer-1"', "package.keystore", id="same id"
            ),
            pytest.param('consumerindex="1"', 'consumerindex="0"', "package.keystore", id="right twice"),
            pytest.param('consumerindex="1"', 'consumerindex="2"', "package.keystore", id="index too large"),
            pytest.param('consumerindex="1"', 'consumerindex="-1"', "package.keystore", id="index negative"),
            pytest.param('consumerindex="1"', 'consumerindex="01"', "package.keystore", id="index padded"),
            pytest.param("aes256-gcm", "aes128-gcm", "package.algorithm", id="AES-128"),
            pytest.param("aes256-gcm", "aes256-cbc", "package.algorithm", id="CBC"),
            pytest.param("xmlenc11#rsa-oaep", "xmlenc#rsa-1_5", "package.algorithm", id="PKCS 1.5"),
            pytest.param("mgf1sha256", "mgf1sha1", "package.algorithm", id="hashes differ"),
            pytest.param("mgf1sha256", "mgf1sha224", "package.algorithm", id="unknown mask"),
            pytest.param("xmlenc#sha256", "xmldsig-more#md5", "package.algorithm", id="MD5"),
            pytest.param('"none"', '"lzma"', "package.algorithm", id="unknown compression"),
            pytest.param("<iv>.{4}", "<iv>", "package.keystore", id="short IV"),
            pytest.param("<tag>.{4}", "<tag>", "package.keystore", id="short tag"),
            pytest.param("<iv>.*</iv>", "", "package.keystore", id="no IV"),
            pytest.param("<tag>.*</tag>", "", "package.keystore", id="no tag"),
            pytest.param("<tag>", "<tag>!", "package.keystore", id="no base64"),
            pytest.param(" UUID=", " uuid=", "package.keystore", id="no UUID"),
            pytest.param(' path="/3D', ' path="3D', "package.keystore", id="relative path"),
            pytest.param("<cekparams ", '<cekparams key="0" ', "package.keystore", id="unknown attribute"),
            pytest.param("</consumer>", "<secret/></consumer>", "package.keystore", id="unknown element"),
            pytest.param("<keystore ", "<!DOCTYPE x><keystore ", "package.dtd", id="DTD"),
            pytest.param("</keystore>", "", "package.xml", id="cut off"),
            pytest.param("(<resourcedata .*</resourcedata>)", r"\1\1", "package.keystore", id="part twice"),
            pytest.param("3D/part.model", "3D/none.model", "package.keystore", id="part without relation"),
            pytest.param("3D/part.model", "3D/3dmodel.model", "package.keystore", id="root encrypted"),
            pytest.param("<resourcedatagroup.*</resourcedatagroup>", "", "package.keystore", id="empty"),
            pytest.param("(<accessright.*</accessright>)", "", "package.key", id="no access right"),
        ],
    )
    def test_is_refused(
        self, pattern: str, replacement: str, code: str, unsigned: bytes, key: ConsumerKey
    ) -> None:
        assert refusal_of_foreign(with_keystore(unsigned, pattern, replacement), key) == code

    def test_of_too_many_bytes_is_refused(self, unsigned: bytes, key: ConsumerKey) -> None:
        padded = with_keystore(unsigned, "</keystore>", f"<!--{'x' * (1 << 20)}--></keystore>")
        assert refusal_of_foreign(padded, key) == "package.limit"

    def test_of_too_many_consumers_is_refused(self, unsigned: bytes, key: ConsumerKey) -> None:
        crowd = "".join(f'<consumer consumerid="c{number}"/>' for number in range(300))
        crowded = with_keystore(unsigned, "<resourcedatagroup", f"{crowd}<resourcedatagroup")
        assert refusal_of_foreign(crowded, key) == "package.limit"

    def test_of_many_consumers_that_show_no_key_is_refused(self, unsigned: bytes, key: ConsumerKey) -> None:
        text = parts_of(unsigned)[KEYSTORE_NAME].decode()
        right = text[text.index("<accessright") : text.index("</accessright>")] + "</accessright>"
        consumers = "".join(f'<consumer consumerid="c{number}"/>' for number in range(9))
        rights = "".join(right.replace('index="0"', f'index="{number}"') for number in range(2, 11))
        crowded = with_keystore(unsigned, "(<resourcedatagroup [^>]*>)", rf"{consumers}\1{rights}")
        assert refusal_of_foreign(crowded, key) == "package.limit"

    def test_named_twice_is_refused(self, unsigned: bytes, key: ConsumerKey) -> None:
        parts = parts_of(unsigned)
        second = (
            b'<Relationship Id="rel9" Type="http://schemas.microsoft.com/3dmanufacturing/2019/04/keystore" '
            b'Target="/3D/3dmodel.model"/></Relationships>'
        )
        parts["_rels/.rels"] = parts["_rels/.rels"].replace(b"</Relationships>", second)
        assert refusal_of_foreign(packed(parts), key) == "package.keystore"

    def test_without_the_encrypted_relationship_is_refused(self, unsigned: bytes, key: ConsumerKey) -> None:
        parts = parts_of(unsigned)
        name = "3D/_rels/3dmodel.model.rels"
        parts[name] = parts[name].replace(b"encryptedfile", b"plainfile")
        assert refusal_of_foreign(packed(parts), key) == "package.keystore"

    def test_that_is_gone_is_refused(self, unsigned: bytes, key: ConsumerKey) -> None:
        parts = parts_of(unsigned)
        parts["_rels/.rels"] = parts["_rels/.rels"].replace(b"2019/04/keystore", b"2019/04/other")
        assert refusal_of_foreign(packed(parts), key) == "package.keystore"


class TestPackage:
    def test_with_a_target_that_is_not_utf_8_is_refused(self, unsigned: bytes, key: ConsumerKey) -> None:
        parts = parts_of(unsigned)
        parts["_rels/.rels"] = parts["_rels/.rels"].replace(b"/Secure/keystore.xml", b"/Secure/%ff.xml")
        assert refusal_of_foreign(packed(parts), key) == "package.relationship"

    def test_that_expands_far_beyond_its_size_is_refused(self, unsigned: bytes, key: ConsumerKey) -> None:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, part in parts_of(unsigned).items():
                archive.writestr(name, part)
            for number in range(20):
                archive.writestr(f"Metadata/{number}.txt", bytes(4 << 20))
        assert refusal_of_foreign(stream.getvalue(), key) == "package.limit"

    def test_that_is_not_encrypted_is_refused(self, key: ConsumerKey) -> None:
        from tests.mesh_tools.threemf.packages import package

        assert refusal_of_foreign(package(), key) == "package.keystore"

    @pytest.mark.parametrize("junk", [b"", b"PK\3\4", b"solid x\nendsolid x\n"])
    def test_that_is_none_is_refused(self, junk: bytes, key: ConsumerKey, signer: SigningKey) -> None:
        assert refusal_of_foreign(junk, key) == "package.zip"
        assert refusal_of_signed(junk, key, signer) == ("package.zip", 0)
