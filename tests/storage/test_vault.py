from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import stream
from storage.backends import open_objects
from storage.envelope import ObjectContext
from storage.errors import (
    KeyUnavailable,
    ObjectDamaged,
    RangeInvalid,
    StoreUnavailable,
    TooLarge,
    WrongContext,
)
from storage.keys import open_keys
from storage.secret import DataKey
from storage.vault import StoredObject, Vault
from tests.storage.faulty_objects import FaultyObjects

MIB = 1024 * 1024
CONTEXT = ObjectContext("org_a", "rev_1", 1, "print-file")
NEXT_VERSION = dataclasses.replace(CONTEXT, version=2)
OTHER_TENANT = dataclasses.replace(CONTEXT, tenant="org_b")
CONTENT = os.urandom(3 * MIB + 17)


@pytest.fixture
def objects() -> FaultyObjects:
    return FaultyObjects()


@pytest.fixture
def vault(objects: FaultyObjects, tmp_path: Path) -> Vault:
    return Vault(objects, open_keys(f"file:{tmp_path / 'ring.json'}"))


def put(vault: Vault, content: bytes = CONTENT, context: ObjectContext = CONTEXT) -> StoredObject:
    return vault.put(context, [content], len(content))


def opened(vault: Vault, stored: StoredObject, context: ObjectContext = CONTEXT) -> bytes:
    return b"".join(vault.open(stored, context))


class TestPut:
    @pytest.mark.parametrize("size", [0, 1, 16_384, MIB, 3 * MIB + 17])
    @pytest.mark.parametrize("piece_bytes", [65_536, MIB])
    def test_records_what_it_stored(self, vault: Vault, size: int, piece_bytes: int) -> None:
        content = os.urandom(size)
        pieces = (content[at : at + piece_bytes] for at in range(0, size, piece_bytes))
        stored = vault.put(CONTEXT, pieces, size)
        ciphertext = b"".join(vault.ciphertext(stored))
        assert stored.plaintext_bytes == size
        assert stored.plaintext_sha256 == hashlib.sha256(content).digest()
        assert stored.ciphertext_bytes == len(ciphertext) == stream.ciphertext_length(size)
        assert stored.ciphertext_sha256 == hashlib.sha256(ciphertext).digest()
        assert opened(vault, stored) == content
        vault.check(stored)

    def test_keeps_up_with_a_source_that_reuses_its_buffer(self, vault: Vault) -> None:
        buffer = bytearray(MIB)

        def source() -> Iterator[memoryview]:
            for at in range(0, 3 * MIB, MIB):
                buffer[:] = CONTENT[at : at + MIB]
                yield memoryview(buffer)

        stored = vault.put(CONTEXT, source(), 3 * MIB)
        assert stored.plaintext_sha256 == hashlib.sha256(CONTENT[: 3 * MIB]).digest()
        assert opened(vault, stored) == CONTENT[: 3 * MIB]

    def test_names_objects_at_random(self, vault: Vault) -> None:
        keys = {put(vault, b"same").object_key for _ in range(20)}
        assert len(keys) == 20
        assert all(len(key) == 32 for key in keys)

    def test_uses_a_fresh_data_key_each_time(self, vault: Vault) -> None:
        one, other = put(vault), put(vault)
        assert vault.data_key(one, CONTEXT) != vault.data_key(other, CONTEXT)

    def test_refuses_a_byte_too_many(self, vault: Vault, objects: FaultyObjects) -> None:
        with pytest.raises(TooLarge) as caught:
            vault.put(CONTEXT, [bytes(100), b"x"], 100)
        assert caught.value.bytes_max == 100
        assert list(objects.list()) == []
        vault.put(CONTEXT, [bytes(100)], 100)

    def test_stops_reading_once_the_limit_is_passed(self, vault: Vault) -> None:
        asked = 0

        def endless() -> Iterator[bytes]:
            nonlocal asked
            while True:
                asked += 1
                yield bytes(1000)

        with pytest.raises(TooLarge):
            vault.put(CONTEXT, endless(), 5000)
        assert asked == 6

    @pytest.mark.parametrize("good_bytes", [0, 10, 2 * MIB])
    def test_keeps_nothing_when_the_source_fails(self, tmp_path: Path, good_bytes: int) -> None:
        vault = Vault(
            open_objects(f"local:{tmp_path / 'objects'}"),
            open_keys(f"file:{tmp_path / 'keys' / 'ring.json'}"),
        )

        def source() -> Iterator[bytes]:
            yield bytes(good_bytes)
            raise ConnectionResetError("the client went away")

        with pytest.raises(ConnectionResetError, match="went away"):
            vault.put(CONTEXT, source(), 10 * MIB)
        assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []

    @pytest.mark.parametrize("fault", ["put", "put after"])
    def test_leaves_nothing_after_a_failed_write(
        self, vault: Vault, objects: FaultyObjects, fault: str
    ) -> None:
        objects.faults = [fault]
        with pytest.raises(StoreUnavailable, match=fault):
            put(vault)
        assert list(objects.list()) == []
        assert opened(vault, put(vault)) == CONTENT

    def test_reports_the_first_failure_when_cleaning_up_fails_too(
        self, vault: Vault, objects: FaultyObjects
    ) -> None:
        objects.faults = ["put after", "delete"]
        with pytest.raises(StoreUnavailable, match="put after"):
            put(vault)

    def test_writes_no_plaintext(self, vault: Vault, objects: FaultyObjects) -> None:
        canary = b"a canary that must never be seen in the store" * 50
        stored = put(vault, canary)
        ciphertext = b"".join(objects.read(stored.object_key))
        assert canary[:16] not in ciphertext
        assert vault.data_key(stored, CONTEXT).reveal() not in ciphertext


