"""Fault tables: every write of a put fails twice, once not done and once done but reported as failed.

The rows of a table are the writes of a run without a fault, counted, so that none is forgotten.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.backends.local import LocalObjects
from storage.backends.s3 import ABANDONED_AFTER, PART_BYTES, S3Objects
from storage.envelope import ObjectContext
from storage.errors import StoreUnavailable
from storage.keys.file import FileKeys
from storage.vault import StoredObject, Vault
from tests.storage.backends.seaweedfs import Bucket, LostRequests
from tests.storage.faulty_disk import FaultyDisk

CONTEXT = ObjectContext("org_a", "rev_1", 1, "print-file")
CONTENT = os.urandom(1_000_000)
BIG_CONTENT = os.urandom(PART_BYTES + 700_000)
DONE = pytest.mark.parametrize("done", [False, True], ids=["not done", "done but reported failed"])


class CutOffError(Exception):
    """What an upload that breaks off raises."""


@dataclass(frozen=True)
class Upload:
    """A source, and whether it ends or breaks off."""

    content: bytes
    whole: bool

    def pieces(self) -> Iterator[bytes]:
        for at in range(0, len(self.content), 300_000):
            yield self.content[at : at + 300_000]
        if not self.whole:
            raise CutOffError

    def put(self, vault: Vault) -> StoredObject | None:
        """Return the record, or None where the put said that it failed; any other error is a finding."""
        try:
            return vault.put(CONTEXT, self.pieces(), len(self.content))
        except StoreUnavailable:
            return None
        except CutOffError:
            assert not self.whole
            return None


def opened(vault: Vault, stored: StoredObject) -> bytes:
    return b"".join(vault.open(stored, CONTEXT))


def check_outcome(vault: Vault, upload: Upload, stored: StoredObject | None) -> None:
    """Whole and readable where the put returned, not visible where it raised; the retry succeeds."""
    names = list(vault.objects.list())
    assert names == ([stored.object_key] if stored else [])
    if stored:
        assert opened(vault, stored) == upload.content
    again = Upload(upload.content, whole=True).put(vault)
    assert again is not None
    assert opened(vault, again) == upload.content
    vault.check(again)


@pytest.fixture
def keys(tmp_path: Path) -> FileKeys:
    return FileKeys(tmp_path / "keys" / "ring.json")


class TestLocal:
    """`LocalObjects` through the seam for every call by which it changes the disk."""

    def attempt(self, root: Path, keys: FileKeys, upload: Upload, disk: FaultyDisk) -> StoredObject | None:
        try:
            objects = LocalObjects(root, disk)
        except StoreUnavailable:
            return None
        return upload.put(Vault(objects, keys))

    @DONE
    @pytest.mark.parametrize("whole", [True, False], ids=["whole", "cut off"])
    def test_put_is_all_or_nothing(self, tmp_path: Path, keys: FileKeys, whole: bool, done: bool) -> None:
        upload, healthy = Upload(CONTENT, whole), FaultyDisk()
        self.attempt(tmp_path / "count", keys, upload, healthy)
        assert {"make_directory", "create", "write", "sync", "unlink"} <= set(healthy.calls)
        assert whole == ({"date", "link"} <= set(healthy.calls))
        assert healthy.calls.count("write") >= 2
        for number, call in enumerate(healthy.calls, start=1):
            root, disk = tmp_path / f"{number}-{call}", FaultyDisk(number, done=done)
            stored = self.attempt(root, keys, upload, disk)
            assert disk.calls[number - 1] == call
            after_restart = Vault(LocalObjects(root), keys)
            after_restart.objects.sweep()
            assert list((root / "parts").iterdir()) == [], call
            check_outcome(after_restart, upload, stored)

    @DONE
    def test_put_keeps_its_promise_without_the_vaults_help(self, tmp_path: Path, done: bool) -> None:
        """The store alone removes what it made visible; the vault's own clean-up is a second net."""
        healthy = FaultyDisk()
        LocalObjects(tmp_path / "count", healthy).put("one", [CONTENT])
        for number, call in enumerate(healthy.calls, start=1):
            root, returned = tmp_path / f"{number}-{call}", True
            try:
                LocalObjects(root, FaultyDisk(number, done=done)).put("one", [CONTENT])
            except StoreUnavailable:
                returned = False
            objects = LocalObjects(root)
            assert list(objects.list()) == (["one"] if returned else []), call
            if not returned:
                objects.put("one", [CONTENT])
            assert b"".join(objects.read("one")) == CONTENT

    @DONE
    def test_put_heals_a_lost_answer(self, tmp_path: Path, done: bool) -> None:
        """Where the object got its name although the link was reported to fail, it is stored."""
        healthy = FaultyDisk()
        LocalObjects(tmp_path / "count", healthy).put("one", [CONTENT])
        disk = FaultyDisk(healthy.calls.index("link") + 1, done=done)
        objects = LocalObjects(tmp_path / "vault", disk)
        if not done:
            with pytest.raises(StoreUnavailable, match="Input/output error"):
                objects.put("one", [CONTENT])
            return
        objects.put("one", [CONTENT])
        assert b"".join(objects.read("one")) == CONTENT

    @DONE
    def test_delete_succeeds_at_the_second_try(self, tmp_path: Path, done: bool) -> None:
        healthy, root = FaultyDisk(), tmp_path / "vault"
        LocalObjects(root).put("one", [CONTENT])
        LocalObjects(root, healthy).delete("one")
        assert healthy.calls == ["unlink", "sync"]
        for number in range(1, len(healthy.calls) + 1):
            LocalObjects(root).put("one", [CONTENT])
            objects = LocalObjects(root, FaultyDisk(number, done=done))
            with pytest.raises(StoreUnavailable, match="delete object 'one'"):
                objects.delete("one")
            objects.delete("one")
            assert list(objects.list()) == []

    @DONE
    def test_sweep_succeeds_at_the_second_try(self, tmp_path: Path, done: bool) -> None:
        LocalObjects(tmp_path)
        objects = LocalObjects(tmp_path, FaultyDisk(1, done=done))
        (tmp_path / "parts" / "left.part").write_bytes(b"cut off")
        with pytest.raises(StoreUnavailable, match="sweep"):
            objects.sweep()
        objects.sweep()
        assert list((tmp_path / "parts").iterdir()) == []


