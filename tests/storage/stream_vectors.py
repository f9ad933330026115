"""Reads tests/vectors/stream: whole ciphertexts, and defects described as slices of them."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from storage.envelope import ObjectContext
from storage.secret import DataKey

FOLDER = Path(__file__).parents[1] / "vectors" / "stream"
VECTORS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="ascii")) for path in sorted(FOLDER.glob("*.json"))
}


def ciphertext_of(name: str) -> bytes:
    vector = VECTORS[name]
    if "ciphertext" in vector:
        return base64.b64decode(vector["ciphertext"])
    return b"".join(_slice(part) for part in vector["parts"])


def _slice(part: dict[str, Any]) -> bytes:
    if "hex" in part:
        return bytes.fromhex(part["hex"])
    piece = bytearray(ciphertext_of(part["of"])[part["start"] : part["end"]])
    if "flip" in part:
        piece[part["flip"]] ^= 1
    return bytes(piece)


def plaintext_of(name: str) -> bytes:
    plaintext = VECTORS[name]["plaintext"]
    if "hex" in plaintext:
        return bytes.fromhex(plaintext["hex"])
    return hashlib.shake_128(plaintext["shake128"].encode()).digest(plaintext["bytes"])


def key_of(name: str) -> DataKey:
    return DataKey(bytes.fromhex(VECTORS[name]["key"]))


def context_of(name: str) -> ObjectContext:
    return ObjectContext.from_json(VECTORS[name]["context"])
