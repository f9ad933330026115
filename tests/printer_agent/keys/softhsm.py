"""A SoftHSM token of its own for a test run: another copy of the module is another library in a process."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PIN = "4711-token-pin"
LABEL = "printers"
_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")


@dataclass(frozen=True)
class SoftHsm:
    """A token, the module that reaches it and the environment that a process of its own needs."""

    module: Path
    configuration: Path

    def uri(self, name: str, token: str = LABEL) -> str:
        return f"pkcs11:token={token};object={name}?module-path={self.module}"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}


@contextmanager
def softhsm(folder: Path) -> Iterator[SoftHsm]:
    """Make a token below `folder`; skips where SoftHSM or its Python package is not installed."""
    pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    module = os.environ.get("SOFTHSM2_MODULE") or next((m for m in _MODULES if Path(m).exists()), None)
    tool = os.environ.get("SOFTHSM2_UTIL") or shutil.which("softhsm2-util")
    if module is None or tool is None:
        pytest.skip("SoftHSM is not installed: install Debian's softhsm2")
    (folder / "tokens").mkdir(parents=True)
    made = SoftHsm(folder / "libsofthsm2-of-this-run.so", folder / "softhsm2.conf")
    shutil.copy(module, made.module)
    made.configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    words = ["--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "0000"]
    subprocess.run([tool, *words], check=True, capture_output=True, env=made.environment)
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(made.configuration)
    try:
        pkcs11.lib(str(made.module))
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before
    yield made
