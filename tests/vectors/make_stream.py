"""Writes tests/vectors/stream/*.json: `python tests/vectors/make_stream.py`. The output never changes.

It shares no code with `storage`: keys, salts and plaintexts come from SHAKE128 of a label, HKDF-Expand is
spelled out with HMAC, and the two-key ciphertext is solved in GF(2^128) with AES alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FOLDER = Path(__file__).parent / "stream"
CHUNK, SEALED, HEADER = 16384, 16400, 56
CONTEXT: dict[str, Any] = {"tenant": "org_a", "object_id": "rev_1", "version": 3, "kind": "print-file"}


def derived_bytes(label: str, count: int) -> bytes:
    return hashlib.shake_128(label.encode()).digest(count)


KEY = derived_bytes("key", 32)


def encode(context: dict[str, Any]) -> bytes:
    names = (context["tenant"], context["object_id"], context["kind"])
    framed = b"".join(len(name).to_bytes(2, "big") + name.encode() for name in names)
    return b"partvault/object/v1\0" + framed + context["version"].to_bytes(8, "big")


def message_keys(key: bytes, salt: bytes, context: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + encode(context)
    first = hmac.digest(key, info + b"\1", "sha512")
    okm = first + hmac.digest(key, first + info + b"\2", "sha512")
    return okm[:32], okm[32:44], okm[44:76]


def nonce(base: bytes, index: int) -> bytes:
    return (int.from_bytes(base, "big") ^ index).to_bytes(12, "big")


def sealed_chunks(key: bytes, salt: bytes, chunks: list[bytes]) -> bytes:
    aead, base, commitment = message_keys(key, salt, CONTEXT)
    sealed = (AESGCM(aead).encrypt(nonce(base, index), chunk, None) for index, chunk in enumerate(chunks))
    return salt + commitment + b"".join(sealed)


def multiply(a: int, b: int) -> int:
    """Multiply in GCM's field: bit-reflected, modulus x^128 + x^7 + x^2 + x + 1."""
    product = 0
    for bit in range(127, -1, -1):
        if b >> bit & 1:
            product ^= a
        a = a >> 1 ^ (0xE1 << 120 if a & 1 else 0)
    return product


def inverse(a: int) -> int:
    result, power = 1 << 127, a
    for _ in range(127):
        power = multiply(power, power)
        result = multiply(result, power)
    return result


def two_key_ciphertext(keys: tuple[bytes, bytes], salt: bytes) -> bytes:
    """Build one 32-byte chunk whose tag is right under both keys; the header commits to the first."""
    subkeys, masks = [], []
    for key in keys:
        aead, base, _ = message_keys(key, salt, CONTEXT)
        block = Cipher(algorithms.AES(aead), modes.ECB()).encryptor()
        subkeys.append(int.from_bytes(block.update(bytes(16)), "big"))
        masks.append(int.from_bytes(block.update(base + b"\0\0\0\1"), "big"))
    lengths = 256
    first = int.from_bytes(derived_bytes("two keys", 16), "big")

    def horner(subkey: int, last: int) -> int:
        state = 0
        for word in (first, last, lengths):
            state = multiply(state ^ word, subkey)
        return state

    difference = horner(subkeys[0], 0) ^ horner(subkeys[1], 0) ^ masks[0] ^ masks[1]
    squares = multiply(subkeys[0], subkeys[0]) ^ multiply(subkeys[1], subkeys[1])
    second = multiply(difference, inverse(squares))
    tag = horner(subkeys[0], second) ^ masks[0]
    body = b"".join(word.to_bytes(16, "big") for word in (first, second, tag))
    return salt + message_keys(keys[0], salt, CONTEXT)[2] + body


def whole(name: str, about: str, plaintext_bytes: int, salt_of: str | None = None) -> dict[str, Any]:
    plaintext = derived_bytes(f"plaintext {name}", plaintext_bytes)
    chunks = [plaintext[at : at + CHUNK] for at in range(0, plaintext_bytes + 1, CHUNK)]
    return {
        "name": name,
        "about": about,
        "key": KEY.hex(),
        "context": CONTEXT,
        "expect": "ok",
        "plaintext": {"shake128": f"plaintext {name}", "bytes": plaintext_bytes},
        "ciphertext": base64.b64encode(
            sealed_chunks(KEY, derived_bytes(f"salt {salt_of or name}", 24), chunks)
        ).decode(),
    }


def part(of: str, start: int, end: int | None = None, flip: int | None = None) -> dict[str, Any]:
    """A slice of a whole vector's ciphertext; `flip` is the offset in it of a byte whose lowest bit turns."""
    return {"of": of, "start": start, "end": end} | ({} if flip is None else {"flip": flip})


