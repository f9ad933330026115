"""One line of G-code that is no plain move: its command and words, or what is wrong with it.

Strict: one command in a line, each letter once, decimal numbers only, nothing that belongs to a serial
stream (line numbers, checksums) or to another language (`@`, `%`, parentheses, expressions).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mesh_tools.toolpath import commands
from mesh_tools.toolpath.commands import FORBIDDEN, WHY
from mesh_tools.toolpath.machine import MachineLimits
from mesh_tools.toolpath.scan import CODE_CHARACTERS_MAX

OBJECT_CHARACTERS_MAX = 16_384
MOVES = frozenset({"G0", "G1", "G2", "G3"})
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_HEAD = re.compile(r"([GMT]-?[0-9]{1,4}(?:\.[0-9])?)(?=[ \t]|$)")
_NAME = re.compile(r"([A-Z_][A-Z0-9_]{2,63})(?=[ \t]|$)")
_WORD = re.compile(rf"([A-Z])({_NUMBER})?")
_TEXT = re.compile(r"[ \tA-Za-z0-9.,:%+\-/_()#\"'!?]*")
_PAIR = re.compile(r'([A-Z_][A-Z0-9_]*)=("[A-Za-z0-9 .,:+\-_]*"|[A-Za-z0-9.,:+\-_\[\]]*)')
_NUMBER_ALONE = re.compile(_NUMBER)


@dataclass(frozen=True, slots=True)
class Command:
    """A command by its one name; `words` by letter, None for a letter alone; `pairs` as written."""

    name: str
    words: Mapping[str, float | None] = field(default_factory=dict)
    pairs: Mapping[str, str] = field(default_factory=dict)
    macro: bool = False


class LineFault(Exception):  # noqa: N818 - a finding on its way
    """A line that a toolpath may not hold; `code` is that of the finding."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_line(line: bytes, machine: MachineLimits) -> Command:
    """Read `line`, ASCII without comment and surrounding blanks; raises LineFault.

    1. Nothing of a serial stream or another language.
    2. The command, by its one name; a forbidden one is refused by that name.
    3. It is one that this machine's dialect or its operator knows.
    4. The length, then its words, pairs or text. A move that comes here is no plain one (see `scan`).
    """
    text = line.decode("ascii")
    # (1) other languages
    _check_language(text)
    # (2) the command
    head = _HEAD.match(text) or _NAME.match(text)
    if head is None:
        raise LineFault("toolpath.grammar", f"{text[:40]!r} does not begin with a command and a blank")
    name = commands.canonical(head[1])
    if name in FORBIDDEN:
        raise LineFault(FORBIDDEN[name], f"{name} {WHY[FORBIDDEN[name]]}")
    # (3) the dialect
    macro = name in machine.macros or name in machine.homing_macros
    rule = commands.rule_for(name, machine.dialect)
    if name.startswith("T") and _HEAD.match(text):
        rule = commands.Rule()
    if rule is None and not macro:
        raise LineFault("toolpath.unknown_command", f"{name} is no command known of {machine.dialect}")
    # (4) length and words
    room = OBJECT_CHARACTERS_MAX if name.startswith("EXCLUDE_OBJECT") else CODE_CHARACTERS_MAX
    if len(text) > room:
        raise LineFault("toolpath.line_length", f"{len(text)} characters; firmware takes {room} or fewer")
    return _command(name, text[head.end() :], rule, macro=macro)


def _check_language(text: str) -> None:
    if text.startswith("@"):
        raise LineFault("toolpath.host_command", f"{text[:40]!r} speaks to the host, not to the machine")
    if "*" in text or re.match(r"N[0-9]", text):
        raise LineFault("toolpath.line_numbers", "line numbers and checksums belong to a serial stream")


def _command(name: str, rest: str, rule: commands.Rule | None, *, macro: bool) -> Command:
    if rule is not None and rule.text:
        if not _TEXT.fullmatch(rest):
            raise LineFault(
                "toolpath.grammar", f"the text of {name} holds characters that firmware may act on"
            )
        return Command(name)
    if rule is None or rule.pairs:
        if name[1:2].isdigit():
            return Command(name, _words(name, rest), macro=macro)
        return Command(name, pairs=_pairs(name, rest), macro=macro)
    words = _words(name, rest)
    unknown = set(words) - set(rule.letters)
    if unknown:
        raise LineFault("toolpath.unknown_word", f"{name} with {', '.join(sorted(unknown))} is not known")
    if name in MOVES:
        raise LineFault("toolpath.grammar", f"{name}{rest[:40]} is no plain move")
    return Command(name, words)


def _words(name: str, rest: str) -> dict[str, float | None]:
    words: dict[str, float | None] = {}
    for token in rest.split():
        match = _WORD.fullmatch(token)
        if match is None:
            raise LineFault("toolpath.grammar", f"{token[:40]!r} is no letter with a decimal number")
        letter = match[1]
        if letter in words:
            raise LineFault("toolpath.repeated_word", f"{letter} stands twice beside {name}")
        if letter in "GM" and match[2]:
            raise LineFault("toolpath.several_commands", f"{token} follows {name} in the same line")
        words[letter] = None if match[2] is None else float(match[2])
    return words


def _pairs(name: str, rest: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    position = 0
    while rest[position:].strip():
        blank = re.compile(r"[ \t]+").match(rest, position)
        match = _PAIR.match(rest, blank.end()) if blank else None
        if match is None:
            raise LineFault("toolpath.grammar", f"{rest[position:][:40]!r} beside {name} is no KEY=VALUE")
        if match[1] in pairs:
            raise LineFault("toolpath.repeated_word", f"{match[1]} stands twice beside {name}")
        pairs[match[1]] = match[2].strip('"')
        position = match.end()
    return pairs


def decimal(text: str) -> float | None:
    """The value of a decimal number, or None."""
    return float(text) if _NUMBER_ALONE.fullmatch(text) else None
