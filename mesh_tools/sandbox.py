"""The public face of the gate: a file goes in, a verdict comes out, whatever the file does.

Each job is done by a child process of its own (see `nursery`), which has its inputs as sealed memory
files, bounded memory, processor time and output, no network and no right to regain privileges. The
parent waits a bounded time, kills, and takes every crash, limit, time-out and unreadable answer for a
refusal. Threads may share one sandbox.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mesh_tools.answer import Answer
from mesh_tools.errors import Refused, SandboxUnavailable
from mesh_tools.findings import Finding, Inspection, Report, finding
from mesh_tools.gate import Policy, graded, sized
from mesh_tools.limits import Limits
from mesh_tools.memory_file import MemoryFile, pour
from mesh_tools.watching import Allowance, NotStartedError, await_answer, garbled

_SERVER = ("-m", "mesh_tools.nursery")
_START_S = 60.0
_END_S = 10.0
_GONE_S = 0.5


class Sandbox:
    """Has jobs done in confined child processes. Start it once, share it, close it.

    `inspect` never raises for what a file holds; it raises only what `source` itself raises (an upload cut
    off, an object damaged), leaving nothing behind. `run` raises Refused and SandboxUnavailable besides.
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
        taken = pour(source, self.limits.file_bytes_max)
        try:
            report = self._report(taken, filename, policy, pictures)
        finally:
            taken.close()
        return _judged(report, policy, taken, time.monotonic() - started)

    def run(
        self,
        job: str,
        sources: Sequence[tuple[str, Iterable[bytes]]],
        options: Mapping[str, Any] | None = None,
        *,
        answer_bytes_max: int | None = None,
    ) -> Answer:
        """Have `job` (see `mesh_tools.jobs`) done on `sources`, each a file name with its bytes.

        The answer's frame is sound and it is from this child; its values are for the caller to check. Raises
        Refused with the finding's code for what the input does not allow and for every limit and crash,
        SandboxUnavailable when no child can be had, and what a source itself raises.
        """
        taken: list[MemoryFile] = []
        try:
            for _, source in sources:
                taken.append(pour(source, self.limits.file_bytes_max))
                taken[-1].require_within(self.limits.file_bytes_max)
            names = [name for name, _ in sources]
            return self._perform(job, taken, names, options or {}, answer_bytes_max)
        finally:
            for file in taken:
                file.close()

    def _report(self, taken: MemoryFile, filename: str, policy: Policy, pictures: bool) -> Report:
        options = {"policy": policy.to_json(), "pictures": pictures}
        try:
            taken.require_within(self.limits.file_bytes_max)
            given = self._perform("inspect", [taken], [filename], options, None)
            return Report.from_json(given.value, given.blobs.get("thumbnail.png"))
        except Refused as refusal:
            return _refusal(refusal.code, refusal.message)
        except SandboxUnavailable as error:
            return _refusal("sandbox.unavailable", str(error))
        except ValueError as error:
            return _refusal("sandbox.garbled", garbled(error).message)

    def _perform(
        self,
        job: str,
        files: Sequence[MemoryFile],
        names: Sequence[str],
        options: Mapping[str, Any],
        answer_bytes_max: int | None,
    ) -> Answer:
        request = {
            "job": job,
            "names": [name[-255:] for name in names],
            "bytes": [file.size for file in files],
            "options": options,
            "limits": dataclasses.asdict(self.limits),
        }
        size = sum(file.size for file in files)
        allowance = Allowance.of(self.limits, size, answer_bytes_max)
        descriptors = [file.descriptor for file in files]
        with self._slots:
            try:
                return self._ask(descriptors, request, allowance)
            except NotStartedError:
                self._drop_server()
            return self._ask(descriptors, request, allowance)

    def _ask(self, descriptors: list[int], request: dict[str, Any], allowance: Allowance) -> Answer:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reader, writer = os.pipe()
        try:
            with theirs:
                self._send(json.dumps(request).encode(), [*descriptors, writer, theirs.fileno()])
            os.close(writer)
            writer = -1
            return _given(await_answer(ours, reader, allowance))
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


def _given(found: Answer) -> Answer:
    """The answer, or what the job itself refused."""
    refused = found.value.get("refused")
    if refused is None:
        return found
    try:
        told = Finding.from_json(refused)
    except ValueError as error:
        raise garbled(error) from None
    raise Refused(told.code, told.message, sample=told.sample)


def _refusal(code: str, message: str) -> Report:
    return Report("unknown", False, (finding(code, message),), None, None)


def _judged(report: Report, policy: Policy, taken: MemoryFile, seconds: float) -> Inspection:
    findings: tuple[Finding, ...] = report.findings
    if report.geometry is not None:
        findings += sized(report.geometry, policy, unit_known=report.unit_known)
    findings = graded(findings, policy)
    sound = report.geometry is not None and report.geometry.watertight
    sound = sound or (report.toolpath is not None and policy.machine is not None)
    if not sound and all(found.severity != "refuse" for found in findings):
        findings += (finding("sandbox.garbled", "The reader reported neither a sound part nor a reason."),)
    refused = any(found.severity == "refuse" for found in findings)
    return Inspection("refuse" if refused else "pass", findings, report.geometry, report.format, taken.sha256,
                      taken.size, seconds, report.thumbnail_png, report.toolpath)  # fmt: skip
