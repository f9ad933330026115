"""An object store in any S3 bucket: conditional create, multipart uploads, ranged and presigned reads.

Needs a server that honours `If-None-Match: *` on PutObject and CompleteMultipartUpload (Amazon S3, SeaweedFS,
MinIO, Ceph). Credentials come from the SDK's usual chain, never from the address.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from storage.backends.base import READ_BYTES, Clock, ObjectStat, PutResult, check_key, is_key, span, utc_now
from storage.digest import BackgroundDigest
from storage.errors import ObjectExists, ObjectMissing, StorageError, StoreUnavailable, UriInvalid
from storage.stream import Piece

PART_BYTES = 8 * 1024 * 1024
"""Size of the first thousand parts; each further thousand doubles it, so 10,000 hold any object S3 takes."""

ABANDONED_AFTER = timedelta(days=1)
"""Age at which `sweep` takes an unfinished upload for abandoned; a running one is never that old."""

LIFECYCLE_RULE: dict[str, object] = {
    "ID": "partvault-abandoned-uploads",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}
"""The bucket's own sweep, which works even while no service runs."""

_READ_TRIES = 3
_TOKEN = "partvault-put"  # noqa: S105  # a metadata name
_EXISTS = {"PreconditionFailed", "412"}
_ABSENT = {"NoSuchKey", "NotFound", "404"}


class S3Objects:
    """Objects below `prefix` in `bucket`; see `ObjectStore`. `client` is a boto3 S3 client, safe to share."""

    def __init__(self, client: Any, bucket: str, prefix: str = "", clock: Clock = utc_now) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._clock = clock

    def put(self, key: str, source: Iterable[Piece]) -> PutResult:
        """Send one request for a small object, a multipart upload for a larger one; either only if absent."""
        name = self._name(key)
        with BackgroundDigest() as digest:
            parts = _parts(_hashed(source, digest))
            first, last = next(parts)
            token = secrets.token_hex(16)
            try:
                if last:
                    self._put_whole(name, first, token)
                else:
                    self._put_parts(name, first, parts, token)
            except (ClientError, BotoCoreError) as error:
                self._settle(key, name, token, error)
            return PutResult(digest.bytes, digest.finish())

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield from one ranged GET, taken up again where a connection breaks."""
        at, end = span(start, length, self.stat(key).bytes)
        reason: object = "no answer"
        for _ in range(_READ_TRIES):
            if at == end:
                return
            try:
                for piece in self._get(key, at, end):
                    at += len(piece)
                    yield piece
            except BotoCoreError as error:
                reason = error
        if at < end:
            raise _unavailable(f"read object {key!r}", reason)

    def stat(self, key: str) -> ObjectStat:
        """Ask by HEAD."""
        name = self._name(key)
        with _reported(f"look up object {key!r}", key):
            found = self._client.head_object(Bucket=self._bucket, Key=name)
        return ObjectStat(found["ContentLength"], found["LastModified"])

    def delete(self, key: str) -> None:
        """Delete; S3 forgives an absent object."""
        name = self._name(key)
        with _reported(f"delete object {key!r}", key):
            self._client.delete_object(Bucket=self._bucket, Key=name)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield page by page."""
        pages = self._client.get_paginator("list_objects_v2")
        with _reported("list objects", prefix):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for item in page.get("Contents", ()):
                    key = item["Key"].removeprefix(self._prefix)
                    if is_key(key):
                        yield key

    def sweep(self) -> int:
        """Abort every upload below the prefix that was begun more than `ABANDONED_AFTER` ago."""
        removed = 0
        oldest = self._clock() - ABANDONED_AFTER
        pages = self._client.get_paginator("list_multipart_uploads")
        with _reported("sweep uploads", self._prefix):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] < oldest:
                        self._abort(upload["Key"], upload["UploadId"])
                        removed += 1
        return removed

    def install_lifecycle(self) -> None:
        """Add `LIFECYCLE_RULE` to the bucket's rules, leaving the others; needs the right to change them."""
        with _reported("read the lifecycle rules", self._bucket):
            rules = [rule for rule in self._rules() if rule.get("ID") != LIFECYCLE_RULE["ID"]]
            self._client.put_bucket_lifecycle_configuration(
                Bucket=self._bucket, LifecycleConfiguration={"Rules": [*rules, LIFECYCLE_RULE]}
            )

    def presign(self, key: str, seconds: int) -> str:
        """Return a URL that reads the stored bytes (ciphertext) for `seconds`, without credentials."""
        target = {"Bucket": self._bucket, "Key": self._name(key)}
        return str(self._client.generate_presigned_url("get_object", Params=target, ExpiresIn=seconds))

    def _name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _rules(self) -> Iterable[dict[str, Any]]:
        try:
            rules: Iterable[dict[str, Any]] = self._client.get_bucket_lifecycle_configuration(
                Bucket=self._bucket
            )["Rules"]
        except ClientError as error:
            if _code(error) == "NoSuchLifecycleConfiguration":
                return ()
            raise
        return rules

    def _put_whole(self, name: str, body: bytearray, token: str) -> None:
        self._client.put_object(
            Bucket=self._bucket,
            Key=name,
            Body=body,
            ChecksumSHA256=_checksum(body),
            IfNoneMatch="*",
            Metadata={_TOKEN: token},
        )

    def _put_parts(
        self, name: str, first: bytearray, rest: Iterator[tuple[bytearray, bool]], token: str
    ) -> None:
        upload = self._client.create_multipart_upload(
            Bucket=self._bucket, Key=name, ChecksumAlgorithm="SHA256", Metadata={_TOKEN: token}
        )["UploadId"]
        try:
            done = [self._put_part(name, upload, 1, first)]
            for number, (body, _) in enumerate(rest, start=2):
                done.append(self._put_part(name, upload, number, body))
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=name,
                UploadId=upload,
                MultipartUpload={"Parts": done},
                IfNoneMatch="*",
            )
        except BaseException:
            with suppress(StorageError):
                self._abort(name, upload)
            raise

    def _put_part(self, name: str, upload: str, number: int, body: bytearray) -> dict[str, object]:
        checksum = _checksum(body)
        answer = self._client.upload_part(
            Bucket=self._bucket,
            Key=name,
            UploadId=upload,
            PartNumber=number,
            Body=body,
            ChecksumSHA256=checksum,
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    def _settle(self, key: str, name: str, token: str, error: Exception) -> None:
        """Return if the object is there and ours, stored by a try whose answer was lost; else raise."""
        found: dict[str, Any] = {}
        with suppress(ClientError, BotoCoreError):
            found = self._client.head_object(Bucket=self._bucket, Key=name)
        if found.get("Metadata", {}).get(_TOKEN) == token:
            return
        if _code(error) in _EXISTS:
            raise ObjectExists(key) from None
        raise _unavailable(f"store object {key!r}", error) from error

    def _abort(self, name: str, upload: str) -> None:
        with _reported(f"abort the upload of {name!r}", name), suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=name, UploadId=upload)

    def _get(self, key: str, start: int, end: int) -> Iterator[bytes]:
        try:
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._name(key), Range=f"bytes={start}-{end - 1}"
            )
        except ClientError as error:
            raise _refused(f"read object {key!r}", key, error) from error
        with closing(answer["Body"]) as body:
            yield from body.iter_chunks(READ_BYTES)


