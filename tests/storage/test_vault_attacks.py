"""What a writer of the bucket can do: each attack is refused by every way in, with its named reason.

Reasons are given for `open`, for `open_range` over the bytes attacked, and for `check`, which holds no key
and so sees a foreign object of the right length as `altered`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage import stream
from storage.envelope import ObjectContext
from storage.errors import ObjectDamaged
from storage.keys import open_keys
from storage.stream import CHUNK_BYTES, COMMITMENT_BYTES, HEADER_BYTES, SALT_BYTES, SEALED_BYTES, TAG_BYTES
from storage.vault import StoredObject, Vault
from tests.storage.faulty_objects import FaultyObjects
from tests.storage.stream_vectors import ciphertext_of, context_of, key_of, plaintext_of

CONTEXT = ObjectContext("org_a", "rev_1", 1, "print-file")
NEXT_VERSION = dataclasses.replace(CONTEXT, version=2)
FOREIGN = {
    "another tenant's": dataclasses.replace(CONTEXT, tenant="org_b"),
    "another object's": dataclasses.replace(CONTEXT, object_id="rev_2"),
    "another version's": NEXT_VERSION,
    "another kind's": dataclasses.replace(CONTEXT, kind="thumbnail"),
    "the same, under another key": CONTEXT,
}
CHUNKS = 5
CONTENT = os.urandom(CHUNKS * CHUNK_BYTES + 100)
CIPHERTEXT_BYTES = stream.ciphertext_length(len(CONTENT))
BORDERS = [HEADER_BYTES + number * SEALED_BYTES for number in range(CHUNKS + 1)]
SUBSTITUTED = ("substituted", "substituted", "altered")
TRUNCATED = ("truncated",) * 3
EXTENDED = ("extended",) * 3
ALTERED = ("altered",) * 3


@pytest.fixture
def objects() -> FaultyObjects:
    return FaultyObjects()


@pytest.fixture
def vault(objects: FaultyObjects, tmp_path: Path) -> Vault:
    return Vault(objects, open_keys(f"file:{tmp_path / 'ring.json'}"))


@pytest.fixture
def stored(vault: Vault) -> StoredObject:
    return put(vault)


def put(vault: Vault, context: ObjectContext = CONTEXT, content: bytes = CONTENT) -> StoredObject:
    return vault.put(context, [content], len(content))


def reason(act: Callable[[], object]) -> str:
    with pytest.raises(ObjectDamaged) as caught:
        act()
    return caught.value.reason


def reasons(
    vault: Vault, stored: StoredObject, context: ObjectContext = CONTEXT, at: int = 0
) -> tuple[str, str, str]:
    """Why `open`, `open_range` over the plaintext byte `at`, and `check` refuse."""
    return (
        reason(lambda: list(vault.open(stored, context))),
        reason(lambda: list(vault.open_range(stored, context, at, 1))),
        reason(lambda: vault.check(stored)),
    )


class TestSwap:
    @pytest.mark.parametrize("theirs", FOREIGN.values(), ids=FOREIGN.keys())
    def test_both_are_refused(self, vault: Vault, objects: FaultyObjects, theirs: ObjectContext) -> None:
        one, other = put(vault), put(vault, theirs)
        objects.swap(one.object_key, other.object_key)
        assert reasons(vault, one) == SUBSTITUTED
        assert reasons(vault, other, theirs) == SUBSTITUTED
        objects.swap(one.object_key, other.object_key)
        assert b"".join(vault.open(one, CONTEXT)) == b"".join(vault.open(other, theirs)) == CONTENT

    def test_of_other_lengths_is_refused_before_anything_is_read(
        self, vault: Vault, objects: FaultyObjects
    ) -> None:
        short, long = put(vault, content=CONTENT[:-1]), put(vault)
        objects.swap(short.object_key, long.object_key)
        assert reasons(vault, short) == EXTENDED
        assert reasons(vault, long) == TRUNCATED
        assert objects.read_bytes == 0


class TestRollback:
    def test_an_older_version_in_a_newer_ones_place(self, vault: Vault, objects: FaultyObjects) -> None:
        old, new = put(vault), put(vault, NEXT_VERSION)
        objects.write(new.object_key, b"".join(objects.read(old.object_key)))
        assert reasons(vault, new, NEXT_VERSION) == SUBSTITUTED

    def test_an_earlier_upload_of_the_same_version(self, vault: Vault, objects: FaultyObjects) -> None:
        """A discarded upload was of the same context; only its key tells it from the one that counts."""
        earlier = put(vault)
        kept = b"".join(objects.read(earlier.object_key))
        vault.discard(earlier)
        stored = put(vault)
        objects.write(stored.object_key, kept)
        assert reasons(vault, stored) == SUBSTITUTED


class TestCut:
    @pytest.mark.parametrize("kept", [0, SALT_BYTES, *BORDERS, *(border + TAG_BYTES for border in BORDERS)])
    def test_at_every_border(
        self, vault: Vault, objects: FaultyObjects, stored: StoredObject, kept: int
    ) -> None:
        content = b"".join(objects.read(stored.object_key))
        objects.write(stored.object_key, content[:kept])
        assert reasons(vault, stored) == TRUNCATED

    @pytest.mark.parametrize("border", BORDERS)
    def test_is_seen_by_the_stream_too_when_the_record_has_the_length(
        self, vault: Vault, objects: FaultyObjects, stored: StoredObject, border: int
    ) -> None:
        """The second net: even a record that agrees with the cut object opens nothing cut at a border."""
        objects.write(stored.object_key, b"".join(objects.read(stored.object_key))[:border])
        agreeing = dataclasses.replace(stored, ciphertext_bytes=border)
        assert reasons(vault, agreeing) == ("truncated", "truncated", "altered")


class TestExtension:
    @pytest.mark.parametrize("more", [b"\0", bytes(TAG_BYTES), bytes(SEALED_BYTES)])
    def test_is_refused(
        self, vault: Vault, objects: FaultyObjects, stored: StoredObject, more: bytes
    ) -> None:
        objects.write(stored.object_key, b"".join(objects.read(stored.object_key)) + more)
        assert reasons(vault, stored) == EXTENDED

    def test_by_itself_is_refused(self, vault: Vault, objects: FaultyObjects, stored: StoredObject) -> None:
        objects.write(stored.object_key, b"".join(objects.read(stored.object_key)) * 2)
        assert reasons(vault, stored) == EXTENDED


class TestFlip:
    @pytest.mark.parametrize(
        "at",
        [0, SALT_BYTES - 1, SALT_BYTES, SALT_BYTES + COMMITMENT_BYTES - 1],
        ids=["salt first", "salt last", "commitment first", "commitment last"],
    )
    def test_in_the_header(self, vault: Vault, objects: FaultyObjects, stored: StoredObject, at: int) -> None:
        flip(objects, stored, at)
        assert reasons(vault, stored) == SUBSTITUTED

    @pytest.mark.parametrize("chunk", range(CHUNKS + 1))
    @pytest.mark.parametrize("part", ["first", "last", "tag first", "tag last"])
    def test_in_a_chunk(
        self, vault: Vault, objects: FaultyObjects, stored: StoredObject, chunk: int, part: str
    ) -> None:
        end = min(BORDERS[chunk] + SEALED_BYTES, CIPHERTEXT_BYTES)
        places = {
            "first": BORDERS[chunk],
            "last": end - TAG_BYTES - 1,
            "tag first": end - TAG_BYTES,
            "tag last": end - 1,
        }
        flip(objects, stored, places[part])
        assert reasons(vault, stored, at=chunk * CHUNK_BYTES) == ALTERED
        for other in set(range(CHUNKS + 1)) - {chunk}:
            first = other * CHUNK_BYTES
            found = b"".join(vault.open_range(stored, CONTEXT, first, 100))
            assert found == CONTENT[first : first + 100], "a range elsewhere is as it was"


class TestChunks:
    def test_change_places(self, vault: Vault, objects: FaultyObjects, stored: StoredObject) -> None:
        content = b"".join(objects.read(stored.object_key))
        chunks = [content[at : at + SEALED_BYTES] for at in BORDERS]
        moved = content[:HEADER_BYTES] + b"".join([chunks[1], chunks[0], *chunks[2:]])
        objects.write(stored.object_key, moved)
        assert reasons(vault, stored) == ALTERED

    def test_are_repeated_in_anothers_place(
        self, vault: Vault, objects: FaultyObjects, stored: StoredObject
    ) -> None:
        content = bytearray(b"".join(objects.read(stored.object_key)))
        content[BORDERS[2] : BORDERS[3]] = content[BORDERS[1] : BORDERS[2]]
        objects.write(stored.object_key, bytes(content))
        assert reasons(vault, stored, at=2 * CHUNK_BYTES) == ALTERED

    def test_come_from_another_object_below_our_header(
        self, vault: Vault, objects: FaultyObjects, stored: StoredObject
    ) -> None:
        other = b"".join(objects.read(put(vault).object_key))
        ours = b"".join(objects.read(stored.object_key))
        objects.write(stored.object_key, ours[:HEADER_BYTES] + other[HEADER_BYTES:])
        assert reasons(vault, stored) == ALTERED


class TestTwoKeys:
    def test_one_ciphertext_opens_under_the_key_it_commits_to_alone(
        self, vault: Vault, objects: FaultyObjects
    ) -> None:
        """AES-GCM alone would open it under both, as two different meshes."""
        ciphertext = ciphertext_of("two_keys_first")
        assert ciphertext == ciphertext_of("two_keys_second")
        objects.write("crafted", ciphertext)
        context = context_of("two_keys_first")
        first, second = (
            StoredObject(
                object_key="crafted",
                wrapped=vault.keys.wrap(key_of(name), context),
                plaintext_sha256=bytes(32),
                plaintext_bytes=stream.plaintext_length(len(ciphertext)),
                ciphertext_sha256=hashlib.sha256(ciphertext).digest(),
                ciphertext_bytes=len(ciphertext),
            )
            for name in ("two_keys_first", "two_keys_second")
        )
        assert b"".join(vault.open(first, context)) == plaintext_of("two_keys_first")
        assert reason(lambda: list(vault.open(second, context))) == "substituted"
        assert reason(lambda: list(vault.open_range(second, context, 0, 1))) == "substituted"


class TestDeletion:
    def test_is_named(self, vault: Vault, objects: FaultyObjects, stored: StoredObject) -> None:
        objects.delete(stored.object_key)
        assert reasons(vault, stored) == ("missing",) * 3

    def test_is_named_when_it_comes_after_the_first_look(self, vault: Vault, objects: FaultyObjects) -> None:
        def vanishing() -> StoredObject:
            objects.faults = []
            stored = put(vault)
            objects.faults = ["vanish"]
            return stored

        assert reason(lambda: list(vault.open(vanishing(), CONTEXT))) == "missing"
        assert reason(lambda: list(vault.open_range(vanishing(), CONTEXT, 0, 1))) == "missing"
        assert reason(lambda: vault.check(vanishing())) == "missing"


def flip(objects: FaultyObjects, stored: StoredObject, at: int) -> None:
    content = bytearray(b"".join(objects.read(stored.object_key)))
    content[at] ^= 0x80
    objects.write(stored.object_key, bytes(content))