def broken(name: str, about: str, expect: str, parts: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    base = {
        "name": name,
        "about": about,
        "key": KEY.hex(),
        "context": CONTEXT,
        "expect": expect,
        "parts": parts,
    }
    return base | changes


def chunk_at(index: int) -> int:
    return HEADER + index * SEALED


def wholes() -> list[dict[str, Any]]:
    sizes = {
        "empty": ("a message of no bytes is one empty chunk", 0),
        "one_byte": ("a message of one byte", 1),
        "almost_full": ("the largest message of one chunk", CHUNK - 1),
        "exact": ("a full chunk is followed by an empty one", CHUNK),
        "one_over": ("a full chunk and one byte", CHUNK + 1),
        "three": ("two full chunks and a short one", 2 * CHUNK + 1000),
        "other": ("another message of the length of `three`", 2 * CHUNK + 1000),
    }
    return [whole(name, about, count) for name, (about, count) in sizes.items()]


def truncated() -> list[dict[str, Any]]:
    cases = [
        ("nothing", "no bytes at all", [{"hex": ""}]),
        ("header_cut", "the header ends early", [part("three", 0, 40)]),
        ("header_only", "no chunk follows the header", [part("three", 0, HEADER)]),
        ("chunk_border", "the short last chunk is gone", [part("three", 0, chunk_at(2))]),
        ("inside_tag", "fifteen bytes remain of the last chunk", [part("three", 0, chunk_at(2) + 15)]),
        ("empty_last_chunk", "the empty last chunk is missing", [part("exact", 0, chunk_at(1))]),
    ]
    return [broken(f"truncated_{name}", about, "truncated", parts) for name, about, parts in cases]


def altered() -> list[dict[str, Any]]:
    last = chunk_at(2)
    literal = sealed_chunks(KEY, derived_bytes("salt oversized", 24), [derived_bytes("oversized", CHUNK + 1)])
    short = sealed_chunks(KEY, derived_bytes("salt short", 24), [b"short", b"after a short one"])
    cases = [
        ("last_chunk_cut", "the last chunk lost its last byte", [part("three", 0, -1)]),
        ("extended_by_a_byte", "one byte follows the last chunk", [part("three", 0), {"hex": "00"}]),
        ("extended_by_a_chunk", "the last chunk stands twice", [part("three", 0), part("three", last)]),
        ("extended_by_an_object", "another object follows", [part("three", 0), part("other", 0)]),
        ("chunks_swapped", "chunks 0 and 1 changed places",
         [part("three", 0, HEADER), part("three", chunk_at(1), last), part("three", HEADER, chunk_at(1)),
          part("three", last)]),
        ("chunk_duplicated", "chunk 1 stands twice", [part("three", 0, last), part("three", chunk_at(1))]),
        ("chunk_dropped", "chunk 0 is gone", [part("three", 0, HEADER), part("three", chunk_at(1))]),
        ("chunk_of_another", "chunk 1 comes from another object",
         [part("three", 0, chunk_at(1)), part("other", chunk_at(1), last), part("three", last)]),
        ("header_of_another", "the header comes from another object of the same key and context",
         [part("other", 0, HEADER), part("three", HEADER)]),
        ("body_flipped", "one bit of chunk 1 changed", [part("three", 0, None, flip=chunk_at(1) + 5)]),
        ("first_tag_flipped", "one bit of the first tag changed",
         [part("three", 0, None, flip=chunk_at(1) - 1)]),
        ("last_tag_flipped", "one bit of the last tag changed", [part("three", 0, None, flip=last + 1000)]),
        ("empty_tag_flipped", "one bit of an empty last chunk's tag changed",
         [part("exact", 0, None, flip=chunk_at(1))]),
        ("last_chunk_oversized", "a last chunk of 16 KiB and one byte, as sealed", [{"hex": literal.hex()}]),
        ("middle_chunk_short", "a chunk before the last is short", [{"hex": short.hex()}]),
    ]  # fmt: skip
    return [broken(name, about, "altered", parts) for name, about, parts in cases]


def foreign() -> list[dict[str, Any]]:
    three = [part("three", 0)]
    cases: list[tuple[str, str, list[dict[str, Any]], dict[str, Any]]] = [
        ("salt_flipped", "one bit of the salt changed", [part("three", 0, None, flip=0)], {}),
        ("commitment_flipped", "one bit of the commitment changed", [part("three", 0, None, flip=55)], {}),
        ("wrong_key", "another key", three, {"key": derived_bytes("another key", 32).hex()}),
        ("wrong_tenant", "another tenant", three, {"context": CONTEXT | {"tenant": "org_b"}}),
        ("wrong_object", "another object", three, {"context": CONTEXT | {"object_id": "rev_2"}}),
        ("wrong_version", "another version", three, {"context": CONTEXT | {"version": 2}}),
        ("wrong_kind", "another kind", three, {"context": CONTEXT | {"kind": "print-fil"}}),
    ]
    return [broken(name, about, "wrong_context", parts, **changes) for name, about, parts, changes in cases]


def two_keys() -> list[dict[str, Any]]:
    second = derived_bytes("second key", 32)
    salt = derived_bytes("salt two keys", 24)
    literal = [{"hex": two_key_ciphertext((KEY, second), salt).hex()}]
    aead, base, _ = message_keys(KEY, salt, CONTEXT)
    opened = AESGCM(aead).decrypt(base, bytes.fromhex(literal[0]["hex"])[HEADER:], None)
    about = "one chunk whose tag is right under two keys, opened with the"
    plaintext = {"hex": opened.hex()}
    return [
        broken("two_keys_first", f"{about} committed one", "ok", literal, plaintext=plaintext),
        broken("two_keys_second", f"{about} other", "wrong_context", literal, key=second.hex()),
    ]


def vectors() -> list[dict[str, Any]]:
    return [*wholes(), *truncated(), *altered(), *foreign(), *two_keys()]


def render(vector: dict[str, Any]) -> str:
    return json.dumps(vector, indent=1) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in vectors():
        (FOLDER / f"{each['name']}.json").write_text(render(each))
