"""The public face of the gate: a file goes in, a verdict comes out, whatever the file does.

Each file is inspected by a child process of its own (see `nursery`), which has the input as a sealed
memory file, bounded memory, processor time and output, no network and no right to regain privileges. The
parent waits a bounded time, kills, and takes every crash, limit, time-out and unreadable answer for a
refusal. Threads may share one sandbox.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mesh_tools import answer
from mesh_tools.answer import EXIT_MEMORY, EXIT_UNCONFINED
from mesh_tools.errors import SandboxUnavailable
from mesh_tools.findings import Finding, Inspection, Report, finding
from mesh_tools.gate import Policy, fit, graded
from mesh_tools.limits import Limits

_SERVER = ("-m", "mesh_tools.nursery")
_START_S = 60.0
_END_S = 10.0
_GONE_S = 0.5
_READ_BYTES = 1 << 16
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@dataclass(frozen=True)
class _Input:
    descriptor: int
    size: int
    sha256: bytes
    too_large: bool


class _NotStartedError(SandboxUnavailable):
    """The server ended before it made a child."""


class Sandbox:
    """Inspects files in confined child processes. Start it once, share it, close it.

    `inspect` never raises for what a file holds; it raises only what `source` itself raises (an upload cut
    off, an object damaged), leaving nothing behind.
    """

    def __init__(self, limits: Limits | None = None, *, server: Sequence[str] = _SERVER) -> None:
        """`server`: the interpreter's arguments that start the process server."""
        self._arguments = tuple(server)
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(self.limits.children_max)
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ready = False
        self._closed = False

    @property
    def server_pid(self) -> int | None:
        """Process id of the server while it runs, for operators who watch it."""
        server = self._server
        return None if server is None else server.pid

    def start(self) -> None:
        """Start the process server and return at once; it warms up while the caller goes on. Idempotent."""
        with self._lock:
            self._launched()

    def wait_ready(self) -> None:
        """Return when the server is warm; SandboxUnavailable when it does not come up."""
        with self._lock:
            self._ensure_server()

    def close(self) -> None:
        """Stop the server and every child. Idempotent; inspections in flight are refused."""
        with self._lock:
            self._closed = True
            self._stop_server()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def inspect(
        self, source: Iterable[bytes], *, filename: str, policy: Policy, pictures: bool = True
    ) -> Inspection:
        """Read `source` into a memory file, inspect it in a child, judge what it found by `policy`."""
        started = time.monotonic()
        taken = _take(source, self.limits.file_bytes_max)
        try:
            report = self._report(taken, filename, policy, pictures)
        finally:
            os.close(taken.descriptor)
        return _judged(report, policy, taken, time.monotonic() - started)

    def _report(self, taken: _Input, filename: str, policy: Policy, pictures: bool) -> Report:
        if taken.too_large:
            return _refusal("input.too_large", f"More than {self.limits.file_bytes_max} bytes.")
        request = {
            "filename": filename[-255:],
            "bytes": taken.size,
            "unit_mm": policy.unit_mm,
            "pictures": pictures,
            "limits": dataclasses.asdict(self.limits),
        }
        with self._slots:
            try:
                return self._ask(taken, request)
            except _NotStartedError:
                self._drop_server()
            except SandboxUnavailable as error:
                return _refusal("sandbox.unavailable", str(error))
            try:
                return self._ask(taken, request)
            except SandboxUnavailable as error:
                return _refusal("sandbox.unavailable", str(error))

    def _ask(self, taken: _Input, request: dict[str, Any]) -> Report:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reader, writer = os.pipe()
        try:
            with theirs:
                self._send(json.dumps(request).encode(), [taken.descriptor, writer, theirs.fileno()])
            os.close(writer)
            writer = -1
            return _await(ours, reader, taken.size, self.limits)
        finally:
            ours.close()
            os.close(reader)
            if writer >= 0:
                os.close(writer)

    def _send(self, message: bytes, descriptors: list[int]) -> None:
        with self._lock:
            for attempt in (1, 2):
                try:
                    socket.send_fds(self._ensure_server(), [message], descriptors)
                    return
                except (OSError, SandboxUnavailable) as error:
                    self._stop_server()
                    if attempt == 2 or self._closed:
                        raise SandboxUnavailable(f"the process server is gone: {error}") from error

    def _drop_server(self) -> None:
        """Forget a server that went away before it made a child: no byte of the file was read."""
        with self._lock:
            if self._server is None:
                return
            try:
                self._server.wait(_GONE_S)
            except subprocess.TimeoutExpired:
                return
            self._stop_server()

    def _launched(self) -> socket.socket:
        if self._closed:
            raise SandboxUnavailable("the sandbox is closed")
        if self._control is not None and self._server is not None and self._server.poll() is None:
            return self._control
        self._stop_server()
        self._server, self._control = _launch(self._arguments)
        return self._control

    def _ensure_server(self) -> socket.socket:
        control = self._launched()
        if not self._ready:
            try:
                _await_ready(control)
            except SandboxUnavailable:
                self._stop_server()
                raise
            self._ready = True
        return control

    def _stop_server(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._server is not None:
            try:
                self._server.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        self._server = self._control = None
        self._ready = False


def _launch(arguments: Sequence[str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the process server with an empty environment."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    root = str(Path(__file__).parent.parent)
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": root,
        "LANG": "C.UTF-8",
        "MALLOC_ARENA_MAX": "2",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with theirs:
        server = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, *arguments, str(theirs.fileno())],
            pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            cwd="/",
        )  # fmt: skip
    return server, ours


def _await_ready(control: socket.socket) -> None:
    control.settimeout(_START_S)
    try:
        ready = control.recv(4096)
    except OSError:
        ready = b""
    if not ready:
        raise SandboxUnavailable("the process server did not come up")
    control.settimeout(None)


def _take(source: Iterable[bytes], bytes_max: int) -> _Input:
    """Pour `source` into a sealed memory file, hashing as it flows. Stops reading past `bytes_max`."""
    descriptor = os.memfd_create("print-file", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    digest = hashlib.sha256()
    total = 0
    try:
        for block in source:
            total += len(block)
            if total > bytes_max:
                return _Input(descriptor, total, digest.digest(), too_large=True)
            digest.update(block)
            _write_all(descriptor, block)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return _Input(descriptor, total, digest.digest(), too_large=False)


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]


def _await(status: socket.socket, reader: int, size: int, limits: Limits) -> Report:
    """Wait for the answer and the end of one child; kills it at the time limit or on too much output."""
    deadline = time.monotonic() + limits.wall_s(size)
    pidfd = _pidfd(status, deadline)
    try:
        frame, verdict = _collect(reader, deadline, limits.answer_bytes_max)
        if verdict is not None:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            _ended(status, time.monotonic() + _END_S)
            return verdict
        ended = _ended(status, deadline)
        if ended is None:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            return _refusal("sandbox.time_out", f"Not finished after {limits.wall_s(size):.0f} s.")
        return _answered(frame, ended, limits, size)
    except ProcessLookupError:
        return _refusal("sandbox.crashed", "The reader ended while it was being stopped.")
    finally:
        os.close(pidfd)


def _pidfd(status: socket.socket, deadline: float) -> int:
    status.settimeout(max(0.1, deadline - time.monotonic()))
    try:
        _, descriptors, _, _ = socket.recv_fds(status, 4096, 1)
    except OSError as error:
        raise _NotStartedError(f"no child was started: {error}") from error
    if len(descriptors) != 1:
        raise _NotStartedError("no child was started")
    return descriptors[0]


def _collect(reader: int, deadline: float, bytes_max: int) -> tuple[bytes, Report | None]:
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    frame = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return b"", _refusal("sandbox.time_out", "The inspection took longer than the time limit.")
        block = os.read(reader, _READ_BYTES)
        if not block:
            return bytes(frame), None
        frame += block
        if len(frame) > bytes_max:
            return b"", _refusal("sandbox.garbled", f"The answer is longer than {bytes_max} bytes.")


def _ended(status: socket.socket, deadline: float) -> dict[str, Any] | None:
    """How the child ended (exit code, or minus the signal), or None when time ran out first."""
    status.settimeout(max(0.1, deadline - time.monotonic()))
    try:
        message = status.recv(4096)
    except TimeoutError:
        return None
    if not message:
        raise SandboxUnavailable("the process server ended during the inspection")
    ended: dict[str, Any] = json.loads(message)
    return ended


def _answered(frame: bytes, ended: dict[str, Any], limits: Limits, size: int) -> Report:
    code = ended["code"]
    if code == EXIT_MEMORY:
        return _refusal("sandbox.memory_limit", f"More than {limits.memory_bytes(size) >> 20} MiB needed.")
    if code == EXIT_UNCONFINED:
        return _refusal("sandbox.unavailable", "The kernel grants neither a network namespace nor seccomp.")
    if code in (-signal.SIGXCPU, -signal.SIGKILL) and ended["cpu_s"] >= int(limits.cpu_s(size)) - 1:
        return _refusal("sandbox.cpu_limit", f"More than {limits.cpu_s(size):.0f} processor seconds needed.")
    if code != 0:
        cause = f"signal {-code}" if code < 0 else f"exit code {code}"
        return _refusal("sandbox.crashed", f"The reader ended with {cause}.")
    try:
        return answer.decode(frame)
    except (ValueError, RecursionError) as error:
        return _refusal("sandbox.garbled", f"The reader's answer is not valid: {error}"[:300])


def _refusal(code: str, message: str) -> Report:
    return Report("unknown", False, (finding(code, message),), None, None)


def _judged(report: Report, policy: Policy, taken: _Input, seconds: float) -> Inspection:
    findings: tuple[Finding, ...] = report.findings
    if report.geometry is not None:
        findings += fit(report.geometry, policy, unit_known=report.unit_known)
    findings = graded(findings, policy)
    sound = report.geometry is not None and report.geometry.watertight
    if not sound and all(found.severity != "refuse" for found in findings):
        findings += (finding("sandbox.garbled", "The reader reported neither a sound part nor a reason."),)
    refused = any(found.severity == "refuse" for found in findings)
    return Inspection("refuse" if refused else "pass", findings, report.geometry, report.format, taken.sha256,
                      taken.size, seconds, report.thumbnail_png)  # fmt: skip
