"""The vault's figures: disk to disk and memory to memory, against a copy loop, raw AES-GCM and its peers.

All contenders of a size run in turn within each round, and a figure is the median over the rounds of the
reference's seconds to ours. Peers (Tink, AWS Encryption SDK, age) get an environment of their own on first
use, where this file runs as `python vault.py PEER`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # found too where the peers' interpreter runs this file

from benchmarks.figures import Figure

PIECE_BYTES = 1024 * 1024
ROUNDS = {256: 5, 1024: 3}
"""Rounds for each file size in MiB."""

PEER_BARS = {"tink": (1.5, 2.5), "aws": (2.2, 1.8), "age": (1.8, 2.4)}
"""How many times faster than each peer encrypting and decrypting must be."""

PEER_PACKAGES = ("tink==1.16.1", "aws-encryption-sdk==4.0.7", "pyrage==1.4.0")
PEER_KEY = bytes(range(32))
MEMORY_GIB = 4


def pieces(path: Path) -> Iterator[bytes]:
    """Yield the file in pieces of 1 MiB."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def write(path: Path, source: Iterator[bytes | memoryview]) -> None:
    """Write the pieces to a new file."""
    with path.open("wb", buffering=0) as file:
        for piece in source:
            file.write(piece)


def timed(action: Callable[[], object], target: Path | None = None) -> float:
    """Return the seconds of one run, begun with no write-back of earlier ones under way.

    `target` is removed right before, so that its pages are at hand for the new file: a virtual machine gives
    pages that stay free back to its host, and whoever needs them next would pay for it.
    """
    os.sync()
    if target:
        target.unlink(missing_ok=True)
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def ours(direction: str, source: Path, target: Path) -> None:
    """Run the project's stream from file to file."""
    from storage import stream
    from storage.envelope import ObjectContext
    from storage.secret import DataKey

    context = ObjectContext("org_bench", "rev_bench", 1, "print-file")
    run = stream.encrypt if direction == "encrypt" else stream.decrypt_views
    write(target, run(pieces(source), DataKey(PEER_KEY), context))


def tink_peer(direction: str, source: Path, target: Path) -> None:
    """Run Tink's streaming AEAD, AES-256-GCM with segments of 1 MiB."""
    import tink
    from tink import secret_key_access, streaming_aead

    streaming_aead.register()
    keyset = source.with_name("tink.keyset")
    if not keyset.exists():
        fresh = tink.new_keyset_handle(streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB)
        keyset.write_text(tink.json_proto_keyset_format.serialize(fresh, secret_key_access.TOKEN))
    handle = tink.json_proto_keyset_format.parse(keyset.read_text(), secret_key_access.TOKEN)
    primitive = handle.primitive(streaming_aead.StreamingAead)
    with source.open("rb") as plain, target.open("wb") as out:
        if direction == "encrypt":
            with primitive.new_encrypting_stream(out, b"context") as stream:
                while piece := plain.read(PIECE_BYTES):
                    stream.write(piece)
        else:
            with primitive.new_decrypting_stream(plain, b"context") as stream:
                while piece := stream.read(PIECE_BYTES):
                    out.write(piece)


def aws_peer(direction: str, source: Path, target: Path) -> None:
    """Run the AWS Encryption SDK with frames of 1 MiB, key commitment and no signature."""
    import aws_encryption_sdk as sdk
    from aws_encryption_sdk.identifiers import EncryptionKeyType, WrappingAlgorithm
    from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
    from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider

    class OneKey(RawMasterKeyProvider):
        provider_id = "bench"

        def _get_raw_key(self, _: bytes) -> object:
            algorithm = WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING
            return WrappingKey(algorithm, PEER_KEY, EncryptionKeyType.SYMMETRIC)

    provider = OneKey()
    provider.add_master_key(b"key")
    client = sdk.EncryptionSDKClient()
    options: dict[str, object] = {}
    if direction == "encrypt":
        suite = sdk.Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
        options = {"frame_length": PIECE_BYTES, "algorithm": suite}
    with source.open("rb") as plain, target.open("wb") as out:
        for piece in client.stream(mode=direction[0], source=plain, key_provider=provider, **options):
            out.write(piece)


