from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image

from mesh_tools.errors import Refused, SandboxUnavailable
from mesh_tools.gate import Policy
from mesh_tools.inspect import Inspection
from mesh_tools.limits import Limits
from mesh_tools.sandbox import Sandbox
from tests.mesh_tools import shapes

_ROGUE = (str(Path(__file__).parent / "rogue_server.py"),)
_TIGHT = Limits(cpu_base_s=1.0, memory_base_bytes=256 << 20, answer_bytes_max=1 << 20)
_HASTY = Limits(wall_base_s=0.7)
_SOUND = shapes.stl_binary(shapes.corners(shapes.box()))


@pytest.fixture(scope="module")
def rogue() -> Iterator[Sandbox]:
    with Sandbox(_TIGHT, server=_ROGUE) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def hasty() -> Iterator[Sandbox]:
    with Sandbox(_HASTY, server=_ROGUE) as sandbox:
        yield sandbox


def _behave(sandbox: Sandbox, behaviour: str) -> Inspection:
    return sandbox.inspect([b"x"], filename=behaviour, policy=Policy())


def _verdict(sandbox: Sandbox) -> str:
    return sandbox.inspect([_SOUND], filename="a.stl", policy=Policy(), pictures=False).verdict


class TestKill:
    @pytest.mark.parametrize(
        ("behaviour", "code"),
        [
            ("spin", "sandbox.cpu_limit"),
            ("eat", "sandbox.memory_limit"),
            ("crash", "sandbox.crashed"),
            ("abort", "sandbox.crashed"),
            ("raise", "sandbox.crashed"),
            ("recurse", "sandbox.crashed"),
            ("exit", "sandbox.crashed"),
            ("silent", "sandbox.garbled"),
            ("flood", "sandbox.garbled"),
            ("nothing", "sandbox.garbled"),
        ],
    )
    def test_refuses(self, rogue: Sandbox, behaviour: str, code: str) -> None:
        inspection = _behave(rogue, behaviour)
        assert inspection.verdict == "refuse"
        assert [found.code for found in inspection.reasons] == [code]
        assert inspection.sha256 == hashlib.sha256(b"x").digest()

    def test_refuses_what_takes_too_long(self, hasty: Sandbox) -> None:
        inspection = _behave(hasty, "sleep")  # for ten minutes
        assert [found.code for found in inspection.reasons] == ["sandbox.time_out"]

    def test_serves_on_after_every_death(self, rogue: Sandbox) -> None:
        for behaviour in ("crash", "exit", "frame-text"):
            assert _behave(rogue, behaviour).verdict == "refuse"
        assert _behave(rogue, "pass").verdict == "pass"

    def test_leaves_no_child_behind(self, hasty: Sandbox) -> None:
        _behave(hasty, "sleep")
        assert hasty.server_pid is not None
        children = psutil.Process(hasty.server_pid).children()
        assert not [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


_GARBLED = ("text", "short", "magic", "length", "json", "nan", "infinite", "type", "extra", "list", "deep",
            "utf8", "picture", "finding", "severity", "open", "unnamed", "twice", "wordless", "many",
            "overlong", "refusal")  # fmt: skip


class TestGarbledAnswer:
    @pytest.mark.parametrize("kind", _GARBLED)
    def test_refuses(self, rogue: Sandbox, kind: str) -> None:
        inspection = _behave(rogue, f"frame-{kind}")
        assert [found.code for found in inspection.reasons] == ["sandbox.garbled"]


class TestConfinement:
    @pytest.mark.parametrize(
        "attempt", ["open", "write", "list", "socket", "unix", "fork", "exec", "kill", "memfd"]
    )
    def test_denies(self, rogue: Sandbox, attempt: str) -> None:
        assert [found.code for found in _behave(rogue, f"try-{attempt}").findings] == ["test.denied"]


class TestRun:
    def test_hands_over_every_input(self, rogue: Sandbox) -> None:
        found = rogue.run("any", [("lengths", [b"abc", b"d"]), ("second.stl", []), ("x" * 300, [b"1"])])
        assert found.value == {"bytes": [4, 0, 1], "names": ["lengths", "second.stl", "x" * 255]}

    def test_raises_what_the_job_refuses(self, rogue: Sandbox) -> None:
        with pytest.raises(Refused, match="Nothing in it") as caught:
            rogue.run("any", [("refuse", [b"x"])])
        assert caught.value.code == "mesh.empty"

    @pytest.mark.parametrize(
        ("behaviour", "code"), [("crash", "crashed"), ("silent", "garbled"), ("frame-text", "garbled")]
    )
    def test_raises_where_a_verdict_would_refuse(self, rogue: Sandbox, behaviour: str, code: str) -> None:
        with pytest.raises(Refused) as caught:
            rogue.run("any", [(behaviour, [b"x"])])
        assert caught.value.code == f"sandbox.{code}"

    def test_takes_a_larger_answer_where_the_caller_allows_it(self, rogue: Sandbox) -> None:
        source = ("large-1500000", [b"x"])
        assert len(rogue.run("any", [source], answer_bytes_max=2 << 20).blobs["large.bin"]) == 1_500_000
        with pytest.raises(Refused, match="longer than 1048576 bytes"):
            rogue.run("any", [source])

    def test_refuses_an_input_past_the_limit(self) -> None:
        with Sandbox(Limits(file_bytes_max=10)) as small, pytest.raises(Refused) as caught:
            small.run("inspect", [("a.stl", [b"12345"]), ("b.stl", [b"12345678901"])])
        assert caught.value.code == "input.too_large"

    def test_raises_what_a_source_raises(self, rogue: Sandbox) -> None:
        def cut() -> Iterator[bytes]:
            yield b"x"
            raise ConnectionError("gone")

        with pytest.raises(ConnectionError):
            rogue.run("any", [("lengths", [b"x"]), ("second", cut())])


class TestInspect:
    def test_passes_a_sound_part(self, sandbox: Sandbox) -> None:
        inspection = sandbox.inspect([_SOUND], filename="box.stl", policy=Policy())
        assert inspection.verdict == "pass"
        assert inspection.format == "stl-binary"
        assert inspection.bytes == len(_SOUND)
        assert inspection.sha256 == hashlib.sha256(_SOUND).digest()
        assert inspection.geometry is not None
        assert inspection.geometry.volume_mm3 == pytest.approx(6000)
        assert inspection.geometry.size_mm == pytest.approx((10, 20, 30))
        assert inspection.thumbnail_png is not None
        assert "thumbnail" not in str(inspection.to_json())

    def test_draws_what_is_wrong_with_a_part_it_refuses(self, sandbox: Sandbox) -> None:
        """The picture of findings is wider than the thumbnail: it names them beside the part."""
        holed = shapes.stl_binary(shapes.corners(shapes.box())[1:])
        sizes = []
        for data in (_SOUND, holed):
            picture = sandbox.inspect([data], filename="box.stl", policy=Policy()).thumbnail_png
            assert picture is not None
            sizes.append(Image.open(io.BytesIO(picture)).size)
        assert sizes[0][0] == sizes[0][1]
        assert sizes[1][0] > sizes[1][1]

    def test_takes_the_source_in_any_pieces(self, sandbox: Sandbox) -> None:
        pieces = (_SOUND[start : start + 7] for start in range(0, len(_SOUND), 7))
        assert sandbox.inspect(pieces, filename="box.stl", policy=Policy()).verdict == "pass"

    def test_refuses_an_empty_file(self, sandbox: Sandbox) -> None:
        inspection = sandbox.inspect([], filename="box.stl", policy=Policy())
        assert [found.code for found in inspection.reasons] == ["input.empty"]

    def test_stops_reading_past_the_limit(self) -> None:
        taken = 0

        def endless() -> Iterator[bytes]:
            nonlocal taken
            while True:
                taken += 1
                yield bytes(1 << 20)

        with Sandbox(Limits(file_bytes_max=4 << 20)) as small:
            inspection = small.inspect(endless(), filename="big.stl", policy=Policy())
        assert [found.code for found in inspection.reasons] == ["input.too_large"]
        assert taken == 5

    def test_passes_on_what_the_source_raises(self, sandbox: Sandbox) -> None:
        def cut() -> Iterator[bytes]:
            yield _SOUND[:100]
            raise ConnectionResetError("upload cut off")

        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(ConnectionResetError):
            sandbox.inspect(cut(), filename="box.stl", policy=Policy())
        assert len(list(Path("/proc/self/fd").iterdir())) <= before

    def test_serves_many_threads(self, sandbox: Sandbox) -> None:
        def once(number: int) -> str:
            data = _SOUND if number % 2 else _SOUND[:-50]
            return sandbox.inspect([data], filename="box.stl", policy=Policy(), pictures=False).verdict

        with ThreadPoolExecutor(6) as pool:
            verdicts = list(pool.map(once, range(24)))
        assert verdicts == ["refuse", "pass"] * 12

    def test_survives_the_end_of_the_thread_that_started_it(self) -> None:
        with Sandbox() as fresh:
            starter = threading.Thread(target=fresh.start)
            starter.start()
            starter.join()
            assert _verdict(fresh) == "pass"

    @pytest.mark.parametrize("warm", [True, False], ids=["warm", "warming"])
    def test_restarts_a_server_that_was_killed(self, *, warm: bool) -> None:
        with Sandbox() as fresh:
            if warm:
                fresh.wait_ready()
            assert fresh.server_pid is not None
            psutil.Process(fresh.server_pid).kill()
            assert _verdict(fresh) == "pass"

    def test_refuses_when_closed(self) -> None:
        closed = Sandbox()
        closed.close()
        inspection = closed.inspect([_SOUND], filename="a.stl", policy=Policy())
        assert [found.code for found in inspection.reasons] == ["sandbox.unavailable"]


class TestStart:
    def test_returns_at_once(self) -> None:
        with Sandbox(server=("-c", "import time; time.sleep(3)")) as slow:
            begun = time.monotonic()
            slow.start()
            assert time.monotonic() - begun < 2

    def test_says_when_the_server_does_not_come_up(self) -> None:
        broken = Sandbox(server=("-c", "raise SystemExit(1)"))
        with pytest.raises(SandboxUnavailable, match="did not come up"):
            broken.wait_ready()
        inspection = broken.inspect([_SOUND], filename="a.stl", policy=Policy())
        assert [found.code for found in inspection.reasons] == ["sandbox.unavailable"]
        broken.close()

    def test_gives_the_server_no_environment(self, sandbox: Sandbox) -> None:
        assert sandbox.server_pid is not None
        names = set(psutil.Process(sandbox.server_pid).environ())
        assert names <= {"PATH", "PYTHONPATH", "LANG", "LC_CTYPE", "MALLOC_ARENA_MAX", "OPENBLAS_NUM_THREADS",
                         "OMP_NUM_THREADS", "PYTHONDONTWRITEBYTECODE"}  # fmt: skip
