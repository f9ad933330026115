"""Runs mutated files through the sandbox and has every pass judged a second time.

`python -m tests.mesh_tools.fuzz.campaign SECONDS [FIRST]` prints the counts, and what failed by its number.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from mesh_tools.gate import Policy
from mesh_tools.inspect import Inspection
from mesh_tools.sandbox import Sandbox
from tests.mesh_tools.fuzz.judge import objections
from tests.mesh_tools.fuzz.mutator import mutated_file

_BROKEN = frozenset({"sandbox.crashed", "sandbox.garbled", "sandbox.unavailable"})


@dataclass
class Tally:
    """What a campaign saw: verdicts and reasons by number of files, and failures by the file's number."""

    seen: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def files(self) -> int:
        return self.seen["pass"] + self.seen["refuse"]


def run(sandbox: Sandbox, numbers: Iterable[int], tally: Tally | None = None) -> Tally:
    """Inspect the files of `numbers`. A parent that raises, a reader that breaks or a bad pass has failed."""
    tally = tally or Tally()
    for number in numbers:
        name, data = mutated_file(number)
        try:
            inspection = sandbox.inspect([data], filename=name, policy=Policy(), pictures=False)
            wrong = _faults(data, inspection)
        except Exception as error:  # noqa: BLE001 - that is what the campaign looks for
            wrong = [f"raised {type(error).__name__}: {error}"]
        else:
            tally.seen.update([inspection.verdict, *{found.code for found in inspection.reasons}])
        if wrong:
            tally.failures[number] = f"{name}: {'; '.join(wrong)}"
    return tally


def _faults(data: bytes, inspection: Inspection) -> list[str]:
    if inspection.verdict == "pass":
        assert inspection.geometry is not None
        return objections(data, inspection.format, inspection.geometry.volume_mm3)
    if not inspection.reasons:
        return ["refused without a reason"]
    return [f"{found.code}: {found.message}" for found in inspection.reasons if found.code in _BROKEN]


def until(seconds: float, first: int) -> Iterator[int]:
    """Numbers from `first` on until `seconds` have gone by."""
    end = time.monotonic() + seconds
    for number in count(first):
        if time.monotonic() >= end:
            return
        yield number


def main() -> None:
    """Run for the seconds given and print what was seen."""
    tally = Tally()
    with Sandbox() as sandbox:
        for number in until(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0):
            known = len(tally.failures)
            run(sandbox, [number], tally)
            if len(tally.failures) > known:
                _print(f"{number} {tally.failures[number]}")
    _print(f"{tally.files} files, {len(tally.failures)} failures")
    for code, times in sorted(tally.seen.items()):
        _print(f"{times:8} {code}")


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
