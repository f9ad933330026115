from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import stream
from storage.envelope import ObjectContext
from storage.errors import ObjectDamaged, RangeInvalid, StorageError, TooLarge, WrongContext
from storage.secret import DataKey
from storage.stream import CHUNK_BYTES, HEADER_BYTES, SEALED_BYTES, TAG_BYTES
from tests.storage.stream_vectors import FOLDER, VECTORS, ciphertext_of, context_of, key_of, plaintext_of
from tests.vectors.make_stream import render, vectors

MIB = 1024 * 1024
SIZES = [
    0,
    1,
    100,
    CHUNK_BYTES - 1,
    CHUNK_BYTES,
    CHUNK_BYTES + 1,
    20 * 1024,
    2 * CHUNK_BYTES,
    MIB - 1,
    MIB,
    MIB + 1,
]
CONTEXT = ObjectContext("org_a", "rev_1", 1, "print-file")
KEY = DataKey(bytes(range(32)))
DEFECTS = [name for name, vector in VECTORS.items() if vector["expect"] != "ok"]
SOUND = [name for name, vector in VECTORS.items() if vector["expect"] == "ok"]
Cut = Callable[[bytes], Iterable[bytes]]


def cut(size: int) -> Cut:
    return lambda content: (content[at : at + size] for at in range(0, len(content), size))


CUTS = {
    "whole": lambda content: [content],
    "one byte each": cut(1),
    "odd": cut(9_973),
    "chunks": cut(CHUNK_BYTES),
    "sealed chunks": cut(SEALED_BYTES),
    "with empty pieces": lambda content: [b"", content[:10], b"", content[10:], b""],
}  # fmt: skip


def encrypted(
    content: bytes, key: DataKey = KEY, context: ObjectContext = CONTEXT, cut: Cut = lambda c: [c]
) -> bytes:
    return b"".join(bytes(piece) for piece in stream.encrypt(cut(content), key, context))


def decrypted(ciphertext: bytes, key: DataKey = KEY, context: ObjectContext = CONTEXT) -> bytes:
    return b"".join(stream.decrypt([ciphertext], key, context))


def until_failure(pieces: Iterable[bytes]) -> tuple[bytes, StorageError]:
    seen = b""
    try:
        for piece in pieces:
            seen += piece
    except StorageError as error:
        return seen, error
    raise AssertionError("the stream ended without an error")


class TestLengths:
    @pytest.mark.parametrize("size", SIZES)
    def test_agree_with_the_stream(self, size: int) -> None:
        assert len(encrypted(bytes(size))) == stream.ciphertext_length(size)
        assert stream.plaintext_length(stream.ciphertext_length(size)) == size

    @given(st.integers(0, stream.PLAINTEXT_BYTES_MAX))
    def test_are_inverse(self, size: int) -> None:
        assert stream.plaintext_length(stream.ciphertext_length(size)) == size

    @pytest.mark.parametrize("size", [-1, stream.PLAINTEXT_BYTES_MAX + 1])
    def test_refuse_a_message_over_the_limit(self, size: int) -> None:
        with pytest.raises(TooLarge):
            stream.ciphertext_length(size)

    @pytest.mark.parametrize("chunks", [0, 1, 7])
    @pytest.mark.parametrize("rest", range(TAG_BYTES))
    def test_refuse_a_length_no_message_has(self, chunks: int, rest: int) -> None:
        with pytest.raises(ObjectDamaged) as caught:
            stream.plaintext_length(HEADER_BYTES + chunks * SEALED_BYTES + rest)
        assert caught.value.reason == "truncated"

    @pytest.mark.parametrize("size", [-1, 0, 1, HEADER_BYTES - 1])
    def test_refuse_less_than_a_header(self, size: int) -> None:
        with pytest.raises(ObjectDamaged):
            stream.plaintext_length(size)

    def test_refuse_more_chunks_than_the_counter_has(self) -> None:
        longest = stream.ciphertext_length(stream.PLAINTEXT_BYTES_MAX)
        with pytest.raises(ObjectDamaged) as caught:
            stream.plaintext_length(longest + 1 + TAG_BYTES)
        assert caught.value.reason == "extended"


