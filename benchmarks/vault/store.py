"""The whole of a put and an open on the local store, as the service does them.

A put takes two SHA-256, of plaintext and ciphertext, seals, writes a new file and flushes it to the disk. It
is bound by the digests and by the disk; one SHA-256 of the same file in the same round is the yardstick.
"""

from __future__ import annotations

import hashlib
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, announce
from benchmarks.vault.steady import PIECE_BYTES, WARM_UP_ROUNDS, make, middle_half, pieces, timed
from storage.backends.local import LocalObjects
from storage.envelope import ObjectContext
from storage.keys.file import FileKeys
from storage.vault import StoredObject, Vault

MIB = 256
ROUNDS = 7
CONTEXT = ObjectContext("org_bench", "rev_bench", 1, "print-file")


def figures() -> Iterator[Figure]:
    """Yield put and open, each as a rate and as a ratio of hashing the file once."""
    taken: dict[str, list[float]] = {"put": [], "open": [], "SHA-256": []}
    with tempfile.TemporaryDirectory(prefix="bench-vault-") as folder:
        plain = Path(folder, "plain")
        make(plain, MIB)
        vault = Vault(LocalObjects(Path(folder, "objects")), FileKeys(Path(folder, "keys", "ring.json")))
        for turn in range(WARM_UP_ROUNDS + ROUNDS):
            announce(f"put and open on the local store, round {turn + 1} of {WARM_UP_ROUNDS + ROUNDS}")
            for name, seconds in _round(vault, plain).items():
                if turn >= WARM_UP_ROUNDS:
                    taken[name].append(seconds)
    for name in ("put", "open"):
        rates = [MIB / seconds for seconds in taken[name]]
        label = f"{name} {MIB} MiB on the local store"
        yield Figure(label, statistics.median(rates), "MiB/s", None, "higher", middle_half(rates))
        ratios = [hashed / mine for hashed, mine in zip(taken["SHA-256"], taken[name], strict=True)]
        label = f"{name} {MIB} MiB on the local store / SHA-256 alone"
        yield Figure(label, statistics.median(ratios), "×", None, "higher", middle_half(ratios))


def _round(vault: Vault, plain: Path) -> dict[str, float]:
    """Return the seconds of hashing the file, of putting it and of opening it again."""
    kept: list[StoredObject] = []

    def hashed() -> None:
        digest = hashlib.sha256()
        for piece in pieces(plain):
            digest.update(piece)

    def opened() -> None:
        for _ in vault.open(kept[0], CONTEXT):
            pass

    seconds = {
        "SHA-256": timed(hashed).wall,
        "put": timed(lambda: kept.append(vault.put(CONTEXT, pieces(plain), MIB * PIECE_BYTES))).wall,
        "open": timed(opened).wall,
    }
    vault.discard(kept[0])
    return seconds