class TestS3:
    """`S3Objects` against a real server whose answers, or whose requests, are lost."""

    def vault(self, bucket: Bucket, prefix: str, keys: FileKeys, lost: LostRequests, attempts: int) -> Vault:
        client = bucket.client(max_attempts=attempts)
        lost.watch(client)
        return Vault(S3Objects(client, bucket.name, prefix), keys)

    @DONE
    @pytest.mark.parametrize("attempts", [1, 3], ids=["without retries", "with retries"])
    @pytest.mark.parametrize(
        ("upload", "requests"),
        [
            (Upload(CONTENT, whole=True), "PutObject"),
            (Upload(CONTENT, whole=False), "DeleteObject"),
            (
                Upload(BIG_CONTENT, whole=True),
                "CreateMultipartUpload UploadPart UploadPart CompleteMultipartUpload",
            ),
            (
                Upload(BIG_CONTENT, whole=False),
                "CreateMultipartUpload UploadPart AbortMultipartUpload DeleteObject",
            ),
        ],
        ids=["small", "small cut off", "parts", "parts cut off"],
    )
    def test_put_is_all_or_nothing(
        self,
        bucket: Bucket,
        prefix: str,
        keys: FileKeys,
        upload: Upload,
        requests: str,
        attempts: int,
        done: bool,
    ) -> None:
        healthy = LostRequests()
        upload.put(self.vault(bucket, f"{prefix}count/", keys, healthy, attempts))
        assert healthy.seen == requests.split()
        for number, request in enumerate(healthy.seen, start=1):
            below = f"{prefix}{number}-{request}/"
            lost = LostRequests({number}, done=done)
            stored = upload.put(self.vault(bucket, below, keys, lost, attempts))
            assert lost.seen[number - 1] == request
            assert stored is not None or not upload.whole or attempts == 1, "a retry heals a whole upload"
            check_swept(bucket, below)
            check_outcome(Vault(S3Objects(bucket.client(), bucket.name, below), keys), upload, stored)

    @pytest.mark.parametrize("content", [CONTENT, BIG_CONTENT], ids=["one request", "parts"])
    def test_put_takes_a_stored_object_for_success(
        self, bucket: Bucket, prefix: str, keys: FileKeys, content: bytes
    ) -> None:
        """The request that makes the object visible is done, its answer lost, and nobody asks again."""
        upload, healthy = Upload(content, whole=True), LostRequests()
        upload.put(self.vault(bucket, f"{prefix}count/", keys, healthy, 1))
        lost = LostRequests({len(healthy.seen)}, done=True)
        vault = self.vault(bucket, f"{prefix}lost/", keys, lost, 1)
        stored = upload.put(vault)
        assert stored is not None
        assert opened(vault, stored) == content

    @DONE
    def test_delete_succeeds_at_the_second_try(self, bucket: Bucket, prefix: str, done: bool) -> None:
        S3Objects(bucket.client(), bucket.name, prefix).put("one", [b"x"])
        client = bucket.client(max_attempts=1)
        LostRequests({1}, done=done).watch(client)
        objects = S3Objects(client, bucket.name, prefix)
        with pytest.raises(StoreUnavailable, match="delete object 'one'"):
            objects.delete("one")
        objects.delete("one")
        assert list(objects.list()) == []

    @DONE
    def test_sweep_succeeds_at_the_second_try(self, bucket: Bucket, prefix: str, done: bool) -> None:
        client = bucket.client(max_attempts=1)
        client.create_multipart_upload(Bucket=bucket.name, Key=f"{prefix}left")
        LostRequests({2}, done=done).watch(client)
        objects = S3Objects(client, bucket.name, prefix, lambda: datetime.now(UTC) + 2 * ABANDONED_AFTER)
        with pytest.raises(StoreUnavailable, match="abort the upload"):
            objects.sweep()
        objects.sweep()
        assert bucket.uploads(prefix) == []


def check_swept(bucket: Bucket, prefix: str) -> None:
    """A sweep of today removes nothing, one after the age of abandoned uploads leaves none."""
    client = bucket.client()
    left = bucket.uploads(prefix)
    assert len(left) <= 1
    assert S3Objects(client, bucket.name, prefix).sweep() == 0
    later = datetime.now(UTC) + ABANDONED_AFTER + timedelta(minutes=1)
    assert S3Objects(client, bucket.name, prefix, lambda: later).sweep() == len(left)
    assert bucket.uploads(prefix) == []
