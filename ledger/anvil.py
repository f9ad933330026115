"""One anvil child process: started on loopback, bound to its parent's life, found again and ended when left
over.

The child asks the kernel to be killed when the thread that started it ends (PR_SET_PDEATHSIG), so it is
started and waited for by one thread that lives as long as it does. What a kill of the whole machine's service
may leave over is written down in `anvil.json` and ended by the next start.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.chain import ChainError
from ledger.web3_chain import Web3Chain

_READY_WITHIN_S: Final = 15.0
_READY_POLL_S: Final = 0.004
_SOCKET_PATH_BYTES_MAX: Final = 100
_LOG_TAIL_BYTES: Final = 600
_NOTE: Final = "anvil.json"
_SOCKET_FOLDER: Final = "partvault-anvil-"
_SOCKET_NAME: Final = "anvil.ipc"
_STATES_KEPT: Final = 5_000
_SHORT_FOLDER: Final = "/tmp"  # noqa: S108  # mkdtemp makes a private folder in it

# Runs in place of the child until it becomes anvil: dies with its parent, also if the parent died meanwhile.
_LAUNCHER: Final = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.nice(int(sys.argv[2]))
os.execv(sys.argv[3], sys.argv[3:])
"""


@dataclass(frozen=True)
class AnvilOptions:
    """What makes one chain the same chain again. `history` keeps the states of the newest blocks (reorg tests
    need them, memory grows); `niceness` is how far the child stands back when processors are short.
    """

    chain_id: int
    genesis_time: int
    history: bool = False
    niceness: int = 0


class AnvilProcess:
    """A running child. `rpc_url` and `socket_path` reach it; `wait` returns when it is gone."""

    def __init__(self, process: subprocess.Popen[bytes], rpc_url: str, socket_path: Path) -> None:
        self._process = process
        self.rpc_url = rpc_url
        self.socket_path = socket_path
        self.pid = process.pid

    def wait(self) -> int:
        """Block until the child is gone; return its exit status."""
        return self._process.wait()

    def kill(self) -> None:
        """End the child at once; its state is not worth a farewell."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        self.socket_path.unlink(missing_ok=True)

    @property
    def alive(self) -> bool:
        """Whether the child still runs."""
        return self._process.poll() is None

    @property
    def memory_bytes(self) -> int | None:
        """How much memory the child holds, None where the system does not tell."""
        return resident_bytes(self.pid)


def native_binary(anvil: Path) -> Path:
    """Return the executable behind an `anvil` path: npm's is a script around the one this machine needs.

    Raises ChainError naming what to install if there is none.
    """
    if not anvil.exists():
        raise ChainError(f"{anvil} does not exist; run `npm ci` in contracts/ to install anvil")
    with anvil.open("rb") as start:
        if start.read(2) != b"#!":
            return anvil
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower(), platform.machine()
    )
    package = f"anvil-{platform.system().lower()}-{machine}"
    for folder in anvil.resolve().parents:
        found = folder / "@foundry-rs" / package / "bin" / "anvil"
        if found.exists():
            return found
    raise ChainError(f"{anvil} is a script and @foundry-rs/{package} is not beside it; run `npm ci` again")


def spawn(binary: Path, directory: Path, options: AnvilOptions, *, port: int | None = None) -> AnvilProcess:
    """Start anvil and return when it answers. `port` is taken if it is free, else any.

    Call it from the thread that will wait for the child. Raises ChainError with anvil's last words if it
    fails.
    """
    socket_path = _socket_path(directory)
    socket_path.unlink(missing_ok=True)
    chosen = _free_port(port)
    log = directory / "anvil.log"
    arguments = [str(binary), *_arguments(options, chosen, socket_path)]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the program and every argument are ours
            [
                *(sys.executable, "-I", "-S", "-c", _LAUNCHER),
                *(str(os.getpid()), str(options.niceness)),
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
        )
    child = AnvilProcess(process, f"http://127.0.0.1:{chosen}", socket_path)
    _write_note(directory, child)
    try:
        _await_ready(child, options.chain_id, log)
    except BaseException:
        child.kill()
        raise
    return child


def end_stale(directory: Path) -> int | None:
    """End the child that a killed service left over, if it still runs; return the port it served."""
    note = directory / _NOTE
    try:
        data = json.loads(note.read_text())
        pid, marker, url = int(data["pid"]), str(data["socket"]), str(data["rpc_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if marker.encode() in _command_line(pid).split(b"\0"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _remove_socket(Path(marker), directory)
    note.unlink(missing_ok=True)
    return int(url.rpartition(":")[2])


def forget(directory: Path, child: AnvilProcess) -> None:
    """Clear what a child that ended in order leaves behind."""
    (directory / _NOTE).unlink(missing_ok=True)
    _remove_socket(child.socket_path, directory)


def _remove_socket(path: Path, directory: Path) -> None:
    """Remove a socket, and the temporary folder made for it alone; nothing else, whatever the note says."""
    if path.is_socket():
        path.unlink(missing_ok=True)
    if path.parent != directory and path.parent.name.startswith(_SOCKET_FOLDER):
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def noted_url(directory: Path) -> str | None:
    """Return the RPC URL that the last start in a directory wrote down."""
    try:
        return str(json.loads((directory / _NOTE).read_text())["rpc_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def noted_memory(directory: Path) -> int | None:
    """Return how much memory the child holds that the last start wrote down, None where it is gone."""
    try:
        note = json.loads((directory / _NOTE).read_text())
        pid, marker = int(note["pid"]), str(note["socket"]).encode()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return resident_bytes(pid) if marker in _command_line(pid).split(b"\0") else None


def resident_bytes(pid: int) -> int | None:
    """Return a process's resident memory, None where it is gone or the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _arguments(options: AnvilOptions, port: int, socket_path: Path) -> list[str]:
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--ipc", str(socket_path)]
    arguments += ["--chain-id", str(options.chain_id), "--timestamp", str(options.genesis_time)]
    arguments += ["--hardfork", "osaka", "--no-mining", "--accounts", "0", "--quiet", "--no-cors"]
    arguments += ["--no-request-size-limit"]  # a snapshot is one request
    # Left to itself anvil keeps 500 states, moves older ones to files, and reorganises onto one of those as
    # if it were empty: the contract is gone then. Kept in memory, they are whole.
    return [*arguments, "--prune-history", *([str(_STATES_KEPT)] if options.history else [])]