class TestEncrypt:
    @pytest.mark.parametrize("size", [*SIZES, 5 * MIB + 3])
    def test_is_read_by_the_cipher_library(self, size: int) -> None:
        content = os.urandom(size)
        decryptor = Cobblestone256Decryptor(KEY.reveal(), CONTEXT.encode())
        assert decryptor.update(encrypted(content)) + decryptor.finalize() == content

    @pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
    def test_does_not_depend_on_how_the_source_is_cut(self, cut: Cut) -> None:
        content = os.urandom(3 * CHUNK_BYTES + 5)
        assert decrypted(encrypted(content, cut=cut)) == content

    def test_takes_views_of_other_item_sizes(self) -> None:
        wide = memoryview(os.urandom(8 * 5_000)).cast("Q")
        assert (
            decrypted(b"".join(bytes(piece) for piece in stream.encrypt([wide], KEY, CONTEXT)))
            == wide.tobytes()
        )

    def test_never_repeats_a_ciphertext(self) -> None:
        assert encrypted(b"same")[: stream.SALT_BYTES] != encrypted(b"same")[: stream.SALT_BYTES]

    def test_keeps_a_piece_while_the_next_is_made_and_then_releases_it(self) -> None:
        pieces = stream.encrypt(iter([bytes(4 * MIB)]), KEY, CONTEXT)
        next(pieces)
        first = next(pieces)
        copy = bytes(first)
        next(pieces)
        assert bytes(first) == copy
        next(pieces)
        with pytest.raises(ValueError, match="released"):
            bytes(first)

    def test_refuses_to_be_collected_without_copying(self) -> None:
        with pytest.raises((TypeError, ValueError)):
            b"".join(stream.encrypt([bytes(4 * MIB)], KEY, CONTEXT))

    def test_passes_a_failure_of_the_source_on(self) -> None:
        def source() -> Iterator[bytes]:
            yield bytes(MIB)
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            list(stream.encrypt(source(), KEY, CONTEXT))

    def test_keeps_memory_constant(self) -> None:
        tracemalloc.start()
        try:
            piece = bytes(MIB)
            for _ in stream.decrypt_views(
                stream.encrypt((piece for _ in range(64)), KEY, CONTEXT), KEY, CONTEXT
            ):
                pass
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 6 * MIB


class TestDecrypt:
    @pytest.mark.parametrize("size", [*SIZES, 5 * MIB + 3])
    def test_reads_the_cipher_library(self, size: int) -> None:
        content = os.urandom(size)
        encryptor = Cobblestone256Encryptor(KEY.reveal(), CONTEXT.encode())
        assert decrypted(encryptor.update(content) + encryptor.finalize()) == content

    @pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
    def test_does_not_depend_on_how_the_source_is_cut(self, cut: Cut) -> None:
        content = os.urandom(3 * CHUNK_BYTES + 5)
        assert b"".join(stream.decrypt(cut(encrypted(content)), KEY, CONTEXT)) == content

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_refuses_every_flipped_bit(self, data: st.DataObject) -> None:
        content = bytes(CHUNK_BYTES + 200)
        ciphertext = bytearray(encrypted(content))
        at = data.draw(st.integers(0, len(ciphertext) - 1), "offset")
        ciphertext[at] ^= 1 << data.draw(st.integers(0, 7), "bit")
        with pytest.raises(WrongContext if at < HEADER_BYTES else ObjectDamaged):
            decrypted(bytes(ciphertext))

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, stream.ciphertext_length(CHUNK_BYTES + 200) - 1))
    def test_refuses_every_truncation(self, kept: int) -> None:
        with pytest.raises(ObjectDamaged):
            decrypted(encrypted(bytes(CHUNK_BYTES + 200))[:kept])

    def test_yields_only_a_true_prefix_before_a_failure(self) -> None:
        content = os.urandom(3 * MIB)
        ciphertext = bytearray(encrypted(content))
        ciphertext[-20] ^= 1
        seen, error = until_failure(stream.decrypt([ciphertext], KEY, CONTEXT))
        assert isinstance(error, ObjectDamaged)
        assert error.reason == "altered"
        assert len(seen) >= MIB
        assert content.startswith(seen)

    def test_wipes_its_buffer_when_it_is_closed(self) -> None:
        pieces = stream.decrypt_views([encrypted(b"\xff" * (2 * MIB))], KEY, CONTEXT)
        first = next(pieces)
        assert any(first)
        pieces.close()  # type: ignore[attr-defined]
        assert not any(first)


