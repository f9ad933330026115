"""Packers for binary G-code, written from the specifications and apart from the unpackers under test."""

from __future__ import annotations

PAIRED = "0123456789. \nGX"


def heatshrink(data: bytes, window_bits: int, *, lookahead_bits: int = 4) -> bytes:
    bits = ""
    place = 0
    while place < len(data):
        length, distance = _longest(data, place, 2**window_bits, 2**lookahead_bits)
        if length > 2:
            bits += "0" + f"{distance - 1:0{window_bits}b}" + f"{length - 1:0{lookahead_bits}b}"
            place += length
        else:
            bits += "1" + f"{data[place]:08b}"
            place += 1
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def _longest(data: bytes, place: int, far: int, most: int) -> tuple[int, int]:
    best, found = 0, 0
    for start in range(max(0, place - far), place):
        length = 0
        while length < most and place + length < len(data) and data[start + length] == data[place + length]:
            length += 1
        if length > best:
            best, found = length, place - start
    return best, found


def meatpack(text: str, *, blanks: bool, comments: bool = True) -> bytes:
    """Pack each line; comments stand as they are between two commands; `blanks` keeps blanks in G lines."""
    packed = b"\xff\xff\xfb" + (b"" if blanks else b"\xff\xff\xf7")
    paired = PAIRED if blanks else PAIRED.replace(" ", "E")
    on = True
    for line in text.splitlines(keepends=True):
        if line.startswith(";"):
            if comments:
                packed += (b"\xff\xff\xfa" if on else b"") + line.encode()
                on = False
            continue
        if not on:
            packed += b"\xff\xff\xfb"
            on = True
        plain = line if blanks or not line.startswith("G") else line.replace(" ", "")
        for at in range(0, len(plain), 2):
            packed += _pair(plain[at], plain[at + 1 : at + 2] or "\n", paired)
    return packed


def _pair(first: str, second: str, paired: str) -> bytes:
    low, high = paired.find(first), paired.find(second)
    whole = b""
    if low < 0:
        low, whole = 15, first.encode()
    if high < 0:
        high, whole = 15, whole + second.encode()
    return bytes([high << 4 | low]) + whole
