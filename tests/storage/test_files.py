from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor

from storage import stream
from storage.envelope import ObjectContext
from storage.errors import ObjectDamaged, StorageError, StoreUnavailable, WrongContext
from storage.files import BATCH_BYTES, _Passage, decrypt_file, encrypt_file
from storage.secret import DataKey
from storage.stream import CHUNK_BYTES, HEADER_BYTES
from tests.storage.stream_vectors import VECTORS, ciphertext_of, context_of, key_of, plaintext_of

CONTEXT = ObjectContext("org_a", "rev_1", 1, "print-file")
KEY = DataKey(bytes(range(32)))
SIZES = [
    0,
    1,
    CHUNK_BYTES,
    BATCH_BYTES - 1,
    BATCH_BYTES,
    BATCH_BYTES + 1,
    2 * BATCH_BYTES,
    5 * BATCH_BYTES + 12_345,
]


class Files:
    """Two open files in a folder, with their contents."""

    def __init__(self, folder: Path) -> None:
        self.source, self.target = (
            os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600) for name in ("source", "target")
        )

    def fill(self, content: bytes) -> None:
        assert os.pwrite(self.source, content, 0) == len(content)
        os.ftruncate(self.source, len(content))

    def found(self) -> bytes:
        return os.pread(self.target, os.fstat(self.target).st_size, 0)

    def encrypt(self, content: bytes) -> bytes:
        self.fill(content)
        assert encrypt_file(self.source, self.target, KEY, CONTEXT) == len(self.found())
        return self.found()

    def decrypt(self, ciphertext: bytes, key: DataKey = KEY, context: ObjectContext = CONTEXT) -> bytes:
        self.fill(ciphertext)
        assert decrypt_file(self.source, self.target, key, context) == len(self.found())
        return self.found()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    files = Files(tmp_path)
    yield files
    os.close(files.source)
    os.close(files.target)


def encrypted(content: bytes) -> bytearray:
    return bytearray(b"".join(bytes(piece) for piece in stream.encrypt([content], KEY, CONTEXT)))


class TestEncryptFile:
    @pytest.mark.parametrize("size", SIZES)
    def test_is_read_by_the_cipher_library(self, files: Files, size: int) -> None:
        content = os.urandom(size)
        decryptor = Cobblestone256Decryptor(KEY.view(), CONTEXT.encode())
        assert decryptor.update(files.encrypt(content)) + decryptor.finalize() == content

    def test_leaves_nothing_of_what_the_target_held(self, files: Files) -> None:
        os.pwrite(files.target, bytes(3 * BATCH_BYTES), 0)
        assert len(files.encrypt(b"short")) == stream.ciphertext_length(5)

    @pytest.mark.parametrize("mib", [1, 3, 5, 7])
    def test_empties_the_target_when_the_disk_is_full(self, files: Files, mib: int) -> None:
        files.fill(bytes(8 << 20))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (mib << 20, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                encrypt_file(files.source, files.target, KEY, CONTEXT)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert files.found() == b""


class TestDecryptFile:
    @pytest.mark.parametrize("size", SIZES)
    def test_gives_the_content_back(self, files: Files, size: int) -> None:
        content = os.urandom(size)
        assert files.decrypt(bytes(encrypted(content))) == content

    @pytest.mark.parametrize("name", VECTORS)
    def test_judges_every_vector(self, files: Files, name: str) -> None:
        expected = VECTORS[name]["expect"]
        if expected == "ok":
            assert files.decrypt(ciphertext_of(name), key_of(name), context_of(name)) == plaintext_of(name)
            return
        with pytest.raises(StorageError) as caught:
            files.decrypt(ciphertext_of(name), key_of(name), context_of(name))
        assert getattr(caught.value, "reason", caught.value.kind) == expected
        assert files.found() == b""

    @pytest.mark.parametrize("at", [HEADER_BYTES, BATCH_BYTES + 7, 2 * BATCH_BYTES + 7, 4 * BATCH_BYTES, -1])
    def test_empties_the_target_wherever_a_bit_is_flipped(self, files: Files, at: int) -> None:
        ciphertext = encrypted(bytes(4 * BATCH_BYTES + 5))
        ciphertext[at] ^= 1
        with pytest.raises(ObjectDamaged) as caught:
            files.decrypt(bytes(ciphertext))
        assert caught.value.reason == "altered"
        assert files.found() == b""

    def test_checks_the_commitment_before_it_writes(self, files: Files) -> None:
        with pytest.raises(WrongContext):
            files.decrypt(bytes(encrypted(b"x")), context=ObjectContext("org_b", "rev_1", 1, "print-file"))

    def test_leaves_nothing_of_what_the_target_held(self, files: Files) -> None:
        os.pwrite(files.target, bytes(3 * BATCH_BYTES), 0)
        assert files.decrypt(bytes(encrypted(b"short"))) == b"short"


class Tracing:
    """A cipher that changes nothing and keeps hold of the buffers it was given."""

    def __init__(self) -> None:
        self.buffers: list[memoryview | bytearray] = []
        self.sizes: list[int] = []

    def update_into(self, data: memoryview, buffer: bytearray) -> int:
        self.buffers += [data, buffer]
        self.sizes.append(len(data))
        buffer[: len(data)] = data
        return len(data)

    def finalize(self) -> bytes:
        return b"the end"


class TestPassage:
    def test_takes_the_batches_in_order(self, files: Files) -> None:
        content = os.urandom(6 * BATCH_BYTES + 1)
        files.fill(content)
        cipher = Tracing()
        passage = _Passage(files.source, files.target, cipher)
        assert passage.run(len(content)) == len(content)
        assert passage.finish(len(content)) == len(content) + 7
        assert cipher.sizes == [BATCH_BYTES] * 6 + [1]
        assert files.found() == content + b"the end"

    def test_wipes_every_buffer(self, files: Files) -> None:
        files.fill(b"\xff" * (3 * BATCH_BYTES))
        cipher = Tracing()
        _Passage(files.source, files.target, cipher).run(3 * BATCH_BYTES)
        assert len({id(buffer) for buffer in cipher.buffers[1::2]}) == 2
        assert not any(map(any, cipher.buffers))

    def test_wipes_every_buffer_when_it_fails(self, files: Files) -> None:
        class Failing(Tracing):
            def update_into(self, data: memoryview, buffer: bytearray) -> int:
                super().update_into(data, buffer)
                if len(self.sizes) == 3:
                    raise InterruptedError
                return len(data)

        files.fill(b"\xff" * (4 * BATCH_BYTES))
        cipher = Failing()
        with pytest.raises(InterruptedError):
            _Passage(files.source, files.target, cipher).run(4 * BATCH_BYTES)
        assert len(cipher.sizes) == 3
        assert not any(map(any, cipher.buffers))

    @pytest.mark.parametrize("kept", [1, BATCH_BYTES - 1, BATCH_BYTES + 1, 3 * BATCH_BYTES + 1])
    def test_says_when_the_source_shrinks_under_it(self, files: Files, kept: int) -> None:
        files.fill(bytes(kept))
        with pytest.raises(StoreUnavailable, match="shrank"):
            _Passage(files.source, files.target, Tracing()).run(4 * BATCH_BYTES)
