"""Waiting for one child: a bounded time, a bounded answer, and a refusal for every other end."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from typing import Any

from mesh_tools import answer
from mesh_tools.answer import EXIT_MEMORY, EXIT_UNCONFINED, Answer
from mesh_tools.errors import Refused, SandboxUnavailable
from mesh_tools.limits import Limits

_END_S = 10.0
_READ_BYTES = 1 << 16


class NotStartedError(SandboxUnavailable):
    """The server ended before it made a child: no byte of the input was read."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one job may cost, for its size: seconds, processor seconds, bytes of memory and of answer."""

    wall_s: float
    cpu_s: float
    memory_bytes: int
    answer_bytes: int

    @classmethod
    def of(cls, limits: Limits, input_bytes: int, answer_bytes: int | None = None) -> Allowance:
        """The allowance under `limits` for inputs of that many bytes together."""
        return cls(
            limits.wall_s(input_bytes), limits.cpu_s(input_bytes), limits.memory_bytes(input_bytes),
            limits.answer_bytes_max if answer_bytes is None else answer_bytes,
        )  # fmt: skip


def await_answer(status: socket.socket, reader: int, allowance: Allowance) -> Answer:
    """Wait for the answer and the end of one child; kills it at the time limit or on too much output.

    Raises Refused for any end but an orderly one with a valid answer, NotStartedError when there never was
    a child, SandboxUnavailable when the server went away with it.
    """
    deadline = time.monotonic() + allowance.wall_s
    pidfd = _pidfd(status, deadline)
    try:
        try:
            frame = _collect(reader, deadline, allowance)
        except Refused:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            _ended(status, time.monotonic() + _END_S)
            raise
        ended = _ended(status, deadline)
        if ended is None:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            raise Refused("sandbox.time_out", f"Not finished after {allowance.wall_s:.0f} s.")
        return _answered(frame, ended, allowance)
    except ProcessLookupError:
        raise Refused("sandbox.crashed", "The reader ended while it was being stopped.") from None
    finally:
        os.close(pidfd)


def _pidfd(status: socket.socket, deadline: float) -> int:
    status.settimeout(max(0.1, deadline - time.monotonic()))
    try:
        _, descriptors, _, _ = socket.recv_fds(status, 4096, 1)
    except OSError as error:
        raise NotStartedError(f"no child was started: {error}") from error
    if len(descriptors) != 1:
        raise NotStartedError("no child was started")
    return descriptors[0]


def _collect(reader: int, deadline: float, allowance: Allowance) -> bytes:
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    frame = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise Refused("sandbox.time_out", f"No answer within {allowance.wall_s:.0f} s.")
        block = os.read(reader, _READ_BYTES)
        if not block:
            return bytes(frame)
        frame += block
        if len(frame) > allowance.answer_bytes:
            raise Refused("sandbox.garbled", f"The answer is longer than {allowance.answer_bytes} bytes.")


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


def _answered(frame: bytes, ended: dict[str, Any], allowance: Allowance) -> Answer:
    code = ended["code"]
    if code == EXIT_MEMORY:
        raise Refused("sandbox.memory_limit", f"More than {allowance.memory_bytes >> 20} MiB needed.")
    if code == EXIT_UNCONFINED:
        raise SandboxUnavailable("the kernel grants neither a network namespace nor seccomp")
    if code in (-signal.SIGXCPU, -signal.SIGKILL) and ended["cpu_s"] >= int(allowance.cpu_s) - 1:
        raise Refused("sandbox.cpu_limit", f"More than {allowance.cpu_s:.0f} processor seconds needed.")
    if code != 0:
        cause = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise Refused("sandbox.crashed", f"The reader ended with {cause}.")
    try:
        return answer.decode(frame)
    except (ValueError, RecursionError) as error:
        raise garbled(error) from None


def garbled(error: Exception) -> Refused:
    """The refusal of an answer whose frame or fields are not valid."""
    return Refused("sandbox.garbled", f"The reader's answer is not valid: {error}"[:300])
