"""Memory to memory against raw AES-GCM, and how much memory a long stream and a long file take.

Run as `python -m benchmarks.vault.memory files|iterators`, it prints by how many MiB its own peak grows.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.figures import ROOT, Figure, announce
from benchmarks.vault.peers import KEY
from benchmarks.vault.steady import PIECE_BYTES, WARM_UP_ROUNDS, middle_half, timed
from storage import stream
from storage.envelope import ObjectContext
from storage.files import decrypt_file, encrypt_file
from storage.secret import DataKey

MIB = 512
ROUNDS = 15
PEAK_GIB = 4
CONTEXT = ObjectContext("org_bench", "rev_bench", 1, "print-file")


def figures() -> Iterator[Figure]:
    """Yield the ratios to raw AES-GCM, and the peaks."""
    announce(f"memory to memory, {WARM_UP_ROUNDS + ROUNDS} rounds")
    runs = _runs()
    rounds = [{name: timed(run).wall for name, run in runs.items()} for _ in range(WARM_UP_ROUNDS + ROUNDS)]
    for name in ("encrypt", "decrypt"):
        values = [seconds["raw"] / seconds[name] for seconds in rounds[WARM_UP_ROUNDS:]]
        label = f"{name} memory to memory / raw AES-GCM"
        yield Figure(label, statistics.median(values), "×", 0.45, "higher", middle_half(values))
    for way in ("files", "iterators"):
        announce(f"peak memory at {PEAK_GIB} GiB by {way}")
        command = [sys.executable, "-m", __name__, way]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
        label = f"peak memory over baseline at {PEAK_GIB} GiB by {way}"
        yield Figure(label, float(run.stdout), "MiB", 16, "lower")


def _runs() -> dict[str, Callable[[], None]]:
    """Return the contenders: one-shot `AESGCM.encrypt_into` on 1 MiB, and both directions of the stream."""
    piece, raw, room = os.urandom(PIECE_BYTES), AESGCM(KEY), bytearray(PIECE_BYTES + 16)
    message = b"".join(bytes(part) for part in stream.encrypt([piece] * 4, DataKey(KEY), CONTEXT))

    def plain_cipher() -> None:
        for _ in range(MIB):
            raw.encrypt_into(bytes(12), piece, None, room)

    def encrypt() -> None:
        for _ in stream.encrypt((piece for _ in range(MIB)), DataKey(KEY), CONTEXT):
            pass

    def decrypt() -> None:
        for _ in range(MIB // 4):
            for _ in stream.decrypt_views([message], DataKey(KEY), CONTEXT):
                pass

    return {"raw": plain_cipher, "encrypt": encrypt, "decrypt": decrypt}


def by_iterators() -> None:
    """Seal and open a stream of 4 GiB."""
    piece = os.urandom(PIECE_BYTES)
    source = (piece for _ in range(PEAK_GIB * 1024))
    for _ in stream.decrypt(stream.encrypt(source, DataKey(KEY), CONTEXT), DataKey(KEY), CONTEXT):
        pass


def by_files() -> None:
    """Seal and open a file of 4 GiB, itself a hole that takes no room on the disk."""
    with tempfile.TemporaryDirectory(prefix="bench-vault-") as folder:
        path = Path(folder)
        with (
            (path / "plain").open("w+b", buffering=0) as plain,
            (path / "sealed").open("w+b", buffering=0) as sealed,
        ):
            plain.truncate(PEAK_GIB * 2**30)
            encrypt_file(plain.fileno(), sealed.fileno(), DataKey(KEY), CONTEXT)
            decrypt_file(sealed.fileno(), plain.fileno(), DataKey(KEY), CONTEXT)


def peak_kib() -> int:
    """Return the highest resident set this process has had (`ru_maxrss` would start at its parent's)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    before = peak_kib()
    {"files": by_files, "iterators": by_iterators}[sys.argv[1]]()
    print((peak_kib() - before) / 1024)