class TestPutCiphertext:
    """What an owner encrypted: stored as it arrives, without a key."""

    def sealed(self, content: bytes, key: DataKey) -> bytes:
        return b"".join(bytes(piece) for piece in stream.encrypt([content], key, CONTEXT))

    @pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, MIB + 3])
    def test_records_what_arrived(self, vault: Vault, key: DataKey, size: int) -> None:
        content = os.urandom(size)
        ciphertext = self.sealed(content, key)
        pieces = (ciphertext[at : at + 50_000] for at in range(0, len(ciphertext), 50_000))
        stored = vault.put_ciphertext(pieces, len(ciphertext))
        assert (stored.wrapped, stored.plaintext_sha256, stored.plaintext_bytes) == (None, b"", size)
        assert stored.ciphertext_bytes == len(ciphertext)
        assert stored.ciphertext_sha256 == hashlib.sha256(ciphertext).digest()
        assert b"".join(vault.ciphertext(stored)) == ciphertext
        assert StoredObject.from_json(stored.to_json()) == stored
        vault.check(stored)

    def test_leaves_its_key_to_others(self, vault: Vault, key: DataKey) -> None:
        stored = vault.put_ciphertext([self.sealed(b"part", key)], MIB)
        assert b"".join(stream.decrypt(vault.ciphertext(stored), key, CONTEXT)) == b"part"
        with pytest.raises(KeyUnavailable, match="its owner keeps it"):
            opened(vault, stored)

    @pytest.mark.parametrize("size", [0, 1, 56, 71, 56 + 16_400 + 15])
    def test_keeps_nothing_that_no_message_has_the_length_of(
        self, vault: Vault, objects: FaultyObjects, size: int
    ) -> None:
        with pytest.raises(ObjectDamaged, match=f"ciphertext of {size} bytes"):
            vault.put_ciphertext([bytes(size)], MIB)
        assert list(objects.list()) == []

    def test_keeps_nothing_that_is_too_long(self, vault: Vault, objects: FaultyObjects) -> None:
        vault.put_ciphertext([bytes(100)], 100)
        with pytest.raises(TooLarge):
            vault.put_ciphertext(iter([bytes(100), b"x"]), 100)
        assert len(list(objects.list())) == 1

    def test_keeps_nothing_of_a_put_that_was_reported_failed(
        self, vault: Vault, objects: FaultyObjects
    ) -> None:
        objects.faults = ["put after"]
        with pytest.raises(StoreUnavailable):
            vault.put_ciphertext([bytes(100)], 100)
        assert list(objects.list()) == []


class TestOpenRange:
    @pytest.mark.parametrize(
        ("start", "length"), [(0, 0), (0, 100), (16_000, 20_000), (3 * MIB, 17), (0, len(CONTENT))]
    )
    def test_equals_the_slice(self, vault: Vault, start: int, length: int) -> None:
        stored = put(vault)
        assert b"".join(vault.open_range(stored, CONTEXT, start, length)) == CONTENT[start : start + length]

    def test_fetches_little_more_than_it_yields(self, vault: Vault, objects: FaultyObjects) -> None:
        stored = put(vault)
        list(vault.open_range(stored, CONTEXT, 1_234_567, MIB))
        assert objects.read_bytes <= 1.1 * MIB

    def test_refuses_a_range_outside(self, vault: Vault) -> None:
        stored = put(vault)
        with pytest.raises(RangeInvalid):
            list(vault.open_range(stored, CONTEXT, len(CONTENT), 1))


