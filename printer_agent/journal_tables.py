"""The tables of the agent's journal: what each version of it adds, and how an older one grows."""

from __future__ import annotations

from typing import Final

VERSION: Final = 5
_FIRST: Final = """
CREATE TABLE jobs (
    print_id TEXT PRIMARY KEY,
    token_sha256 BLOB NOT NULL UNIQUE,
    state TEXT NOT NULL,
    offer TEXT NOT NULL,
    signature BLOB NOT NULL,
    release_id TEXT UNIQUE,
    started_at INTEGER,
    detail TEXT NOT NULL DEFAULT '',
    updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE starts (
    release_id TEXT PRIMARY KEY,
    print_id TEXT NOT NULL UNIQUE,
    started_at INTEGER NOT NULL,
    intended TEXT
) STRICT;
CREATE TABLE outcomes (
    print_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    queued_at INTEGER NOT NULL,
    sent_at INTEGER,
    answer TEXT,
    problem TEXT
) STRICT;
"""
_SECOND: Final = """
ALTER TABLE starts ADD COLUMN driver TEXT;
CREATE TABLE cancels (
    print_id TEXT PRIMARY KEY,
    asked_at INTEGER NOT NULL
) STRICT;
CREATE TABLE wipes (
    release_id TEXT PRIMARY KEY,
    wiped_at INTEGER NOT NULL
) STRICT;
INSERT INTO wipes SELECT release_id, started_at FROM starts;
"""
"""Files that version 1 delivered were the machine's from then on."""
_THIRD: Final = """
ALTER TABLE outcomes ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
CREATE TABLE particulars (
    print_id TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;
"""
_FOURTH: Final = """
ALTER TABLE jobs ADD COLUMN printer TEXT;
"""
"""Which of the home's identities claimed the print; where it is not noted, the one before any rotation."""
_FIFTH: Final = """
ALTER TABLE starts ADD COLUMN size INTEGER;
"""
"""How many bytes the machine got; where it is not noted, those of the manifest's file."""
_ADDITIONS: Final = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH)


def growth(version: int) -> str:
    """Give the statements that make a journal of `version` (0: an empty one) the newest."""
    return "".join(_ADDITIONS[version:])
