from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from storage.durable import Disk
from storage.errors import KeyringUnsafe, KeyUnavailable, UriInvalid
from storage.keys import open_keys
from storage.keys.base import KeyBackend, WrappedKey
from storage.keys.file import FileKeys
from tests.conformance.key_backend import CONTEXT, KeyBackendContract
from tests.storage.faulty_disk import FaultyDisk

DONE = pytest.mark.parametrize("done", [False, True], ids=["not done", "done but reported failed"])


class TestFileKeys(KeyBackendContract):
    @pytest.fixture
    def keys(self, tmp_path: Path) -> KeyBackend:
        return open_keys(f"file:{tmp_path / 'keys' / 'ring.json'}")

    @pytest.fixture
    def stranger(self, tmp_path: Path) -> KeyBackend:
        return open_keys(f"file:{tmp_path / 'strange' / 'ring.json'}")

    def test_is_readable_by_its_owner_only(self, tmp_path: Path) -> None:
        ring = tmp_path / "keys" / "ring.json"
        FileKeys(ring).rotate()
        for path in ring.parent.rglob("*"):
            assert path.stat().st_mode & 0o777 == 0o600, path
        assert ring.parent.stat().st_mode & 0o777 == 0o700

    def test_opens_its_wraps_after_a_restart(self, tmp_path: Path) -> None:
        key, wrapped = FileKeys(tmp_path / "ring.json").generate(CONTEXT)
        assert FileKeys(tmp_path / "ring.json").unwrap(wrapped, CONTEXT) == key

    def test_notices_a_rotation_by_another_process(self, tmp_path: Path) -> None:
        ours, theirs = FileKeys(tmp_path / "ring.json"), FileKeys(tmp_path / "ring.json")
        theirs.rotate()
        key, wrapped = theirs.generate(CONTEXT)
        assert ours.current_version() == "2"
        assert ours.unwrap(wrapped, CONTEXT) == key

    def test_takes_up_a_rotation_left_half_done(self, tmp_path: Path) -> None:
        keys = FileKeys(tmp_path / "ring.json")
        content = json.loads((tmp_path / "ring.json").read_text())
        content["keys"]["2"] = base64.b64encode(b"2" * 32).decode()
        (tmp_path / "ring.json").write_text(json.dumps(content))
        assert keys.current_version() == "1"
        assert keys.rotate() == "2"
        assert json.loads((tmp_path / "ring.json").read_text())["keys"] == content["keys"]

    def test_loses_no_version_to_concurrent_rotations(self, tmp_path: Path) -> None:
        ring = tmp_path / "ring.json"
        FileKeys(ring)
        command = [sys.executable, "-c", _ROTATE_FIVE_TIMES, str(ring)]
        processes = [subprocess.Popen(command) for _ in range(2)]
        assert [process.wait() for process in processes] == [0, 0]
        assert FileKeys(ring).versions() == [str(number) for number in range(1, 12)]

    def test_refuses_a_wrap_moved_to_another_version(self, tmp_path: Path) -> None:
        keys = FileKeys(tmp_path / "ring.json")
        _, old = keys.generate(CONTEXT)
        keys.rotate()
        content = json.loads((tmp_path / "ring.json").read_text())
        content["keys"]["2"] = content["keys"]["1"]
        (tmp_path / "ring.json").write_text(json.dumps(content))
        moved = WrappedKey(old.keyring, "2", old.blob)
        with pytest.raises(Exception, match="another object"):
            keys.unwrap(moved, CONTEXT)

    def test_says_when_the_file_is_gone(self, tmp_path: Path) -> None:
        keys = FileKeys(tmp_path / "ring.json")
        (tmp_path / "ring.json").unlink()
        with pytest.raises(KeyUnavailable, match="gone"):
            keys.current_version()

    def test_names_its_address(self, tmp_path: Path) -> None:
        assert FileKeys(tmp_path / "ring.json").uri == f"file:{tmp_path / 'ring.json'}"


