"""The object store's contract, run on every back end: subclass it and give it a `store` fixture."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from storage.backends.base import ObjectStore, PutResult
from storage.errors import InvalidName, ObjectExists, ObjectMissing, RangeInvalid

MIB = 1024 * 1024
CLOCK_GRAIN = timedelta(seconds=1)  # S3 dates to the second, a file system to a timer tick
BAD_KEYS = [
    "", "/", "/etc/passwd", "..", "../up", "a/../b", "a//b", "a/", ".hidden", "a/.b", "A", "ü", "a b", "a\\b",
    "a\0b", "a\n", "-a", "_a", "a,b", "a" * 201,
]  # fmt: skip


class SourceFailedError(Exception):
    """What a source raises on purpose."""


def failing_source(good_bytes: int) -> Iterator[bytes]:
    yield os.urandom(good_bytes)
    raise SourceFailedError("the upload was cut off")


class ObjectStoreContract:
    """Every method is one promise of the port's docstrings."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        raise NotImplementedError

    @pytest.mark.parametrize("size", [0, 1, 16_384, MIB, 3 * MIB + 7])
    def test_gives_back_what_was_put(self, store: ObjectStore, size: int) -> None:
        content = os.urandom(size)
        pieces = [content[at : at + 100_001] for at in range(0, size, 100_001)]
        assert store.put("a/b.c-d_e", pieces) == PutResult(size, hashlib.sha256(content).digest())
        assert b"".join(store.read("a/b.c-d_e")) == content
        assert store.stat("a/b.c-d_e").bytes == size

    def test_dates_an_object_when_it_is_put(self, store: ObjectStore) -> None:
        before = datetime.now(UTC)
        store.put("dated", [b"x"])
        found = store.stat("dated").modified_at
        assert found.utcoffset() == timedelta(0)
        assert before - CLOCK_GRAIN <= found <= datetime.now(UTC) + CLOCK_GRAIN

    def test_takes_any_kind_of_piece(self, store: ObjectStore) -> None:
        store.put("mixed", [b"one", bytearray(b"two"), memoryview(b"three"), b""])
        assert b"".join(store.read("mixed")) == b"onetwothree"

    def test_consumes_a_piece_before_the_next_but_one_is_asked_for(self, store: ObjectStore) -> None:
        content = os.urandom(4 * MIB)
        buffers = [bytearray(MIB // 2), bytearray(MIB // 2)]

        def reusing() -> Iterator[memoryview]:
            for turn, at in enumerate(range(0, len(content), MIB // 2)):
                buffer = buffers[turn % 2]
                buffer[:] = content[at : at + MIB // 2]
                yield memoryview(buffer)

        assert store.put("reused", reusing()).sha256 == hashlib.sha256(content).digest()
        assert b"".join(store.read("reused")) == content

    @pytest.mark.parametrize(
        ("start", "length"), [(0, 0), (0, 1), (1, 10), (MIB - 1, 2), (5, None), (2 * MIB, 0)]
    )
    def test_reads_ranges(self, store: ObjectStore, start: int, length: int | None) -> None:
        content = os.urandom(2 * MIB)
        store.put("ranged", [content])
        end = None if length is None else start + length
        assert b"".join(store.read("ranged", start, length)) == content[start:end]

    @pytest.mark.parametrize(("start", "length"), [(-1, 2), (0, 11), (11, None), (11, 0), (3, -1)])
    def test_refuses_a_range_outside(self, store: ObjectStore, start: int, length: int | None) -> None:
        store.put("ten", [b"0123456789"])
        with pytest.raises(RangeInvalid):
            list(store.read("ten", start, length))

    def test_never_overwrites(self, store: ObjectStore) -> None:
        store.put("once", [b"first"])
        with pytest.raises(ObjectExists) as caught:
            store.put("once", [b"second"])
        assert caught.value.key == "once"
        assert b"".join(store.read("once")) == b"first"

    def test_lets_one_of_many_puts_win(self, store: ObjectStore) -> None:
        def attempt(number: int) -> int | None:
            try:
                store.put("raced", [bytes([number]) * 70_000] * 5)
            except ObjectExists:
                return None
            return number

        with ThreadPoolExecutor(8) as pool:
            winners = [number for number in pool.map(attempt, range(8)) if number is not None]
        assert len(winners) == 1
        assert b"".join(store.read("raced")) == bytes(winners) * 350_000

    def test_lets_a_put_win_that_ends_first(self, store: ObjectStore) -> None:
        def source() -> Iterator[bytes]:
            store.put("raced", [b"the other"])
            yield b"mine"

        with pytest.raises(ObjectExists):
            store.put("raced", source())
        assert b"".join(store.read("raced")) == b"the other"
        assert list(store.list()) == ["raced"]

    @pytest.mark.parametrize("size", [1, 12 * MIB])
    def test_keeps_nothing_when_the_source_fails(self, store: ObjectStore, size: int) -> None:
        with pytest.raises(SourceFailedError):
            store.put("partial", failing_source(size))
        assert list(store.list()) == []
        with pytest.raises(ObjectMissing):
            store.stat("partial")
        assert store.sweep() == 0
        store.put("partial", [b"whole"])
        assert b"".join(store.read("partial")) == b"whole"

    def test_names_what_is_missing(self, store: ObjectStore) -> None:
        with pytest.raises(ObjectMissing) as caught:
            store.stat("absent")
        assert caught.value.key == "absent"
        with pytest.raises(ObjectMissing):
            list(store.read("absent"))
        with pytest.raises(ObjectMissing):
            list(store.read("absent", 3, 4))

    def test_deletes_and_forgives_a_second_delete(self, store: ObjectStore) -> None:
        store.put("gone", [b"x"])
        store.delete("gone")
        store.delete("gone")
        assert list(store.list()) == []
        store.put("gone", [b"again"])

    def test_lists_by_prefix(self, store: ObjectStore) -> None:
        for key in ("a/1", "a/2", "ab", "b/1"):
            store.put(key, [b"x"])
        assert sorted(store.list()) == ["a/1", "a/2", "ab", "b/1"]
        assert sorted(store.list("a/")) == ["a/1", "a/2"]
        assert sorted(store.list("a")) == ["a/1", "a/2", "ab"]
        assert list(store.list("c")) == []

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_refuses_unsafe_keys(self, store: ObjectStore, key: str) -> None:
        for use in (
            lambda: store.put(key, [b"x"]),
            lambda: list(store.read(key)),
            lambda: store.stat(key),
            lambda: store.delete(key),
        ):
            with pytest.raises(InvalidName):
                use()

    def test_takes_the_longest_key(self, store: ObjectStore) -> None:
        key = "a/" * 99 + "bc"
        store.put(key, [b"x"])
        assert list(store.list()) == [key]
