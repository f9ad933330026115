"""What others would encrypt a file with, each as fast as its interface allows, and where they are installed.

Loaded by an interpreter that has the peers and nothing of what the project needs.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from benchmarks.vault.steady import PIECE_BYTES, overwritten

PACKAGES = ("tink==1.16.1", "aws-encryption-sdk==4.0.7", "pyrage==1.4.0")
KEY = bytes(range(32))


class KeptOpen(io.RawIOBase):
    """Passes writes on, and stays open when Tink closes it."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        """Write to the file behind."""
        return self._file.write(piece)


def tink(direction: str, source: Path, target: Path) -> None:
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
    with source.open("rb", buffering=0) as taken, overwritten(target) as out:
        if direction == "encrypt":
            with primitive.new_encrypting_stream(KeptOpen(out), b"context") as stream:
                while piece := taken.read(PIECE_BYTES):
                    stream.write(piece)
        else:
            with primitive.new_decrypting_stream(taken, b"context") as stream:
                while piece := stream.read(PIECE_BYTES):
                    out.write(piece)


def aws(direction: str, source: Path, target: Path) -> None:
    """Run the AWS Encryption SDK with frames of 1 MiB, key commitment and no signature."""
    import aws_encryption_sdk as sdk
    from aws_encryption_sdk.identifiers import EncryptionKeyType, WrappingAlgorithm
    from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
    from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider

    class OneKey(RawMasterKeyProvider):  # type: ignore[misc]  # untyped, in an environment of its own
        provider_id = "bench"

        def _get_raw_key(self, _: bytes) -> object:
            algorithm = WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING
            return WrappingKey(algorithm, KEY, EncryptionKeyType.SYMMETRIC)

    provider = OneKey()
    provider.add_master_key(b"key")
    client = sdk.EncryptionSDKClient()
    options: dict[str, object] = {}
    if direction == "encrypt":
        suite = sdk.Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
        options = {"frame_length": PIECE_BYTES, "algorithm": suite}
    with (
        source.open("rb", buffering=PIECE_BYTES) as taken,
        overwritten(target) as out,
        client.stream(mode=direction[0], source=taken, key_provider=provider, **options) as stream,
    ):
        while piece := stream.read(2 * PIECE_BYTES):  # iterating would give pieces of 8 KiB
            out.write(piece)


def age(direction: str, source: Path, target: Path) -> None:
    """Run age (its Rust implementation) to an X25519 recipient, buffered since its pieces are small."""
    import pyrage

    identity_file = source.with_name("age.identity")
    if not identity_file.exists():
        identity_file.write_text(str(pyrage.x25519.Identity.generate()))
    identity = pyrage.x25519.Identity.from_str(identity_file.read_text())
    with source.open("rb", buffering=PIECE_BYTES) as taken, target.open("r+b", buffering=PIECE_BYTES) as out:
        if direction == "encrypt":
            pyrage.encrypt_io(taken, out, [identity.to_public()])
        else:
            pyrage.decrypt_io(taken, out, [identity])
        out.truncate()


def interpreter() -> Path:
    """Return the peers' interpreter, making their environment where it is absent."""
    environment = Path(sys.prefix) / "bench-peers"
    python = environment / "bin" / "python"
    if not python.exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PACKAGES], check=True)
    return python
