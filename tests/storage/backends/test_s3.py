from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.backends import open_objects
from storage.backends.base import ObjectStore
from storage.backends.s3 import ABANDONED_AFTER, LIFECYCLE_RULE, PART_BYTES, S3Objects, _part_bytes
from storage.errors import ObjectExists, ObjectMissing, StoreUnavailable, UriInvalid
from tests.conformance.object_store import MIB, ObjectStoreContract
from tests.storage.backends import seaweedfs

BIG = PART_BYTES + 12_345


@pytest.fixture
def store(bucket: seaweedfs.Bucket, prefix: str) -> S3Objects:
    return S3Objects(bucket.client(), bucket.name, prefix)


class TestS3Objects(ObjectStoreContract):
    @pytest.fixture
    def store(self, bucket: seaweedfs.Bucket, prefix: str) -> ObjectStore:
        return S3Objects(bucket.client(), bucket.name, prefix)

    @pytest.mark.parametrize("size", [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, BIG])
    def test_cuts_into_parts(self, store: ObjectStore, size: int) -> None:
        content = os.urandom(size)
        pieces = (content[at : at + 700_001] for at in range(0, size, 700_001))
        assert store.put("big", pieces).sha256 == hashlib.sha256(content).digest()
        assert b"".join(store.read("big")) == content
        assert b"".join(store.read("big", PART_BYTES - 5, 3)) == content[PART_BYTES - 5 : PART_BYTES - 2]

    def test_keeps_to_its_prefix(self, bucket: seaweedfs.Bucket, prefix: str) -> None:
        one, other = (S3Objects(bucket.client(), bucket.name, f"{prefix}{name}/") for name in "ab")
        one.put("same", [b"one"])
        assert list(other.list()) == []
        other.put("same", [b"other"])
        assert b"".join(one.read("same")) == b"one"


class TestPartBytes:
    def test_holds_five_tebibytes_in_ten_thousand_parts(self) -> None:
        assert _part_bytes(1) == _part_bytes(1000) == PART_BYTES
        assert _part_bytes(1001) == 2 * PART_BYTES
        assert sum(map(_part_bytes, range(1, 10_001))) >= 5 * 1024**4


class TestList:
    def test_passes_over_what_no_put_made(
        self, bucket: seaweedfs.Bucket, prefix: str, store: S3Objects
    ) -> None:
        store.put("real", [b"x"])
        bucket.client().put_object(Bucket=bucket.name, Key=f"{prefix}Planted", Body=b"x")
        assert list(store.list()) == ["real"]


class TestPutFaults:
    @pytest.mark.parametrize("size", [100, BIG])
    def test_keeps_nothing_when_the_store_goes_away(
        self, bucket: seaweedfs.Bucket, prefix: str, size: int
    ) -> None:
        content = os.urandom(size)
        client, counted = bucket.client(), seaweedfs.LostRequests()
        counted.watch(client)
        S3Objects(client, bucket.name, prefix).put("count", [content])
        healthy = S3Objects(bucket.client(), bucket.name, prefix)
        for number in range(1, len(counted.seen) + 1):
            client = bucket.client(max_attempts=1)
            seaweedfs.LostRequests(range(number, 100)).watch(client)
            with pytest.raises(StoreUnavailable, match="check the service"):
                S3Objects(client, bucket.name, prefix).put("one", [content])
            assert list(healthy.list("one")) == []
        healthy.put("one", [content])

    def test_aborts_its_upload(self, bucket: seaweedfs.Bucket, prefix: str, store: S3Objects) -> None:
        def source() -> Iterator[bytes]:
            yield bytes(PART_BYTES + 1)
            assert len(bucket.uploads(prefix)) == 1
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            store.put("cut", source())
        assert bucket.uploads(prefix) == []

    def test_names_a_refusal(self, bucket: seaweedfs.Bucket) -> None:
        store = S3Objects(bucket.client(), "no-such-bucket")
        with pytest.raises(StoreUnavailable, match="store object"):
            store.put("one", [b"x"])