def age_peer(direction: str, source: Path, target: Path) -> None:
    """Run age (its Rust implementation) to an X25519 recipient."""
    import pyrage

    identity_file = source.with_name("age.identity")
    if not identity_file.exists():
        identity_file.write_text(str(pyrage.x25519.Identity.generate()))
    identity = pyrage.x25519.Identity.from_str(identity_file.read_text())
    if direction == "encrypt":
        pyrage.encrypt_file(str(source), str(target), [identity.to_public()])
    else:
        pyrage.decrypt_file(str(source), str(target), [identity])


PEERS = {"tink": tink_peer, "aws": aws_peer, "age": age_peer}


def peer_python() -> Path:
    """Return the peers' interpreter, making their environment where it is absent."""
    environment = Path(sys.prefix) / "bench-peers"
    python = environment / "bin" / "python"
    if not python.exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PEER_PACKAGES], check=True)
    return python


class Peer:
    """A peer's process, kept for all rounds, so that neither start-up nor imports are timed."""

    def __init__(self, python: Path, name: str) -> None:
        command = [python, __file__, name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, direction: str, source: Path, target: Path) -> float:
        """Return the seconds of one run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{direction}\t{source}\t{target}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve(name: str) -> None:
    """Do what the lines on standard input ask, and answer each with its seconds."""
    for line in sys.stdin:
        direction, source, target = line.rstrip("\n").split("\t")
        seconds = timed(lambda: PEERS[name](direction, Path(source), Path(target)), Path(target))  # noqa: B023
        print(seconds, flush=True)


def measure() -> list[Figure]:
    """Measure everything; about two minutes."""
    python = peer_python()
    peers = {name: Peer(python, name) for name in PEERS}
    figures: list[Figure] = []
    try:
        for mib, rounds in ROUNDS.items():
            with tempfile.TemporaryDirectory(prefix="bench-vault-") as folder:
                figures += disk_figures(Path(folder), mib, rounds, peers)
    finally:
        for peer in peers.values():
            peer.close()
    return figures + memory_figures() + [peak_figure(), range_figure()]


def disk_figures(folder: Path, mib: int, rounds: int, peers: dict[str, Peer]) -> list[Figure]:
    """Ratios of the copy loop's and the peers' seconds to ours, for one file size."""
    write(folder / "plain", (os.urandom(PIECE_BYTES) for _ in range(mib)))
    contenders = [("copy", None), ("ours", lambda *args: timed(lambda: ours(*args), args[2]))]
    contenders += [(name, peer.run) for name, peer in peers.items()]
    taken: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds + 1):
        for name, run in (
            contenders[turn % 5 :] + contenders[: turn % 5]
        ):  # nobody always follows the same one
            seconds = one_turn(folder, run)
            for direction, value in seconds.items():
                if turn:  # the first warms caches and imports
                    taken.setdefault((name, direction), []).append(value)

    def ratio(name: str, direction: str) -> float:
        pairs = zip(taken[name, direction], taken["ours", direction], strict=True)
        return statistics.median(theirs / mine for theirs, mine in pairs)

    figures: list[Figure] = []
    for place, direction in enumerate(("encrypt", "decrypt")):
        label = f"{direction} {mib} MiB disk to disk /"
        figures.append(Figure(f"{label} copy loop", ratio("copy", direction), "×", 0.65, "higher"))
        figures += [
            Figure(f"{label} {name}", ratio(name, direction), "×", bars[place], "higher")
            for name, bars in PEER_BARS.items()
        ]
    return figures


def one_turn(folder: Path, run: Callable[[str, Path, Path], float] | None) -> dict[str, float]:
    """Return the seconds of one contender, into files that did not exist; None is the copy loop."""
    plain, sealed, out = folder / "plain", folder / "sealed", folder / "out"
    if run is None:
        return dict.fromkeys(("encrypt", "decrypt"), timed(lambda: write(sealed, pieces(plain)), sealed))
    return {"encrypt": run("encrypt", plain, sealed), "decrypt": run("decrypt", sealed, out)}


def memory_figures(mib: int = 512, rounds: int = 5) -> list[Figure]:
    """Memory to memory, against one-shot `AESGCM.encrypt_into` on 1 MiB."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from storage import stream
    from storage.envelope import ObjectContext
    from storage.secret import DataKey

    context, key = ObjectContext("org_bench", "rev_bench", 1, "print-file"), DataKey(PEER_KEY)
    piece, raw, room = os.urandom(PIECE_BYTES), AESGCM(PEER_KEY), bytearray(PIECE_BYTES + 16)
    message = b"".join(bytes(part) for part in stream.encrypt([piece] * 4, key, context))

    def plain_cipher() -> None:
        for _ in range(mib):
            raw.encrypt_into(bytes(12), piece, None, room)

    def encrypt() -> None:
        for _ in stream.encrypt((piece for _ in range(mib)), key, context):
            pass

    def decrypt() -> None:
        for _ in range(mib // 4):
            for _ in stream.decrypt_views([message], key, context):
                pass

    ratios: dict[str, list[float]] = {"encrypt": [], "decrypt": []}
    for _ in range(rounds):
        reference = timed(plain_cipher)
        ratios["encrypt"].append(reference / timed(encrypt))
        ratios["decrypt"].append(reference / timed(decrypt))
    return [
        Figure(f"{name} memory to memory / raw AES-GCM", statistics.median(values), "×", 0.45, "higher")
        for name, values in ratios.items()
    ]


def peak_figure() -> Figure:
    """Measure the memory over baseline of a process that encrypts and decrypts 4 GiB in a stream."""
    run = subprocess.run([sys.executable, __file__, "memory"], capture_output=True, text=True, check=True)
    return Figure(f"peak memory over baseline at {MEMORY_GIB} GiB", float(run.stdout), "MiB", 16, "lower")


def memory() -> None:
    """Print by how many MiB the peak of this process grows."""
    from storage import stream
    from storage.envelope import ObjectContext
    from storage.secret import DataKey

    context, key, piece = ObjectContext("o", "r", 1, "k"), DataKey(PEER_KEY), os.urandom(PIECE_BYTES)
    before = peak_kib()
    source = (piece for _ in range(MEMORY_GIB * 1024))
    for _ in stream.decrypt(stream.encrypt(source, key, context), key, context):
        pass
    print((peak_kib() - before) / 1024)


def peak_kib() -> int:
    """Return the highest resident set this process has had (`ru_maxrss` would start at its parent's)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def range_figure() -> Figure:
    """Measure the most MiB fetched from the store for 1 MiB at any of many offsets of a 1 GiB object."""
    from storage.backends.local import LocalObjects
    from storage.envelope import ObjectContext
    from storage.keys.file import FileKeys
    from storage.vault import Vault

    class Counting(LocalObjects):
        fetched = 0

        def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
            for piece in super().read(key, start, length):
                self.fetched += len(piece)
                yield piece

    context, piece, most = ObjectContext("o", "r", 1, "k"), os.urandom(PIECE_BYTES), 0
    with tempfile.TemporaryDirectory(prefix="bench-vault-") as folder:
        objects = Counting(Path(folder) / "objects")
        vault = Vault(objects, FileKeys(Path(folder) / "keys" / "ring.json"))
        stored = vault.put(context, (piece for _ in range(1024)), 1024 * PIECE_BYTES)
        for start in range(0, 1023 * PIECE_BYTES, 12_345_679):
            objects.fetched = 0
            for _ in vault.open_range(stored, context, start, PIECE_BYTES):
                pass
            most = max(most, objects.fetched)
    return Figure("fetched for a 1 MiB range of 1 GiB", most / PIECE_BYTES, "MiB", 1.1, "lower")


if __name__ == "__main__":
    memory() if sys.argv[1] == "memory" else serve(sys.argv[1])
