"""The text of a toolpath: cut at line ends, freed of comments, and held to characters that every reader
takes alike.

A carriage return stands only before a line feed, there is no other control character but the tab, and what
lies beyond ASCII stands only in comments, in UTF-8, and is no line separator. Otherwise one reader would see
a comment where another sees a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mesh_tools.errors import Refused

CHUNK_BYTES = 1 << 18
LINE_BYTES_MAX = 1 << 20
_CONTROL = bytes([*range(9), 11, 12, *range(14, 32), 127])
_KEPT = bytes(set(range(256)) - set(_CONTROL))
_COMMENT = re.compile(rb";[^\n]*")
_BARE_RETURN = re.compile(rb"\r(?!\n)")
_SEPARATOR = re.compile("[\x80-\x9f\u2028\u2029]")
_ZERO = re.compile(rb"G0[0-3]")
_ZERO_PADDED = re.compile(rb"^([ \t]*G)0([0-3])(?=[ \t\n])", re.MULTILINE)


def code_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole lines of ASCII without comments, each ended by a line feed, about CHUNK_BYTES at a time.

    The numbers of lines are kept. Raises Refused (toolpath.characters, toolpath.line_length).
    """
    rest = b""
    for piece in pieces:
        rest += piece
        while len(rest) >= CHUNK_BYTES:
            end = rest.rfind(b"\n", 0, CHUNK_BYTES) + 1 or rest.find(b"\n", CHUNK_BYTES) + 1
            if not end:
                break
            yield _code(rest[:end])
            rest = rest[end:]
        if len(rest) > LINE_BYTES_MAX + CHUNK_BYTES:
            raise Refused("toolpath.line_length", f"A line is longer than {LINE_BYTES_MAX} bytes.")
    if rest:
        yield _code(rest if rest.endswith(b"\n") else rest + b"\n")


def _code(lines: bytes) -> bytes:
    if lines.translate(None, _KEPT):
        raise Refused("toolpath.characters", "The text holds control characters.")
    if b"\r" in lines:
        if _BARE_RETURN.search(lines):
            raise Refused("toolpath.characters", "A carriage return stands within a line.")
        lines = lines.replace(b"\r\n", b"\n")
    ascii_only = lines.isascii()
    if not ascii_only:
        _check_unicode(lines)
    if b";" in lines:
        lines = _COMMENT.sub(b"", lines)
    if not ascii_only and not lines.isascii():
        raise Refused("toolpath.characters", "Characters beyond ASCII stand outside comments.")
    return _ZERO_PADDED.sub(rb"\1\2", lines) if _ZERO.search(lines) else lines


def _check_unicode(lines: bytes) -> None:
    try:
        text = lines.decode()
    except UnicodeDecodeError:
        raise Refused("toolpath.characters", "Characters beyond ASCII are not UTF-8.") from None
    if _SEPARATOR.search(text):
        raise Refused("toolpath.characters", "A character separates lines for some readers only.")
