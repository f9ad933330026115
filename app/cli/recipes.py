"""Recipes, terms and lengths as they are written on a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.cli.failures import usage


def pairs(texts: Sequence[str], option: str) -> dict[str, Any]:
    """Read `NAME=VALUE` words; a value that is JSON is taken as JSON, else as text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name:
            raise usage(f"{option} {text!r} is not NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def volume(text: str) -> list[float]:
    """Read a build volume in mm, written 250x210x220."""
    try:
        sides = [float(side) for side in text.lower().replace("×", "x").split("x")]
    except ValueError:
        sides = []
    if len(sides) != 3 or not all(0 < side < float("inf") for side in sides):
        raise usage(f"build volume {text!r} is not three lengths in mm", "write it as 250x210x220")
    return sides


def moment(text: str, option: str) -> datetime:
    """Read a time: RFC 3339, or a time from now such as +30d, +12h, +15m; UTC, whole seconds."""
    now = datetime.now(UTC).replace(microsecond=0)
    units = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
    try:
        if text == "now":
            return now
        if text[:1] == "+" and text[-1:] in units:
            return now + timedelta(**{units[text[-1]]: float(text[1:-1])})
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise usage(f"{option} {text!r} is no time", "write 2027-01-31T12:00:00Z, or +30d from now") from None


def rfc3339(at: datetime) -> str:
    """Write a time as the service takes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def json_file(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise usage(f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise usage(f"{path} holds no JSON object")
    return value
