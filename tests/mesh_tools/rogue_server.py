"""A process server whose children do what a hostile file might make a reader do, named by the file name."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mesh_tools.answer import Answer
from mesh_tools.errors import Refused
from mesh_tools.findings import Geometry, Report, finding
from mesh_tools.nursery import main

_SOUND = Geometry(12, 8, 1, 1, 6000.0, 2200.0, ((0.0, 0.0, 0.0), (10.0, 20.0, 30.0)), True)


def _descriptor() -> int:
    """The answer's pipe: the only descriptor of the child past its messages that cannot be sought."""
    for name in range(3, 64):
        try:
            os.lseek(name, 0, os.SEEK_CUR)
        except OSError as error:
            if error.errno == errno.ESPIPE:
                return name
    raise RuntimeError("no pipe")


def _answer(frame: bytes) -> None:
    os.write(_descriptor(), frame)
    os._exit(0)


def _allowed(attempt: str) -> bool:
    """Whether the confined child could do what it must not be able to do."""
    attempts = {
        "open": lambda: os.close(os.open("/etc/passwd", os.O_RDONLY)),
        "write": lambda: Path("/tmp/escaped").write_text("x"),
        "list": lambda: list(Path("/").iterdir()),
        "socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
        "unix": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close(),
        "fork": lambda: os.fork() or os._exit(0),
        "exec": lambda: os.execv("/bin/true", ["/bin/true"]),
        "kill": lambda: os.kill(os.getppid(), signal.SIGKILL),
        "memfd": lambda: os.close(os.memfd_create("x")),
    }
    try:
        attempts[attempt]()
    except OSError:
        return False
    return True


def work(job: str, inputs: Sequence[memoryview], names: Sequence[str], *_: object) -> Answer:
    """Behave as the first file's name says; `refuse` as a job would that refuses its input."""
    match names[0].split("-", 1):
        case ["spin"]:
            while True:
                pass
        case ["sleep"]:
            time.sleep(600)
        case ["eat"]:
            hoard = [bytearray(1 << 24) for _ in range(10_000)]
            return Answer({"hoard": len(hoard)})
        case ["crash"]:
            ctypes.string_at(0)
        case ["abort"]:
            os.abort()
        case ["raise"]:
            raise RuntimeError("broken reader")
        case ["recurse"]:
            work(job, inputs, names)
        case ["silent"]:
            os._exit(0)
        case ["exit"]:
            os._exit(3)
        case ["flood"]:
            while True:
                os.write(_descriptor(), bytes(1 << 16))
        case ["frame", kind]:
            _answer(_FRAMES[kind])
        case ["nothing"]:
            return Answer(Report("stl-binary", True, (), None, None).to_json())
        case ["pass"]:
            return Answer(Report("stl-binary", True, (), _SOUND, None).to_json())
        case ["refuse"]:
            raise Refused("mesh.empty", "Nothing in it.")
        case ["lengths"]:
            return Answer({"bytes": [len(data) for data in inputs], "names": list(names)})
        case ["large", size]:
            return Answer({}, {"large.bin": bytes(int(size))})
        case ["try", attempt]:
            code = "test.allowed" if _allowed(attempt) else "test.denied"
            return Answer(Report("probe", True, (finding(code, attempt),), None, None).to_json())
    raise RuntimeError(f"unknown behaviour {names[0]}")


def _raw(text: bytes, *blobs: bytes) -> bytes:
    head = b"PVA2" + len(text).to_bytes(4, "big") + len(blobs).to_bytes(4, "big")
    return b"".join([head, *(len(blob).to_bytes(8, "big") for blob in blobs), text, *blobs])


def _frame(value: bytes, picture: bytes = b"") -> bytes:
    if not picture:
        return _raw(b'{"blobs":[],"value":%s}' % value)
    return _raw(b'{"blobs":["thumbnail.png"],"value":%s}' % value, picture)


_GOOD = b'{"format":"x","unit_known":true,"findings":[],"geometry":%s}'
_GEOMETRY = (
    b'{"facets":12,"vertices":8,"bodies":1,"shells":1,"volume_mm3":%s,"area_mm2":1.0,'
    b'"bounds_mm":[[0,0,0],[1,1,1]],"watertight":%s}'
)
_FRAMES = {
    "text": b"hello",
    "short": b"PV",
    "magic": _frame(b"{}").replace(b"PVA2", b"XXXX"),
    "length": _frame(_GOOD % b"null") + b"more",
    "json": _frame(b"{nonsense"),
    "nan": _frame(_GOOD % (_GEOMETRY % (b"NaN", b"true"))),
    "infinite": _frame(_GOOD % (_GEOMETRY % (b"1e999", b"true"))),
    "type": _frame(_GOOD % (_GEOMETRY % (b"1.0", b'"yes"'))),
    "extra": _frame(b'{"format":"x","unit_known":true,"findings":[],"geometry":null,"verdict":"pass"}'),
    "list": _frame(b"[]"),
    "unnamed": _raw(b'{"blobs":[],"value":{}}', b"x"),
    "twice": _raw(b'{"blobs":["a","a"],"value":{}}', b"x", b"y"),
    "wordless": _raw(b'{"blobs":[7],"value":{}}', b"x"),
    "many": _raw(b'{"blobs":[],"value":{}}', *[b""] * 17),
    "overlong": b"PVA2" + bytes(4) + b"\0\0\0\1" + b"\xff" * 8,
    "refusal": _frame(b'{"refused":{"code":"mesh.empty"}}'),
    "deep": _frame(b"[" * 100_000 + b"]" * 100_000),
    "utf8": _frame(b"\xff\xfe"),
    "picture": _frame(_GOOD % (_GEOMETRY % (b"1.0", b"true")), b"<svg/>"),
    "finding": _frame(b'{"format":"x","unit_known":true,"findings":[{"code":1}],"geometry":null}'),
    "severity": _frame(
        b'{"format":"x","unit_known":true,"geometry":null,"findings":[{"code":"a","severity":"fine",'
        b'"count":1,"sample":null,"message":"","advice":""}]}'
    ),
    "open": _frame(_GOOD % (_GEOMETRY % (b"1.0", b"false"))),
}

if __name__ == "__main__":
    main(work)
    sys.exit(0)