def open_s3(uri: str) -> S3Objects:
    """Open `s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME]`; raises `UriInvalid`."""
    address = urlsplit(uri)
    options = dict(parse_qsl(address.query, strict_parsing=bool(address.query)))
    if not address.hostname or address.username or set(options) - {"endpoint", "region"}:
        raise UriInvalid(f"object store {uri!r} is not s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME]")
    config = Config(
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": 4},
        connect_timeout=10,
        read_timeout=60,
        s3={"addressing_style": "path" if "endpoint" in options else "auto"},
    )
    client = boto3.client(
        "s3", endpoint_url=options.get("endpoint"), region_name=options.get("region"), config=config
    )
    prefix = address.path.strip("/")
    return S3Objects(client, address.netloc, f"{prefix}/" if prefix else "")


def _hashed(source: Iterable[Piece], digest: BackgroundDigest) -> Iterator[Piece]:
    for piece in source:
        digest.update(piece)
        yield piece


def _parts(source: Iterable[Piece]) -> Iterator[tuple[bytearray, bool]]:
    """Collect `source` into parts; the flag marks the last, which alone may be short or empty."""
    number, part = 1, bytearray()
    for piece in source:
        view = memoryview(piece).cast("B")
        while len(part) + len(view) > _part_bytes(number):
            room = _part_bytes(number) - len(part)
            part += view[:room]
            view = view[room:]
            yield part, False
            part = bytearray()
            number += 1
        part += view
    yield part, True


def _part_bytes(number: int) -> int:
    return PART_BYTES << (number - 1) // 1000


def _checksum(body: bytearray) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")


def _code(error: Exception) -> str:
    """Return the service's own word for what it refused, empty where no answer came."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _unavailable(action: str, reason: object) -> StoreUnavailable:
    return StoreUnavailable(f"could not {action} in the bucket: {reason}; check the service and retry")


def _refused(action: str, key: str, error: ClientError) -> StorageError:
    return ObjectMissing(key) if _code(error) in _ABSENT else _unavailable(action, error)


@contextmanager
def _reported(action: str, key: str) -> Iterator[None]:
    """Turn the SDK's errors into ours."""
    try:
        yield
    except ClientError as error:
        raise _refused(action, key, error) from error
    except BotoCoreError as error:
        raise _unavailable(action, error) from error
