"""PrusaSlicer as a locked-down process of its own: a mesh and settings in, G-code out.

The slicer reads only a binary STL this program wrote from validated triangles, and settings it wrote itself;
never a customer's package, whose settings can run programs (CVE-2023-47268). Around it:

- a folder of its own in memory (tmpfs), mode 0700, wiped afterwards;
- no network and no other processes: namespaces of its own (unshare(1)), which end with it; where the system
  does not allow them, `check` says so and slicing is refused;
- user nobody where the agent is root, no new privileges, no capabilities (setpriv(1));
- bounded memory, processor time, file size and descriptors (prlimit(1)), a time-out, an empty environment.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from printer_agent.errors import GateRefused

_NOBODY = 65534
_MEMORY = Path("/dev/shm")  # noqa: S108  a tmpfs by proc(5) and the Filesystem Hierarchy Standard
_TOOLS = ("unshare", "setpriv", "prlimit")
_ATTRIBUTE_AT = 84 + 48  # after header, count, normal and corners
_PROBE_S = 20.0
_SAID_MAX = 300


@dataclass(frozen=True)
class SlicerLimits:
    """What one run may use."""

    wall_s_max: float = 900.0
    cpu_s_max: int = 900
    memory_bytes_max: int = 4 << 30
    output_bytes_max: int = 1 << 30


class PrusaSlicer:
    """Slices by a PrusaSlicer program, in new folders below `folder`, which lies in memory."""

    def __init__(
        self, program: str = "prusa-slicer", limits: SlicerLimits | None = None, folder: Path = _MEMORY
    ) -> None:
        self._folder = folder
        self._program = program
        self._limits = limits or SlicerLimits()

    def check(self) -> str:
        """Whether program and confinement are there; a sentence. GateRefused ("no_slicer") where not."""
        missing = [name for name in (self._program, *_TOOLS) if shutil.which(name) is None]
        if missing:
            raise GateRefused("no_slicer", f"{', '.join(missing)} is not installed", "install prusa-slicer")
        if not os.path.ismount(_MEMORY) or not self._folder.is_relative_to(_MEMORY):
            raise GateRefused("no_slicer", f"{self._folder} is not in memory", f"mount a tmpfs at {_MEMORY}")
        probe = [*self._confined(), "true"]
        done = subprocess.run(probe, capture_output=True, timeout=_PROBE_S, check=False)  # noqa: S603
        if done.returncode != 0:
            raise GateRefused(
                "no_slicer",
                "this system lets no process be cut off from the network",
                "allow user namespaces",
            )
        return f"{shutil.which(self._program)}, without network and privileges"

    def slice(self, stl: bytes, profile: str) -> bytes:
        """Give the G-code of a binary STL (mm, as it stands on z = 0) by settings of `profile`.

        Raises GateRefused ("no_slicer", "slicer") where it cannot be had, breaks, or passes a limit.
        """
        self.check()
        with _private_folder(self._folder) as folder:
            _write(folder / "part.stl", _unmistakable(stl))
            _write(folder / "profile.ini", profile.encode())
            words = ["--export-gcode", "--load", "profile.ini", "--output", "out.gcode", "part.stl"]
            self._run([*self._confined(), self._program, *words], folder)
            return self._output(folder / "out.gcode")

    def _confined(self) -> list[str]:
        limits, root = self._limits, os.geteuid() == 0
        who = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"] if root else []
        powers = ["--inh-caps=-all", "--bounding-set=-all"] if root else []
        return [
            *("unshare", "--net", "--ipc", "--pid", "--fork", *([] if root else ["--map-root-user"]), "--"),
            *("setpriv", *who, *powers, "--no-new-privs", "--"),
            "prlimit",
            f"--as={limits.memory_bytes_max}",
            f"--cpu={limits.cpu_s_max}",
            f"--fsize={limits.output_bytes_max}",
            *("--nofile=256", "--core=0", "--"),
        ]

    def _run(self, command: list[str], folder: Path) -> None:
        environment = {"HOME": str(folder), "TMPDIR": str(folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
        with (folder / "said").open("wb") as said:
            process = subprocess.Popen(  # noqa: S603
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            try:
                code = process.wait(self._limits.wall_s_max)
            except subprocess.TimeoutExpired:
                raise GateRefused(
                    "slicer", f"slicing took longer than {self._limits.wall_s_max:g} s"
                ) from None
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code != 0:
            tail = (folder / "said").read_bytes()[-_SAID_MAX:].decode("ascii", "replace")
            raise GateRefused("slicer", f"the slicer ended with {code}: {' '.join(tail.split())}")

    def _output(self, path: Path) -> bytes:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise GateRefused("slicer", f"the slicer left no G-code: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > self._limits.output_bytes_max:
                raise GateRefused("slicer", f"the slicer left {status.st_size} bytes of no plain file")
            return stream.read(self._limits.output_bytes_max)


@contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    """A folder in memory that only the slicer's user may enter; every file is overwritten before it goes."""
    folder = Path(tempfile.mkdtemp(prefix="partvault-slice-", dir=parent))
    try:
        if os.geteuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)
        yield folder
    finally:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                path.write_bytes(bytes(path.stat().st_size))
        shutil.rmtree(folder)


def _unmistakable(stl: bytes) -> bytes:
    """Set the first facet's attribute bytes, which mean nothing, to 0xFFFF.

    PrusaSlicer takes a binary STL for text where the first 128 bytes after the count are all below 128, as
    they are of many plain boxes.
    """
    at = _ATTRIBUTE_AT
    return stl[:at] + b"\xff\xff" + stl[at + 2 :] if len(stl) >= at + 2 else stl


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, _NOBODY, _NOBODY)
