"""What the formats promise in numbers and bytes, and that no buffer keeps a key once it was used."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage import stream
from storage.backends.memory import MemoryObjects
from storage.digest import BackgroundDigest
from storage.envelope import ObjectContext
from storage.errors import InvalidName, ObjectDamaged
from storage.keys.base import associated_data
from storage.keys.file import FileKeys
from storage.secret import DataKey
from storage.stream import Piece
from storage.vault import StoredObject, Vault, _metered

CONTEXT = ObjectContext("org_a", "rev_1", 1, "print-file")
KEY = DataKey(bytes(range(32)))


class TestNumbers:
    def test_a_message_has_less_than_two_to_the_38_chunks(self) -> None:
        assert stream.PLAINTEXT_BYTES_MAX == 2**52 - 1

    def test_a_version_fits_a_signed_64_bit_column(self) -> None:
        newest = ObjectContext("org_a", "rev_1", 2**63 - 1, "print-file")
        assert newest.encode()[-8:].hex() == "7fffffffffffffff"
        with pytest.raises(InvalidName):
            ObjectContext("org_a", "rev_1", 2**63, "print-file")


class TestAssociatedData:
    def test_is_label_keyring_version_and_context(self) -> None:
        expected = b"partvault/wrapped-key/v1\0" + b"\0\x04ring" + b"\0\x0212" + CONTEXT.encode()
        assert associated_data("ring", "12", CONTEXT) == expected


class TestKeyringFile:
    def test_is_read_by_its_description_alone(self, tmp_path: Path) -> None:
        """12-byte nonce ‖ AES-256-GCM of the key, under a keyring named by 128 random bits."""
        key, wrapped = FileKeys(tmp_path / "ring.json").generate(CONTEXT)
        ring = json.loads((tmp_path / "ring.json").read_text())
        aead = AESGCM(base64.b64decode(ring["keys"]["1"]))
        opened = aead.decrypt(wrapped.blob[:12], wrapped.blob[12:], associated_data(ring["id"], "1", CONTEXT))
        assert opened == key.reveal()
        assert len(bytes.fromhex(ring["id"])) == 16


class TestCheckHeader:
    @pytest.mark.parametrize("given", [0, 1, 24, 55])
    def test_says_that_a_short_header_is_truncated(self, given: int) -> None:
        with pytest.raises(ObjectDamaged) as caught:
            stream.check_header(bytes(given), KEY, CONTEXT)
        assert caught.value.reason == "truncated"


class TestVault:
    @pytest.fixture
    def vault(self, tmp_path: Path) -> Vault:
        return Vault(MemoryObjects(), FileKeys(tmp_path / "ring.json"))

    def test_names_ciphertext_of_others_by_128_random_bits(self, vault: Vault) -> None:
        ciphertext = b"".join(bytes(piece) for piece in stream.encrypt([b"x"], KEY, CONTEXT))
        assert len(bytes.fromhex(vault.put_ciphertext([ciphertext], 1000).object_key)) == 16

    def test_checks_the_key_of_an_empty_object(self, vault: Vault) -> None:
        vault.check_key(vault.put(CONTEXT, [], 0), CONTEXT)

    def test_takes_a_malformed_record_for_altered(self) -> None:
        with pytest.raises(ObjectDamaged) as caught:
            StoredObject.from_json({})
        assert caught.value.reason == "altered"


class LateDigest(BackgroundDigest):
    """Hashes each piece as late as the contract allows: when it is settled."""

    _late: Piece = b""

    def update(self, piece: Piece) -> None:
        self.settle()
        self.bytes += len(piece)
        self._late = piece

    def settle(self) -> None:
        self._hash.update(self._late)
        self._late = b""


class TestMetered:
    @pytest.mark.parametrize("kind", [bytearray, memoryview])
    def test_hashes_a_piece_before_its_source_may_overwrite_it(self, kind: type) -> None:
        buffer = bytearray(3)

        def source() -> Iterator[Piece]:
            for content in (b"one", b"two", b"six"):
                buffer[:] = content
                yield buffer if kind is bytearray else memoryview(buffer)

        with LateDigest() as digest:
            passed = b"".join(bytes(piece) for piece in _metered(source(), digest, 9))
            assert passed == b"onetwosix"
            assert digest.finish() == hashlib.sha256(passed).digest()


def buffers_of(act: Callable[[], object], *codes: CodeType) -> list[bytearray]:
    """Return every mutable buffer that a local variable of these functions held while `act` ran."""
    found: dict[int, bytearray] = {}

    def collect(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code in codes:
            found.update(
                (id(value), value) for value in frame.f_locals.values() if isinstance(value, bytearray)
            )

    before = sys.getprofile()
    sys.setprofile(collect)
    try:
        act()
    finally:
        sys.setprofile(before)
    return list(found.values())


class TestKeyBuffers:
    """Derived keys, opened chunks and unwrapped keys are overwritten as soon as they were used."""

    def check(self, act: Callable[[], object], code: CodeType, count: int) -> None:
        buffers = buffers_of(act, code)
        assert len(buffers) == count
        assert not any(any(buffer) for buffer in buffers)

    def test_of_a_message(self) -> None:
        code = stream._MessageKeys.__init__.__code__
        self.check(lambda: stream._MessageKeys(KEY, bytes(24), CONTEXT), code, 1)

    def test_of_a_range(self) -> None:
        ciphertext = b"".join(bytes(piece) for piece in stream.encrypt([b"\xff" * 100], KEY, CONTEXT))

        def read() -> None:
            pieces = stream.decrypt_range(
                lambda at, count: [ciphertext[at : at + count]], len(ciphertext), KEY, CONTEXT, 0, 100
            )
            assert b"".join(pieces) == b"\xff" * 100

        self.check(read, stream.decrypt_range.__code__, 1)

    def test_of_an_unwrapped_key(self, tmp_path: Path) -> None:
        keys = FileKeys(tmp_path / "ring.json")
        _, wrapped = keys.generate(CONTEXT)
        self.check(lambda: keys.unwrap(wrapped, CONTEXT), FileKeys.unwrap.__code__, 1)
