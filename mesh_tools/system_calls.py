"""A seccomp filter that takes files, network, processes and kernel interfaces away from this process.

A deny list, as a classic BPF program (seccomp(2)): the named calls fail with EPERM, a foreign call interface
ends the process. What remains is arithmetic, memory, and the descriptors that are already open.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from typing import Final

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE = 0, 4
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_X32_BIT = 0x40000000

_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_DENIED: Final = {
    "x86_64": {
        "open": 2, "creat": 85, "openat": 257, "openat2": 437, "truncate": 76, "rename": 82, "mkdir": 83,
        "rmdir": 84, "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "chown": 92, "mkdirat": 258,
        "mknod": 133, "mknodat": 259, "fchownat": 260, "unlinkat": 263, "renameat": 264, "linkat": 265,
        "symlinkat": 266, "fchmodat": 268, "renameat2": 316, "memfd_create": 319, "open_by_handle_at": 304,
        "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50,
        "socketpair": 53, "accept4": 288, "sendmmsg": 307, "clone": 56, "fork": 57, "vfork": 58, "execve": 59,
        "kill": 62, "clone3": 435, "execveat": 322, "ptrace": 101, "process_vm_readv": 310,
        "process_vm_writev": 311, "pidfd_open": 434, "pidfd_getfd": 438, "pidfd_send_signal": 424,
        "setrlimit": 160, "prlimit64": 302, "chroot": 161, "mount": 165, "umount2": 166, "pivot_root": 155,
        "unshare": 272, "setns": 308, "init_module": 175, "finit_module": 313, "reboot": 169, "bpf": 321,
        "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425, "add_key": 248,
        "request_key": 249, "keyctl": 250, "setuid": 105, "setgid": 106, "shmget": 29, "msgget": 68,
    },
    "aarch64": {
        "openat": 56, "openat2": 437, "truncate": 45, "mkdirat": 34, "mknodat": 33, "fchownat": 54,
        "unlinkat": 35, "renameat": 38, "linkat": 37, "symlinkat": 36, "fchmodat": 53, "renameat2": 276,
        "memfd_create": 279, "open_by_handle_at": 265, "socket": 198, "socketpair": 199, "bind": 200,
        "listen": 201, "accept": 202, "connect": 203, "sendto": 206, "sendmsg": 211, "accept4": 242,
        "sendmmsg": 269, "clone": 220, "execve": 221, "kill": 129, "clone3": 435, "execveat": 281,
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "pidfd_open": 434,
        "pidfd_getfd": 438, "pidfd_send_signal": 424, "setrlimit": 164, "prlimit64": 261, "chroot": 51,
        "mount": 40, "umount2": 39, "pivot_root": 41, "unshare": 97, "setns": 268, "init_module": 105,
        "finit_module": 273, "reboot": 142, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
        "io_uring_setup": 425, "add_key": 217, "request_key": 218, "keyctl": 219, "setuid": 146,
        "setgid": 144, "shmget": 194, "msgget": 186,
    },
}  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def deny() -> bool:
    """Install the filter on this process and its future children; False when the kernel cannot.

    Everything that will be imported must have been imported: files can no longer be opened.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        return False
    code = program(machine)
    libc = ctypes.CDLL(None, use_errno=True)
    filter_ = _Program(len(code) // 8, code)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0)
    return bool(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(filter_), 0, 0) == 0)


def program(machine: str) -> bytes:
    """The BPF program for `machine` ("x86_64" or "aarch64"), eight bytes an instruction."""
    numbers = sorted(set(_DENIED[machine].values()))
    count = len(numbers)
    code = [
        _instruction(_LOAD_WORD, _OFFSET_ARCHITECTURE),
        _instruction(_JUMP_EQUAL, _ARCHITECTURES[machine], yes=1),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD_WORD, _OFFSET_NUMBER),
        _instruction(_JUMP_AT_LEAST, _X32_BIT, yes=count + 1),
    ]
    for place, number in enumerate(numbers):
        code.append(_instruction(_JUMP_EQUAL, number, yes=count - place))
    code += [_instruction(_RETURN, _ALLOW), _instruction(_RETURN, _ERROR | errno.EPERM)]
    return b"".join(code)


def _instruction(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)
