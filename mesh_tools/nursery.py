"""The process server: a single-threaded process with the readers preloaded that forks one child per file.

Started by the sandbox as `python -m mesh_tools.nursery DESCRIPTOR`; the descriptor is a SOCK_SEQPACKET
socket. A request is one JSON message with descriptors: the inputs (sealed memory files), the pipe for the
answer, and the socket on which the sandbox learns of the child: first a message with a pidfd, then how it
ended. When the control socket closes, all children are killed and the server ends.
"""

from __future__ import annotations

import json
import mmap
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from mesh_tools import answer, confine, system_calls
from mesh_tools.answer import EXIT_FAILED, EXIT_MEMORY, EXIT_UNCONFINED, Answer
from mesh_tools.errors import Refused
from mesh_tools.findings import finding
from mesh_tools.jobs import Options, perform
from mesh_tools.limits import INPUTS_MAX, Limits
from mesh_tools.warm_up import warm_up

REQUEST_BYTES_MAX = 65_536
Perform = Callable[[str, Sequence[memoryview], Sequence[str], Options, Limits], Answer]


class Nursery:
    """Serves requests on `control` until it closes."""

    def __init__(self, control: socket.socket, work: Perform, *, isolated: bool) -> None:
        """`work` does jobs in the child; `isolated`: this process has a network namespace of its own."""
        self._work = work
        self._isolated = isolated
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, tuple[int, socket.socket]] = {}

    def serve(self) -> None:
        """Fork a child for each request and report the end of each; returns when the parent is gone."""
        self._selector.register(self._control, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._reap(key.fd)
                elif not self._accept():
                    self._kill_all()
                    return

    def _accept(self) -> bool:
        try:
            message, descriptors, _, _ = socket.recv_fds(self._control, REQUEST_BYTES_MAX, INPUTS_MAX + 2)
        except ConnectionResetError:  # a parent that was killed before it read our last word
            return False
        if not message:
            return False
        request = json.loads(message)
        *sources, pipe, status_fd = descriptors
        status = socket.socket(fileno=status_fd)
        request["isolated"] = self._isolated
        child = os.fork()
        if child == 0:
            _become_child(request, sources, pipe, self._work)
        for descriptor in (*sources, pipe):
            os.close(descriptor)
        pidfd = os.pidfd_open(child)
        self._children[pidfd] = (child, status)
        self._selector.register(pidfd, selectors.EVENT_READ)
        _tell(status, {"pid": child}, [pidfd])
        return True

    def _reap(self, pidfd: int) -> None:
        child, status = self._children.pop(pidfd)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        _, ended, usage = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(ended)
        _tell(
            status,
            {"code": code, "cpu_s": usage.ru_utime + usage.ru_stime, "rss_bytes": usage.ru_maxrss * 1024},
        )
        status.close()

    def _kill_all(self) -> None:
        for pidfd in self._children:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def _tell(status: socket.socket, value: dict[str, Any], descriptors: list[int] | None = None) -> None:
    """Send to the sandbox, which may have given up on this child."""
    try:
        socket.send_fds(status, [json.dumps(value).encode()], descriptors or [])
    except OSError:
        return


def _become_child(request: dict[str, Any], sources: list[int], pipe: int, work: Perform) -> None:
    """Confine this fork, do the job, answer, end. Never returns; any failure is an exit code."""
    code = EXIT_FAILED
    try:
        confine.die_with_parent()
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        confine.close_all_but({*sources, pipe, 2})
        limits = Limits(**request["limits"])
        sizes = [int(size) for size in request["bytes"]]
        size = sum(sizes)
        confine.limit(confine.Budget(limits.memory_bytes(size), limits.cpu_s(size), limits.descriptors_max))
        inputs = [_mapped(source, size) for source, size in zip(sources, sizes, strict=True)]
        if not system_calls.deny() and not request["isolated"]:
            os._exit(EXIT_UNCONFINED)
        try:
            found = work(request["job"], inputs, request["names"], request["options"], limits)
        except Refused as refusal:
            told = finding(refusal.code, refusal.message, sample=refusal.sample)
            found = Answer({"refused": told.to_json()})
        _write_all(pipe, answer.encode(found))
        code = 0
    except MemoryError:
        code = EXIT_MEMORY
    except BaseException as error:  # noqa: BLE001 - the exit code carries it, the parent refuses
        os.write(2, f"inspection failed: {type(error).__name__}: {error}\n".encode()[:2000])
    finally:
        os._exit(code)


def _write_all(pipe: int, frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(pipe, view) :]


def _mapped(source: int, size: int) -> memoryview:
    """Map an input; its descriptor is closed, as the mapping keeps one of its own and they are few."""
    view = memoryview(mmap.mmap(source, size, prot=mmap.PROT_READ)) if size else memoryview(b"")
    os.close(source)
    return view


def main(work: Perform = perform) -> None:
    """Entry point of the server process; tests give it other `work`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    isolated = confine.without_network()
    warm_up()
    try:
        control.send(json.dumps({"ready": True, "network_namespace": isolated}).encode())
    except OSError:
        return
    Nursery(control, work, isolated=isolated).serve()


if __name__ == "__main__":
    main()
