"""What a child that runs the attacker's code can still ask of the kernel, tried in a confined fork."""

from __future__ import annotations

import ctypes
import os
import signal
import time

import pytest

from mesh_tools import confine, system_calls

_libc = ctypes.CDLL(None, use_errno=True)
_PATH = b"/etc/passwd"
_X86_64 = {
    "tkill": (200, "victim", signal.SIGKILL),
    "tgkill": (234, "victim", "victim", signal.SIGKILL),
    "own the pipe's signal": (72, "pipe", 8, "victim"),
    "choose the pipe's signal": (72, "pipe", 10, signal.SIGKILL),
    "setpriority": (141, 0, "victim", 15),
    "sched_setaffinity": (203, "victim", 8, b"\1" + bytes(7)),
    "stat": (4, _PATH, bytes(256)),
    "statx": (332, -100, _PATH, 0, 0xFFF, bytes(256)),
    "readlink": (89, b"/proc/self/exe", bytes(256), 255),
    "chdir": (80, b"/"),
    "utimensat": (280, -100, b"/nowhere", None, 0),
    "setxattr": (188, b"/nowhere", b"user.x", b"1", 1, 0),
    "lchown": (94, b"/nowhere", -1, -1),
    "fchmodat2": (452, -100, b"/nowhere", 0o600, 0),
    "inotify_init": (253,),
    "mq_open": (240, b"nowhere", 0, 0, None),
    "semget": (64, 1, 0, 0),
    "open_tree": (428, -100, b"/", 1),
    "fsopen": (430, b"tmpfs", 0),
    "swapoff": (168, b"/nowhere"),
    "settimeofday": (164, None, None),
    "syslog": (103, 3, bytes(64), 64),
    "memfd_secret": (447, 0),
}


def _refused(call: str, victim: int) -> bool:
    """Whether a confined fork gets EPERM for `call`; `victim` is a process of this user."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        confine.close_all_but({writer})
        confine.limit(confine.Budget(256 << 20, 5, 32))
        names = {"victim": victim, "pipe": writer}
        number, *given = _X86_64[call]
        arguments = [names[value] if isinstance(value, str) else value for value in given]
        denied = system_calls.deny() and _libc.syscall(ctypes.c_long(number), *arguments) == -1
        os.write(writer, bytes([denied and ctypes.get_errno() == 1]))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        told = stream.read()
    os.waitpid(child, 0)
    return told == b"\1"


class TestDeny:
    @pytest.mark.skipif(os.uname().machine != "x86_64", reason="the calls' numbers are those of x86_64")
    @pytest.mark.parametrize("call", _X86_64)
    def test_leaves_nothing_but_memory_and_open_descriptors(self, call: str) -> None:
        victim = os.fork()
        if victim == 0:
            time.sleep(60)
            os._exit(0)
        try:
            assert _refused(call, victim)
            assert os.waitpid(victim, os.WNOHANG) == (0, 0)
        finally:
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