class TestWriteFaults:
    """Every write of a change fails twice; the ring stays whole, and the retry succeeds."""

    def test_is_never_current_before_it_is_on_the_disk(self, tmp_path: Path) -> None:
        """At each write a power cut may take back the last rename; no wrap may depend on it by then."""
        ring = tmp_path / "ring.json"
        FileKeys(ring)
        durable: list[set[str]] = []

        class Watched(Disk):
            def sync(self, descriptor: int) -> None:
                super().sync(descriptor)
                if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                    durable.append(set(json.loads(ring.read_text())["keys"]))

            def replace(self, source: Path, target: Path) -> None:
                current = json.loads(source.read_text())["current"]
                assert str(current) in durable[-1]
                super().replace(source, target)

        FileKeys(ring, Watched()).rotate()
        assert durable[-1] == {"1", "2"}

    @DONE
    def test_of_a_new_ring(self, tmp_path: Path, done: bool) -> None:
        healthy = FaultyDisk()
        FileKeys(tmp_path / "count" / "ring.json", healthy)
        assert {"make_directory", "create", "write", "sync", "replace"} == set(healthy.calls)
        for number in range(1, len(healthy.calls) + 1):
            ring = tmp_path / str(number) / "ring.json"
            with pytest.raises(KeyUnavailable, match="cannot be changed: Input/output error"):
                FileKeys(ring, FaultyDisk(number, done=done))
            key, wrapped = FileKeys(ring).generate(CONTEXT)
            assert FileKeys(ring).unwrap(wrapped, CONTEXT) == key

    @DONE
    def test_of_a_rotation(self, tmp_path: Path, done: bool) -> None:
        FileKeys(tmp_path / "count" / "ring.json")
        healthy = FaultyDisk()
        FileKeys(tmp_path / "count" / "ring.json", healthy).rotate()
        assert healthy.calls.count("replace") == 2
        for number in range(1, len(healthy.calls) + 1):
            ring = tmp_path / str(number) / "ring.json"
            key, old = FileKeys(ring).generate(CONTEXT)
            with pytest.raises(KeyUnavailable, match="cannot be changed"):
                FileKeys(ring, FaultyDisk(number, done=done)).rotate()
            after_restart = FileKeys(ring)
            between, wrapped = after_restart.generate(CONTEXT)
            version = after_restart.rotate()
            assert after_restart.generate(CONTEXT)[1].version == version != old.version
            assert after_restart.unwrap(old, CONTEXT) == key
            assert after_restart.unwrap(wrapped, CONTEXT) == between

    @DONE
    def test_of_a_destruction(self, tmp_path: Path, done: bool) -> None:
        FileKeys(tmp_path / "count" / "ring.json").rotate()
        healthy = FaultyDisk()
        FileKeys(tmp_path / "count" / "ring.json", healthy).destroy("1")
        opening = healthy.calls.index("create")
        for number in range(opening + 1, len(healthy.calls) + 1):
            ring = tmp_path / str(number) / "ring.json"
            FileKeys(ring).rotate()
            key, wrapped = FileKeys(ring).generate(CONTEXT)
            keys = FileKeys(ring, FaultyDisk(number, done=done))
            with pytest.raises(KeyUnavailable, match="cannot be changed"):
                keys.destroy("1")
            if "1" in keys.versions():
                keys.destroy("1")
            assert FileKeys(ring).versions() == ["2"]
            assert keys.unwrap(wrapped, CONTEXT) == key


class TestPermissions:
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o606, 0o644, 0o700 | 0o001])
    def test_refuses_a_file_open_to_others(self, tmp_path: Path, mode: int) -> None:
        FileKeys(tmp_path / "ring.json")
        (tmp_path / "ring.json").chmod(mode)
        with pytest.raises(KeyringUnsafe, match="chmod 600"):
            FileKeys(tmp_path / "ring.json")

    def test_notices_permissions_loosened_while_it_runs(self, tmp_path: Path) -> None:
        keys = FileKeys(tmp_path / "ring.json")
        (tmp_path / "ring.json").chmod(0o644)
        with pytest.raises(KeyringUnsafe):
            keys.generate(CONTEXT)

    def test_refuses_a_folder_where_others_may_replace_it(self, tmp_path: Path) -> None:
        folder = tmp_path / "open"
        folder.mkdir()
        FileKeys(folder / "ring.json")
        folder.chmod(0o777)
        with pytest.raises(KeyringUnsafe, match="chmod go-w"):
            FileKeys(folder / "ring.json")
        folder.chmod(0o1777)
        FileKeys(folder / "ring.json")

    def test_refuses_a_link(self, tmp_path: Path) -> None:
        FileKeys(tmp_path / "real.json")
        (tmp_path / "ring.json").symlink_to(tmp_path / "real.json")
        with pytest.raises(KeyringUnsafe, match="cannot be opened"):
            FileKeys(tmp_path / "ring.json")

    def test_refuses_what_is_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "ring.json").mkdir()
        with pytest.raises(KeyringUnsafe):
            FileKeys(tmp_path / "ring.json")


def _ring(**changes: object) -> str:
    key = base64.b64encode(bytes(32)).decode()
    return json.dumps(
        {"format": "partvault/keyring/v1", "id": "00", "current": 1, "keys": {"1": key}} | changes
    )


class TestContent:
    @pytest.mark.parametrize(
        "content",
        [
            "",
            "[]",
            "{}",
            "null",
            _ring()[:-5],
            _ring(format="partvault/keyring/v2"),
            _ring(id="not hex"),
            _ring(current=2),
            _ring(current="x"),
            _ring(keys=[]),
            _ring(keys={"1": "!!"}),
            _ring(keys={"1": "AAAA"}),
            _ring(keys={"one": base64.b64encode(bytes(32)).decode()}),
        ],
    )
    def test_refuses_a_broken_keyring(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "ring.json"
        path.write_text(content)
        path.chmod(0o600)
        with pytest.raises(KeyringUnsafe, match="backup"):
            FileKeys(path)
        assert path.read_text() == content

    def test_never_shows_its_keys_in_a_failure(self, tmp_path: Path) -> None:
        path = tmp_path / "ring.json"
        path.write_text(_ring(keys={"1": "c2VjcmV0IGJ5dGVz"}))
        path.chmod(0o600)
        with pytest.raises(KeyringUnsafe) as caught:
            FileKeys(path)
        assert "c2VjcmV0" not in repr(caught.value)
        assert caught.value.__cause__ is None


class TestOpenKeys:
    @pytest.mark.parametrize("uri", ["", "file", "file:", "ftp:/x", "/plain/path"])
    def test_refuses_an_unknown_address(self, uri: str) -> None:
        with pytest.raises(UriInvalid):
            open_keys(uri)


_ROTATE_FIVE_TIMES = """
import sys
from pathlib import Path
from storage.keys.file import FileKeys

keys = FileKeys(Path(sys.argv[1]))
for _ in range(5):
    keys.rotate()
"""
