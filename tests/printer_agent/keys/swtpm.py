"""A TPM in software, manufactured with an endorsement certificate of a CA of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_READY_S = 20.0


@dataclass(frozen=True)
class SoftwareTpm:
    """A running TPM: where it listens, and the certificates of who made it."""

    socket: Path
    authorities: Path

    @property
    def uri(self) -> str:
        return f"tpm2:swtpm:path={self.socket}"


@contextmanager
def swtpm(folder: Path, *, certified: bool = True) -> Iterator[SoftwareTpm]:
    """Make and run a TPM below `folder`; skips where swtpm or the Python package is not installed."""
    os.environ.setdefault("TSS2_LOG", "all+none")
    pytest.importorskip("tpm2_pytss", reason="tpm2-pytss is not installed: uv sync --group tpm")
    program, setup = shutil.which("swtpm"), shutil.which("swtpm_setup")
    if program is None or setup is None:
        pytest.skip("swtpm is not installed: install Debian's swtpm and swtpm-tools")
    state = folder / "state"
    state.mkdir(parents=True)
    if certified:
        _manufacture(setup, folder, state)
    # a socket's path has room for about a hundred characters, and pytest's folders are long
    socket = Path("/tmp") / f"pv-{os.getpid()}-{folder.name[-12:]}.tpm"
    command = [
        program,
        "socket",
        "--tpm2",
        "--tpmstate",
        f"dir={state}",
        "--flags",
        "not-need-init,startup-clear",
    ]
    command += ["--server", f"type=unixio,path={socket}", "--ctrl", f"type=unixio,path={socket}.ctrl"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(socket, running)
        yield SoftwareTpm(socket, folder / "authorities.pem")
    finally:
        running.kill()
        running.wait()
        for path in (socket, Path(f"{socket}.ctrl")):
            path.unlink(missing_ok=True)


def _manufacture(setup: str, folder: Path, state: Path) -> None:
    """Give the TPM an endorsement key and a certificate of a CA made for it."""
    ca = folder / "ca"
    ca.mkdir()
    local = folder / "localca.conf"
    names = {
        "statedir": ca,
        "signingkey": ca / "key.pem",
        "issuercert": ca / "issuer.pem",
        "certserial": ca / "serial",
    }
    local.write_text("".join(f"{name} = {path}\n" for name, path in names.items()))
    (folder / "options").write_text("--platform-manufacturer test\n")
    (folder / "setup.conf").write_text(
        f"create_certs_tool = {shutil.which('swtpm_localca')}\n"
        f"create_certs_tool_config = {local}\ncreate_certs_tool_options = {folder / 'options'}\n"
    )
    words = ["--tpm2", "--tpmstate", str(state), "--create-ek-cert", "--config", str(folder / "setup.conf")]
    subprocess.run([setup, *words], check=True, capture_output=True)
    found = [*sorted(ca.glob("*cert.pem")), ca / "issuer.pem"]
    (folder / "authorities.pem").write_text("".join(path.read_text() for path in dict.fromkeys(found)))


def _await(socket: Path, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_S
    while not socket.exists():
        assert running.poll() is None, f"swtpm ended with {running.returncode}"
        assert time.monotonic() < deadline, "swtpm does not listen"
        time.sleep(0.02)
