"""Every I/O call and every await of a process, numbered by the interpreter itself, and death at one of them.

Loaded into a child process by a test; the product knows nothing of it. The profiling hook of the interpreter
(`sys.setprofile`) is told of every call into C before it is made, and of every coroutine that gives up its
turn. Those that touch the world are *points*: database, file, socket, process, wait, await. Nobody picks them
by hand, so a call that somebody adds tomorrow is a point tomorrow.

A point's name says which thread was where in our own code and what it was about to do, with how often it was
there before: `AnyIO worker thread|database|sqlite3.Cursor.execute|app/prints/redemption.py:259|0`. So a point
can be found again in another run, whatever the other threads do. Asked to, the process ends itself there by
SIGKILL, right before the call.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from tests.faults.forks import ROOT

OURS: Final = tuple(
    str(ROOT / name) + "/" for name in ("app", "ledger", "storage", "mesh_tools", "printer_agent")
)
KINDS: Final = ("database", "file", "socket", "process", "wait", "await")
_POINTS: Final = {
    "database": r"sqlite3\.(Connection|Cursor)\.(execute\w*|commit|rollback|fetch\w+)",
    "file": r"_io\.(open\w*|FileIO|Buffered\w+|TextIOWrapper)(\.(read\w*|write\w*|flush|close|truncate))?"
    r"|posix\.(open|read|write|pread|pwrite|writev|fsync|fdatasync|rename|replace|link|unlink|remove|mkdir"
    r"|rmdir|chmod|ftruncate|truncate|close|sendfile|memfd_create|scandir|listdir|l?stat)"
    r"|fcntl\.(flock|lockf|fcntl)",
    "socket": r"_?socket\.socket\.(connect\w*|bind|listen|_?accept|send\w*|recv\w*|shutdown|close)"
    r"|_ssl\._SSLSocket\.(read|write|do_handshake)",
    "process": r"_posixsubprocess\.fork_exec|posix\.(pipe2?|waitpid|wait4|kill|pidfd_open)|signal\.pidfd_\w+",
    "wait": r"_thread\.(lock|RLock)\.acquire|select\.(poll|epoll)\.poll|select\.select|time\.sleep"
    r"|_queue\.SimpleQueue\.get",
}
_KIND_OF: Final = [(kind, re.compile(pattern)) for kind, pattern in _POINTS.items()]
_NUMBER: Final = re.compile(r"[-_ ]?\d+$|-\d+_\d+$")
_WAITING: Final = frozenset({"wait", "_wait_for_tstate_lock", "get"})
_LOADER: Final = "<frozen importlib"


class Strikes:
    """Notes points while armed; `due` is the point to die at. One a process; install before threads start.

    idle: names of threads that have no part in what is watched
    """

    def __init__(self, dying: Callable[[str], None], idle: frozenset[str] = frozenset()) -> None:
        """`dying` is told the point of death right before it."""
        self.due: str | None = None
        self.passed: list[str] = []
        self._dying = dying
        self._idle = idle
        self._armed = False
        self._undecided: list[None] = []
        self._met: Counter[str] = Counter()
        self._kinds: dict[str, str | None] = {}
        self._places: dict[CodeType, str | None] = {}
        self._yielded: dict[int, int] = {}

    def install(self) -> None:
        """Watch this thread and all that start from now on."""
        threading.setprofile(self._hook)
        sys.setprofile(self._hook)

    def arm(self, due: str | None) -> None:
        """Begin to count anew, to die at `due`."""
        self.due, self.passed = due, []
        self._met.clear()
        self._undecided = [None]
        self._armed = True

    def disarm(self) -> list[str] | None:
        """Stop counting; gives the points passed, None where a thread is about to end the process."""
        self._armed = False
        return self.passed if self._decide() else None

    def _decide(self) -> bool:
        """Whether it is the first to say how this ends; the interpreter pops for one thread alone."""
        try:
            self._undecided.pop()
        except IndexError:
            return False
        return True

    def _hook(self, frame: FrameType, event: str, argument: Any) -> None:
        if not self._armed:
            return
        if event == "c_call":
            name = _name_of(argument)
            kind = self._kind(name)
            if kind is not None and not _aside(name, frame):
                self._pass(frame, kind, name)
        elif event == "return" and frame.f_code.co_flags & inspect.CO_COROUTINE:
            self._leave(frame, argument)

    def _leave(self, frame: FrameType, given: Any) -> None:
        """A coroutine that hands a future to the loop awaits; its callers hand the same one on."""
        thread = threading.get_ident()
        if not isinstance(given, asyncio.Future):
            self._yielded.pop(thread, None)
        elif self._yielded.get(thread) != id(given):
            self._yielded[thread] = id(given)
            self._pass(frame, "await", frame.f_code.co_qualname)

    def _pass(self, frame: FrameType, kind: str, name: str) -> None:
        thread = _NUMBER.sub("", threading.current_thread().name)
        if thread in self._idle:
            return
        place = f"{thread}|{kind}|{name}|{self._place(frame)}"
        point = f"{place}|{self._met[place]}"
        self._met[place] += 1
        self.passed.append(point)
        if point == self.due and self._decide():
            self._armed = False
            self._dying(point)
            os.kill(os.getpid(), signal.SIGKILL)

    def _kind(self, name: str) -> str | None:
        if name not in self._kinds:
            self._kinds[name] = next((kind for kind, form in _KIND_OF if form.fullmatch(name)), None)
        return self._kinds[name]

    def _place(self, frame: FrameType) -> str:
        """The nearest line of our own code, else the library's function."""
        at: FrameType | None = frame
        while at is not None:
            file = at.f_code.co_filename
            if file.startswith(OURS):
                return f"{file[len(str(ROOT)) + 1 :]}:{at.f_lineno}"
            at = at.f_back
        return f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}"


def _name_of(function: Any) -> str:
    owner = getattr(function, "__self__", None)
    if owner is None or inspect.ismodule(owner):
        return f"{function.__module__}.{function.__name__}"
    kind = owner if isinstance(owner, type) else type(owner)
    return f"{kind.__module__}.{kind.__name__}.{function.__name__}"


def _aside(name: str, frame: FrameType) -> bool:
    """Whether a call loads a module, or takes a lock for a moment and not to wait for somebody."""
    code = frame.f_code
    return code.co_filename.startswith(_LOADER) or (name.endswith("acquire") and code.co_name not in _WAITING)


def spread(points: list[str], wanted: int) -> list[str]:
    """Choose so many of them, evenly spread, each time others; all where there are not more."""
    if wanted >= len(points):
        return list(points)
    step, offset = len(points) / wanted, random.random()
    return [points[int(step * (number + offset))] for number in range(wanted)]


def by_kind(points: list[str]) -> str:
    """Say how many points there are of each kind."""
    kinds = Counter(point.split("|")[1] for point in points)
    return ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS)


def died(chosen: list[str], missed: list[str]) -> str:
    """Say at how many of the chosen points it died."""
    return f"died at {len(chosen) - len(missed)} of {len(chosen)} chosen, {len(missed)} not met again"
