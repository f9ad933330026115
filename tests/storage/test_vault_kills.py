"""`kill -9` while objects are put: what was acknowledged is whole, what was not is whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from storage import stream
from storage.backends.base import ObjectStore
from storage.backends.local import LocalObjects
from storage.backends.s3 import ABANDONED_AFTER, PART_BYTES, S3Objects
from storage.keys.base import WrappedKey
from storage.keys.file import FileKeys
from storage.vault import StoredObject, Vault
from tests.storage.backends.seaweedfs import Bucket
from tests.storage.endless_puts import content_of, context_of

ROOT = Path(__file__).parents[2]


@dataclass
class Writer:
    """The process that puts, and what it has told so far."""

    process: subprocess.Popen[str]
    begun: list[WrappedKey] = field(default_factory=list)
    acknowledged: list[StoredObject] = field(default_factory=list)
    told_s: list[float] = field(default_factory=list)

    def hear(self, count: int) -> None:
        """Wait until `count` more puts are acknowledged."""
        wanted = len(self.acknowledged) + count
        while len(self.acknowledged) < wanted:
            self._take(self._lines.readline())

    def kill(self) -> None:
        """Kill it and take what it had told by then."""
        self.process.kill()
        for line in self._lines:
            if line.endswith("\n"):
                self._take(line)
        self.process.wait()

    @property
    def put_s(self) -> float:
        """How long one put takes here."""
        return (self.told_s[-1] - self.told_s[0]) / max(1, len(self.told_s) - 1)

    @property
    def _lines(self) -> Any:
        assert self.process.stdout is not None
        return self.process.stdout

    def _take(self, line: str) -> None:
        said = json.loads(line)
        if "begun" in said:
            self.begun.append(WrappedKey.from_json(said["wrapped"]))
        else:
            self.told_s.append(time.monotonic())
            self.acknowledged.append(StoredObject.from_json(said["record"], self.begun[said["put"]]))


@contextmanager
def writing(objects: str, keyring: Path, seed: str, bytes_max: int, env: dict[str, str]) -> Iterator[Writer]:
    command = [
        sys.executable,
        "-m",
        "tests.storage.endless_puts",
        objects,
        str(keyring),
        seed,
        str(bytes_max),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | env
    ) as process:
        try:
            yield Writer(process)
        finally:
            process.kill()


def kill_one(objects: ObjectStore, uri: str, keyring: Path, bytes_max: int, env: dict[str, str]) -> Writer:
    """Kill a writer at a random moment of a put and check all that it may have left behind."""
    seed = secrets.token_hex(8)
    before = set(objects.list())
    with writing(uri, keyring, seed, bytes_max, env) as writer:
        writer.hear(2)
        objects.sweep()  # which must not hurt the running put
        writer.hear(random.randint(1, 3))
        time.sleep(random.random() * writer.put_s)
        writer.kill()
    vault = Vault(objects, FileKeys(keyring))
    for number, stored in enumerate(writer.acknowledged):
        content = content_of(seed, number, bytes_max)
        assert b"".join(vault.open(stored, context_of(number))) == content, f"seed {seed}, put {number}"
        assert stored.plaintext_sha256 == hashlib.sha256(content).digest()
        vault.check(stored)
    visible = set(objects.list()) - before
    unacknowledged = visible - {stored.object_key for stored in writer.acknowledged}
    assert len(visible) == len(writer.acknowledged) + len(unacknowledged)
    assert len(unacknowledged) <= 1
    for key in unacknowledged:
        number = len(writer.acknowledged)
        with vault.keys.unwrap(writer.begun[number], context_of(number)) as data_key:
            found = b"".join(stream.decrypt(objects.read(key), data_key, context_of(number)))
        assert found == content_of(seed, number, bytes_max), f"seed {seed}, put {number} is visible in part"
    return writer


class TestLocal:
    @pytest.mark.parametrize("rounds", [6, pytest.param(100, marks=pytest.mark.slow)])
    def test_loses_nothing_and_shows_no_part(self, tmp_path: Path, rounds: int) -> None:
        objects, parts, abandoned = LocalObjects(tmp_path / "objects"), tmp_path / "objects" / "parts", 0
        for _ in range(rounds):
            kill_one(objects, f"local:{tmp_path / 'objects'}", tmp_path / "keys" / "ring.json", 3_000_000, {})
            left = list(parts.iterdir())
            assert len(left) <= 1
            assert objects.sweep() == len(left)
            assert list(parts.iterdir()) == []
            abandoned += len(left)
        assert abandoned or rounds < 50, "not one of many kills hit a put half way"


class TestS3:
    @pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=pytest.mark.slow)])
    def test_loses_nothing_and_shows_no_part(
        self, bucket: Bucket, prefix: str, tmp_path: Path, rounds: int
    ) -> None:
        later = datetime.now(UTC) + 2 * ABANDONED_AFTER
        objects = S3Objects(bucket.client(), bucket.name, prefix)
        next_day = S3Objects(bucket.client(), bucket.name, prefix, lambda: later)
        uri = f"s3://{bucket.name}/{prefix}?endpoint={bucket.endpoint}&region=us-east-1"
        env = {"AWS_ACCESS_KEY_ID": bucket.access_key, "AWS_SECRET_ACCESS_KEY": bucket.secret_key}
        abandoned = 0
        for _ in range(rounds):
            kill_one(objects, uri, tmp_path / "ring.json", 2 * PART_BYTES + 1_000_000, env)
            left = len(bucket.uploads(prefix))
            assert left <= 1
            assert objects.sweep() == 0, "an upload of today may still be running"
            assert next_day.sweep() == left
            assert bucket.uploads(prefix) == []
            abandoned += left
        assert abandoned or rounds < 30, "not one of many kills hit a put half way"