class TestReadFaults:
    def test_takes_up_a_broken_read(self, bucket: seaweedfs.Bucket, prefix: str, store: S3Objects) -> None:
        content = os.urandom(3 * MIB)
        store.put("one", [content])
        client = bucket.client()
        cut = CutBodies(client, cuts=2)
        assert b"".join(S3Objects(client, bucket.name, prefix).read("one")) == content
        assert cut.cuts == 0

    def test_gives_up_after_some_tries(self, bucket: seaweedfs.Bucket, prefix: str, store: S3Objects) -> None:
        store.put("one", [os.urandom(3 * MIB)])
        client = bucket.client()
        CutBodies(client, cuts=99)
        with pytest.raises(StoreUnavailable, match="read object 'one'"):
            list(S3Objects(client, bucket.name, prefix).read("one"))

    def test_names_an_object_deleted_meanwhile(
        self, bucket: seaweedfs.Bucket, prefix: str, store: S3Objects
    ) -> None:
        store.put("one", [b"content"])
        client = bucket.client()
        client.meta.events.register(
            "before-send.s3.GetObject",
            lambda **_: bucket.client().delete_object(Bucket=bucket.name, Key=f"{prefix}one") and None,
        )
        with pytest.raises(ObjectMissing):
            list(S3Objects(client, bucket.name, prefix).read("one"))

    @pytest.mark.parametrize(
        "use", [lambda s: s.stat("a"), lambda s: s.delete("a"), lambda s: list(s.list())]
    )
    def test_says_when_the_service_is_gone(self, use: Any) -> None:
        client = seaweedfs.Bucket("http://127.0.0.1:1", "vault", "a", "b").client(max_attempts=1)
        with pytest.raises(StoreUnavailable, match="check the service"):
            use(S3Objects(client, "vault"))


class CutBodies:
    """Ends the next answers to GetObject in the middle."""

    def __init__(self, client: Any, cuts: int) -> None:
        self.cuts = cuts
        client.meta.events.register("after-call.s3.GetObject", self)

    def __call__(self, parsed: dict[str, Any], **_: object) -> None:
        if self.cuts:
            self.cuts -= 1
            raw = parsed["Body"]._raw_stream
            raw.read(MIB // 2)
            parsed["Body"]._raw_stream = _Ended(raw)


class _Ended:
    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def read(self, *_: object) -> bytes:
        return b""

    def close(self) -> None:
        self._raw.close()


class TestSweep:
    def test_aborts_old_uploads_only(self, bucket: seaweedfs.Bucket, prefix: str) -> None:
        client = bucket.client()
        begun = client.create_multipart_upload(Bucket=bucket.name, Key=f"{prefix}left")
        now = datetime.now(UTC)
        assert S3Objects(client, bucket.name, prefix, lambda: now).sweep() == 0
        later = now + ABANDONED_AFTER + timedelta(minutes=1)
        assert S3Objects(client, bucket.name, "other/", lambda: later).sweep() == 0
        assert S3Objects(client, bucket.name, prefix, lambda: later).sweep() == 1
        assert bucket.uploads(prefix) == []
        with pytest.raises(client.exceptions.NoSuchUpload):
            client.list_parts(Bucket=bucket.name, Key=f"{prefix}left", UploadId=begun["UploadId"])


class TestInstallLifecycle:
    def test_adds_its_rule_once_and_keeps_the_others(
        self, bucket: seaweedfs.Bucket, store: S3Objects
    ) -> None:
        client = bucket.client()
        other = {
            "ID": "others",
            "Status": "Enabled",
            "Filter": {"Prefix": "logs/"},
            "Expiration": {"Days": 9},
        }
        for before in (None, [other]):
            if before:
                rules = {"Rules": before}
                client.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration=rules)
            store.install_lifecycle()
            store.install_lifecycle()
            found = client.get_bucket_lifecycle_configuration(Bucket=bucket.name)["Rules"]
            names = [rule["ID"] for rule in found]
            assert names == [*(["others"] if before else []), LIFECYCLE_RULE["ID"]]
        client.delete_bucket_lifecycle(Bucket=bucket.name)

    def test_names_a_refusal(self, bucket: seaweedfs.Bucket) -> None:
        with pytest.raises((StoreUnavailable, ObjectMissing)):
            S3Objects(bucket.client(), "no-such-bucket").install_lifecycle()


class TestPresign:
    def test_reads_the_stored_bytes_and_nothing_else(self, store: S3Objects) -> None:
        store.put("one", [b"ciphertext"])
        url = store.presign("one", 60)
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"ciphertext"
        for broken in (url[:-1], url.replace("/one?", "/two?"), url.split("?")[0]):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(broken)
            caught.value.close()
            assert caught.value.code == 403


class TestOpenObjects:
    def test_opens_a_bucket_by_address(
        self, bucket: seaweedfs.Bucket, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.secret_key)
        store = open_objects(f"s3://{bucket.name}/{prefix}?endpoint={bucket.endpoint}&region=us-east-1")
        store.put("one", [b"x"])
        assert list(S3Objects(bucket.client(), bucket.name, prefix).list()) == ["one"]
        with pytest.raises(ObjectExists):
            store.put("one", [b"y"])

    @pytest.mark.parametrize(
        "uri", ["s3:", "s3://", "s3:///key", "s3://key:secret@bucket", "s3://b?colour=red", "s3://b?x"]
    )
    def test_refuses_another_address(self, uri: str) -> None:
        with pytest.raises((UriInvalid, ValueError)):
            open_objects(uri)
