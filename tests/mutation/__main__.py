"""`python -m tests.mutation [FILE …]`: mutate the critical checks, or whole modules; show the survivors."""

from __future__ import annotations

import sys
import time

from tests.mutation.campaign import critical, equivalents, survivors, whole
from tests.mutation.mutants import Mutant


def main(paths: list[str]) -> int:
    """Return 1 where a mutant survives that the table doesn't hold, or the table holds one that doesn't."""
    candidates = whole(paths) if paths else critical()
    known = {equivalent.name for equivalent in equivalents()}
    judged, begun = 0, time.monotonic()

    def note(mutant: Mutant, noticed: bool) -> None:
        nonlocal judged
        judged += 1
        if not noticed and mutant.name not in known:
            sys.stdout.write(f"SURVIVES {mutant}\n")
            sys.stdout.flush()
        if judged % 50 == 0:
            sys.stderr.write(f"{judged} of {len(candidates)} after {time.monotonic() - begun:.0f} s\n")

    left = {mutant.name for mutant in survivors(candidates, note)}
    present = {mutant.name for mutant in candidates}
    for name in sorted(known & present - left):
        sys.stdout.write(f"NOT EQUIVALENT {name}\n")
    for name in sorted(known - present):
        if not paths or name[0] in paths:
            sys.stdout.write(f"NO SUCH MUTANT {name}\n")
    new = left - known
    sys.stdout.write(f"{len(candidates)} mutants, {len(left)} survive, {len(new)} of them unexplained\n")
    return int(bool(new))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