def _socket_path(directory: Path) -> Path:
    """Return a fresh socket path, in a private temporary folder where the directory's is too long for one."""
    path = directory / f"anvil-{os.getpid()}-{time.monotonic_ns():x}.ipc"
    if _fits(path):
        return path
    roomy = _fits(Path(tempfile.gettempdir()) / f"{_SOCKET_FOLDER}12345678" / _SOCKET_NAME)
    return Path(tempfile.mkdtemp(prefix=_SOCKET_FOLDER, dir=None if roomy else _SHORT_FOLDER)) / _SOCKET_NAME


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= _SOCKET_PATH_BYTES_MAX


def _free_port(wanted: int | None) -> int:
    for candidate in (wanted or 0, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", candidate))
            return int(probe.getsockname()[1])
    raise ChainError("no port of 127.0.0.1 is free for the embedded chain")


def _await_ready(child: AnvilProcess, chain_id: int, log: Path) -> None:
    chain = Web3Chain.local(lambda: child.socket_path)
    until = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < until:
        if not child.alive:
            tail = log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
            raise ChainError(f"anvil ended before it answered: {tail or 'it said nothing'}")
        try:
            found = chain.chain_id()
        except ChainError:
            time.sleep(_READY_POLL_S)
            continue
        if found != chain_id:
            raise ChainError(f"anvil serves chain {found}, not {chain_id}")
        return
    raise ChainError(f"anvil did not answer within {_READY_WITHIN_S:.0f} s")


def _write_note(directory: Path, child: AnvilProcess) -> None:
    note = {"pid": child.pid, "socket": str(child.socket_path), "rpc_url": child.rpc_url}
    draft = directory / f"{_NOTE}.new"
    draft.write_text(json.dumps(note))
    draft.replace(directory / _NOTE)


def _command_line(pid: int) -> bytes:
    """Return a process's arguments; nothing where it is gone or the system does not tell."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