class TestCheckKey:
    def test_reads_the_header_and_no_chunk(self, vault: Vault, objects: FaultyObjects) -> None:
        vault.check_key(put(vault), CONTEXT)
        assert objects.read_bytes == 56

    def test_refuses_another_objects_header(self, vault: Vault, objects: FaultyObjects) -> None:
        one, other = put(vault), put(vault)
        objects.swap(one.object_key, other.object_key)
        with pytest.raises(ObjectDamaged) as caught:
            vault.check_key(one, CONTEXT)
        assert caught.value.reason == "substituted"

    def test_refuses_another_objects_key(self, vault: Vault) -> None:
        with pytest.raises(WrongContext):
            vault.check_key(put(vault), OTHER_TENANT)


class TestDatabaseWriter:
    """Attack 17 on the vault's rows: whoever writes the database moves wrapped keys between them."""

    @pytest.mark.parametrize(
        "context", [NEXT_VERSION, OTHER_TENANT, dataclasses.replace(CONTEXT, object_id="rev_2")]
    )
    def test_swaps_wrapped_keys_between_rows(self, vault: Vault, context: ObjectContext) -> None:
        one, other = put(vault), put(vault, context=context)
        swapped = dataclasses.replace(one, wrapped=other.wrapped)
        with pytest.raises(WrongContext, match="another object"):
            opened(vault, swapped)
        with pytest.raises(WrongContext):
            vault.data_key(swapped, CONTEXT)

    def test_points_a_row_at_another_object(self, vault: Vault) -> None:
        ours, theirs = put(vault), put(vault, context=OTHER_TENANT)
        with pytest.raises(ObjectDamaged) as caught:
            opened(vault, dataclasses.replace(ours, object_key=theirs.object_key))
        assert caught.value.reason == "substituted"

    def test_moves_a_whole_row_to_another_tenant(self, vault: Vault) -> None:
        stored = put(vault)
        with pytest.raises(WrongContext):
            opened(vault, stored, OTHER_TENANT)

    def test_changes_the_recorded_digest(self, vault: Vault) -> None:
        stored = dataclasses.replace(put(vault), ciphertext_sha256=bytes(32))
        with pytest.raises(ObjectDamaged) as caught:
            vault.check(stored)
        assert caught.value.reason == "altered"


class TestDiscard:
    def test_removes_the_ciphertext(self, vault: Vault, objects: FaultyObjects) -> None:
        stored = put(vault)
        vault.discard(stored)
        assert list(objects.list()) == []
        vault.discard(stored)


class TestRotation:
    def test_rewraps_keys_and_touches_no_object(self, vault: Vault, objects: FaultyObjects) -> None:
        stored = put(vault)
        assert stored.wrapped is not None
        before = stored.wrapped.version
        vault.keys.rotate()
        rewrapped = dataclasses.replace(stored, wrapped=vault.keys.rewrap(stored.wrapped, CONTEXT))
        vault.keys.destroy(before)
        assert objects.read_bytes == 0
        assert opened(vault, rewrapped) == CONTENT


class TestStoredObject:
    def test_survives_json(self, vault: Vault) -> None:
        stored = put(vault)
        assert StoredObject.from_json(stored.to_json(), stored.wrapped) == stored
        assert "wrapped" not in stored.to_json()

    def test_without_its_key_is_checked_but_not_opened(self, vault: Vault) -> None:
        record = StoredObject.from_json(put(vault).to_json())
        vault.check(record)
        with pytest.raises(KeyUnavailable, match="holds no data key"):
            opened(vault, record)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("plaintext_sha256", "zz"),
            ("plaintext_bytes", "many"),
            ("ciphertext_sha256", "0"),
            ("ciphertext_bytes", None),
        ],
    )
    def test_refuses_a_malformed_record(self, vault: Vault, field: str, value: object) -> None:
        with pytest.raises(ObjectDamaged, match="malformed"):
            StoredObject.from_json(put(vault).to_json() | {field: value})

    def test_refuses_a_missing_field(self) -> None:
        with pytest.raises(ObjectDamaged, match="malformed"):
            StoredObject.from_json({})