class TestDecryptRange:
    CONTENT = os.urandom(4 * CHUNK_BYTES + 1000)

    @pytest.fixture(scope="class")
    @classmethod
    def ciphertext(cls) -> bytes:
        return encrypted(cls.CONTENT)

    def read(self, ciphertext: bytes, start: int, length: int) -> tuple[bytes, int]:
        fetched = 0

        def read_at(offset: int, count: int) -> list[bytes]:
            nonlocal fetched
            fetched += count
            assert 0 <= offset <= offset + count <= len(ciphertext)
            return [ciphertext[offset : offset + count]]

        pieces = stream.decrypt_range(read_at, len(ciphertext), KEY, CONTEXT, start, length)
        return b"".join(pieces), fetched

    @settings(max_examples=100, deadline=None)
    @given(data=st.data())
    def test_equals_the_slice(self, ciphertext: bytes, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(self.CONTENT)))
        length = data.draw(st.integers(0, len(self.CONTENT) - start))
        found, fetched = self.read(ciphertext, start, length)
        assert found == self.CONTENT[start : start + length]
        assert fetched <= HEADER_BYTES + (length // CHUNK_BYTES + 2) * SEALED_BYTES

    @pytest.mark.parametrize("border", [0, CHUNK_BYTES, 2 * CHUNK_BYTES, 4 * CHUNK_BYTES])
    @pytest.mark.parametrize("length", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 1000])
    def test_is_exact_at_chunk_borders(self, ciphertext: bytes, border: int, length: int) -> None:
        length = min(length, len(self.CONTENT) - border)
        assert self.read(ciphertext, border, length)[0] == self.CONTENT[border : border + length]

    def test_reads_nothing_but_the_header_for_no_bytes(self, ciphertext: bytes) -> None:
        assert self.read(ciphertext, 17, 0) == (b"", HEADER_BYTES)

    @pytest.mark.parametrize(
        ("start", "length"), [(-1, 1), (0, -1), (0, 10**6), (10**6, 0), (len(CONTENT), 1)]
    )
    def test_refuses_a_range_outside(self, ciphertext: bytes, start: int, length: int) -> None:
        with pytest.raises(RangeInvalid):
            self.read(ciphertext, start, length)

    def test_checks_the_commitment_first(self, ciphertext: bytes) -> None:
        altered = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
        with pytest.raises(WrongContext):
            self.read(altered, 0, 0)

    def test_refuses_an_altered_chunk_in_the_range_only(self, ciphertext: bytes) -> None:
        altered = bytearray(ciphertext)
        altered[HEADER_BYTES + 2 * SEALED_BYTES] ^= 1
        assert self.read(bytes(altered), 0, 2 * CHUNK_BYTES)[0] == self.CONTENT[: 2 * CHUNK_BYTES]
        with pytest.raises(ObjectDamaged, match="chunk 2"):
            self.read(bytes(altered), 0, 2 * CHUNK_BYTES + 1)

    def test_refuses_a_store_that_gives_too_little(self, ciphertext: bytes) -> None:
        def read_at(offset: int, count: int) -> list[bytes]:
            return [ciphertext[offset : offset + count][: HEADER_BYTES + SEALED_BYTES]]

        with pytest.raises(ObjectDamaged) as caught:
            list(stream.decrypt_range(read_at, len(ciphertext), KEY, CONTEXT, 0, 2 * CHUNK_BYTES))
        assert caught.value.reason == "truncated"

    def test_refuses_a_store_that_gives_less_than_a_header(self, ciphertext: bytes) -> None:
        with pytest.raises(ObjectDamaged, match="header"):
            list(stream.decrypt_range(lambda *_: [ciphertext[:55]], len(ciphertext), KEY, CONTEXT, 0, 1))

    def test_counts_chunks_beyond_one_byte(self) -> None:
        content = os.urandom(300 * CHUNK_BYTES)
        found, _ = self.read(encrypted(content), 255 * CHUNK_BYTES + 7, 3 * CHUNK_BYTES)
        assert found == content[255 * CHUNK_BYTES + 7 :][: 3 * CHUNK_BYTES]

    def test_refuses_a_total_no_message_has(self, ciphertext: bytes) -> None:
        with pytest.raises(ObjectDamaged):
            self.read(ciphertext[: HEADER_BYTES + SEALED_BYTES], 0, 1)


class TestVectors:
    def test_are_what_their_maker_writes(self) -> None:
        made = {vector["name"]: render(vector) for vector in vectors()}
        assert made == {path.stem: path.read_text() for path in FOLDER.glob("*.json")}

    @pytest.mark.parametrize("name", SOUND)
    def test_open(self, name: str) -> None:
        found = decrypted(ciphertext_of(name), key_of(name), context_of(name))
        assert found == plaintext_of(name)

    @pytest.mark.parametrize("name", DEFECTS)
    @pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
    def test_are_refused_for_their_defect(self, name: str, cut: Cut) -> None:
        seen, error = until_failure(stream.decrypt(cut(ciphertext_of(name)), key_of(name), context_of(name)))
        assert getattr(error, "reason", error.kind) == VECTORS[name]["expect"]
        assert plaintext_of("three").startswith(seen) or plaintext_of("exact").startswith(seen)

    def test_are_judged_alike_by_a_second_decoder(self) -> None:
        node = shutil.which("node")
        assert node, "node 20 or newer must be on the PATH; contracts/ needs it too"
        script = Path(__file__).with_name("decode_stream.mjs")
        run = subprocess.run([node, str(script), str(FOLDER)], capture_output=True, check=True)
        answers = json.loads(run.stdout)
        expected = {
            name: {"found": "ok", "sha256": hashlib.sha256(plaintext_of(name)).hexdigest()} for name in SOUND
        } | {name: {"found": VECTORS[name]["expect"]} for name in DEFECTS}
        assert answers == expected

    @pytest.mark.parametrize("name", VECTORS)
    def test_are_judged_alike_by_the_cipher_library(self, name: str) -> None:
        def decode() -> bytes:
            decryptor = Cobblestone256Decryptor(key_of(name).view(), context_of(name).encode())
            return decryptor.update(ciphertext_of(name)) + decryptor.finalize()

        if name in SOUND:
            assert decode() == plaintext_of(name)
        else:
            with pytest.raises(InvalidTag):
                decode()
